//! Which payment jobs are under way, and what comes next for each. Pure: no clock, no I/O.
//!
//! ```text
//!   Authorise ──► authorised ──► Record(Authorised)         Capture ──► captured ─► Record(Captured)
//!       ├───────► declined ────► Record(Declined)              ├──────► refused ──► Record(CaptureFailed)
//!       └───────► no word ─────► Record(TimedOut): voided      └──────► no word ──► the same call, later
//!   Void ───────► voided ──────► Record(Voided)             a record that is not committed: the same, later
//!       └───────► no word ─────► the same call, later
//! ```
//!
//! Owns: retries and their delays. Must never: try an authorisation twice without knowing the first one's end, or give
//! up on a capture or a void: money is set aside until one of them is settled.

use std::{collections::BTreeMap, time::Duration};

use holdfast_inventory::{
    command::{PaymentFact, RecordPayment},
    ids::{AttemptNo, OrderId, OutboxSeq},
    outbox::{Job, OutboxRecord},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Jobs of one show under way at once.
pub(super) const JOBS_MAX: usize = 256;
/// First delay before a repeat; it doubles each time.
const BACKOFF_FIRST_MS: u64 = 100;
/// Longest delay before a repeat.
const BACKOFF_MS_MAX: u64 = 10_000;
const _: () = assert!(
    BACKOFF_FIRST_MS < BACKOFF_MS_MAX,
    "or no repeat would wait longer than the first"
);

/// What the provider said, whatever it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Yes: authorised, captured, voided.
    Yes,
    /// No, for good.
    No,
    /// Unknown; it may have acted.
    None,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The outbox has this record.
    Found(OutboxRecord),
    /// The provider's answer for the job of this record.
    Said(OutboxSeq, Word),
    /// The fact for this record was committed (or refused for good).
    Recorded(OutboxSeq),
    /// It was not committed, as far as is known.
    NotRecorded(OutboxSeq),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask the provider.
    Call {
        seq: OutboxSeq,
        job: Job,
        after: Duration,
    },
    /// Commit a fact.
    Record {
        seq: OutboxSeq,
        fact: RecordPayment,
        after: Duration,
    },
}

#[derive(Debug)]
struct Task {
    job: Job,
    /// Set once the provider's word is known.
    fact: Option<RecordPayment>,
    repeats: u32,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Desk {
    next: OutboxSeq,
    tasks: BTreeMap<OutboxSeq, Task>,
    jitter: StdRng,
}

impl Desk {
    /// An empty desk; `seed` spreads the repeats of many shows.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            next: OutboxSeq(1),
            tasks: BTreeMap::new(),
            jitter: StdRng::seed_from_u64(seed),
        }
    }

    /// Where the outbox has not been looked at yet.
    pub(super) fn next(&self) -> OutboxSeq {
        self.next
    }

    /// How many records can be taken on now.
    pub(super) fn room(&self) -> usize {
        JOBS_MAX.saturating_sub(self.tasks.len())
    }

    /// Takes in what happened; says what to do next, if anything.
    pub(super) fn step(&mut self, event: Event) -> Option<Action> {
        match event {
            Event::Found(record) => self.found(record),
            Event::Said(seq, word) => self.said(seq, word),
            Event::Recorded(seq) => {
                self.tasks.remove(&seq);
                None
            }
            Event::NotRecorded(seq) => self.again(seq),
        }
    }

    fn found(&mut self, record: OutboxRecord) -> Option<Action> {
        let OutboxRecord { seq, job, .. } = record;
        self.next = self.next.max(seq.next());
        if !job.wants_fact() || self.tasks.contains_key(&seq) {
            return None;
        }
        self.tasks.insert(
            seq,
            Task {
                job: job.clone(),
                fact: None,
                repeats: 0,
            },
        );
        Some(Action::Call {
            seq,
            job,
            after: Duration::ZERO,
        })
    }

    fn said(&mut self, seq: OutboxSeq, word: Word) -> Option<Action> {
        let task = self.tasks.get_mut(&seq)?;
        let Some(fact) = fact(&task.job, word) else {
            return self.again(seq);
        };
        task.fact = Some(fact);
        task.repeats = 0;
        Some(Action::Record {
            seq,
            fact,
            after: Duration::ZERO,
        })
    }

    /// The same step once more, later.
    fn again(&mut self, seq: OutboxSeq) -> Option<Action> {
        let task = self.tasks.get_mut(&seq)?;
        let doubled = BACKOFF_FIRST_MS << task.repeats.min(16);
        task.repeats = task.repeats.saturating_add(1);
        let delay_ms = doubled.min(BACKOFF_MS_MAX);
        // Between half and all of it, so that jobs that failed together do not come back together.
        let after = Duration::from_millis(self.jitter.random_range(delay_ms / 2..=delay_ms));
        Some(match task.fact {
            Some(fact) => Action::Record { seq, fact, after },
            None => Action::Call {
                seq,
                job: task.job.clone(),
                after,
            },
        })
    }
}

/// The fact that `word` makes of `job`; `None` when the provider must be asked again.
fn fact(job: &Job, word: Word) -> Option<RecordPayment> {
    let (order, attempt) = subject(job)?;
    let fact = match (job, word) {
        (Job::Authorise { .. }, Word::Yes) => PaymentFact::Authorised,
        (Job::Authorise { .. }, Word::No) => PaymentFact::Declined,
        (Job::Authorise { .. }, Word::None) => PaymentFact::TimedOut,
        (Job::Capture { .. }, Word::Yes) => PaymentFact::Captured,
        (Job::Capture { .. }, Word::No) => PaymentFact::CaptureFailed,
        (Job::Void { .. }, Word::Yes) => PaymentFact::Voided,
        (Job::Capture { .. }, Word::None) | (Job::Void { .. }, Word::No | Word::None) => {
            return None;
        }
        (Job::Notify { .. } | Job::Publish { .. }, _) => return None,
    };
    Some(RecordPayment {
        order,
        attempt,
        fact,
    })
}

/// The order and attempt that a job of money is about.
pub(super) fn subject(job: &Job) -> Option<(OrderId, AttemptNo)> {
    match job {
        Job::Authorise { order, attempt, .. }
        | Job::Capture { order, attempt, .. }
        | Job::Void { order, attempt } => Some((*order, *attempt)),
        Job::Notify { .. } | Job::Publish { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn void(seq: u64) -> OutboxRecord {
        let job = Job::Void {
            order: OrderId(4),
            attempt: AttemptNo(1),
        };
        OutboxRecord {
            seq: OutboxSeq(seq),
            at_ms: 0,
            job,
        }
    }

    fn authorise(seq: u64) -> OutboxRecord {
        let job = Job::Authorise {
            order: OrderId(4),
            attempt: AttemptNo(1),
            amount_minor: 100,
            currency: holdfast_inventory::ids::Currency::NONE,
            payment_token: "tok".to_owned(),
        };
        OutboxRecord {
            seq: OutboxSeq(seq),
            at_ms: 0,
            job,
        }
    }

    fn fact_of(action: Option<Action>) -> PaymentFact {
        match action {
            Some(Action::Record { fact, .. }) => fact.fact,
            other => panic!("expected a record, got {other:?}"),
        }
    }

    #[test]
    fn every_word_on_an_authorisation_becomes_a_fact() {
        for (word, expected) in [
            (Word::Yes, PaymentFact::Authorised),
            (Word::No, PaymentFact::Declined),
            (Word::None, PaymentFact::TimedOut),
        ] {
            let mut desk = Desk::new(1);
            desk.step(Event::Found(authorise(1)));
            assert_eq!(
                fact_of(desk.step(Event::Said(OutboxSeq(1), word))),
                expected
            );
        }
    }

    #[test]
    fn a_void_is_repeated_until_the_provider_confirms_it() {
        let mut desk = Desk::new(1);
        desk.step(Event::Found(void(1)));
        let mut delays = Vec::new();
        for _ in 0..20 {
            match desk.step(Event::Said(OutboxSeq(1), Word::None)) {
                Some(Action::Call { after, .. }) => delays.push(after),
                other => panic!("expected another call, got {other:?}"),
            }
        }
        assert!(
            delays
                .iter()
                .all(|d| *d <= Duration::from_millis(BACKOFF_MS_MAX))
        );
        assert!(delays[10] > delays[0], "repeats come less and less often");
        assert_eq!(
            fact_of(desk.step(Event::Said(OutboxSeq(1), Word::Yes))),
            PaymentFact::Voided
        );
    }

    #[test]
    fn a_fact_that_was_not_committed_is_offered_again_without_asking_the_provider_again() {
        let mut desk = Desk::new(1);
        desk.step(Event::Found(authorise(1)));
        desk.step(Event::Said(OutboxSeq(1), Word::Yes));
        let again = desk.step(Event::NotRecorded(OutboxSeq(1)));
        assert_eq!(fact_of(again), PaymentFact::Authorised);
        assert_eq!(desk.step(Event::Recorded(OutboxSeq(1))), None);
        assert_eq!(desk.room(), JOBS_MAX);
    }

    #[test]
    fn a_record_is_taken_on_once_and_notices_are_left_to_others() {
        let mut desk = Desk::new(1);
        assert!(desk.step(Event::Found(void(3))).is_some());
        assert!(desk.step(Event::Found(void(3))).is_none());
        assert_eq!(desk.next(), OutboxSeq(4));
        let notice = Job::Publish {
            order: OrderId(1),
            notice: holdfast_inventory::outbox::Notice::OrderConfirmed,
        };
        let record = OutboxRecord {
            seq: OutboxSeq(9),
            at_ms: 0,
            job: notice,
        };
        assert!(desk.step(Event::Found(record)).is_none());
        assert_eq!(desk.next(), OutboxSeq(10));
        assert_eq!(desk.room(), JOBS_MAX - 1);
    }
}
