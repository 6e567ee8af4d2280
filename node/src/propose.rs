//! Turns waiting commands into log entries, one proposer per show.
//!
//! ```text
//!  callers ─► refuse the doomed ─► bounded queue ─► gather what waits ─► one entry, stamped ─► up to n in flight
//!     ▲              │                                    │                                      │
//!     └──────────────┴──── answers, matched by tag ◄──────┴──────────────────────────────────────┘
//! ```
//!
//! There is no linger: an idle show's command is written at once, and a batch is whatever came while earlier
//! entries were in flight; [`depth`] says how many. What is doomed is refused before it queues, by the caller's own
//! task: in a rush nearly everything is, and a refusal must not wait behind a write.
//!
//! Owns: batching, the stamp, the bound on what waits. Must never: wait for a caller, retry, or forward; whoever asked
//! holds the idempotency key and decides.

mod callers;
mod depth;
mod flight;
mod spread;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use holdfast_inventory::{
    command::{Entry, Envelope},
    outcome::{Outcome, Rejection},
};
use holdfast_raft::{Clock, Committed, ProposeError, ShowGroup};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{callers::Callers, depth::Depth, flight::Flight};
use crate::{
    config::Limits,
    metrics::Metrics,
    submission::{Answer, Item, Submission, SubmitFailure},
};

/// Knows what is bound to be refused: a show's group, or a script in tests.
pub trait Judge: Send + Sync + 'static {
    /// For each command, why it is bound to be refused, when that is certain from here. Empty, or all `None`, unless
    /// this replica is sure to be the leader and to be current.
    fn doomed(&self, items: &[Item], now_ms: u64) -> Vec<Option<Rejection>>;

    /// Gives every hold among `items` the time that it is to last; see [`holdfast_inventory::spread`].
    fn spread_ends(&self, items: &mut [Item]);
}

/// Where entries go: a show's group, or a script in tests.
pub trait Target: Judge {
    /// Commits one entry and applies it; the first poll submits.
    fn propose(
        &self,
        entry: &Entry,
    ) -> impl Future<Output = Result<Committed<Outcome>, ProposeError>> + Send;
}

impl Judge for ShowGroup {
    fn doomed(&self, items: &[Item], now_ms: u64) -> Vec<Option<Rejection>> {
        if !self.leadership().borrow().leads || !self.has_lease() {
            return Vec::new();
        }
        let (verdicts, _) = self.read(|state| {
            let verdict = |item: &Item| {
                let may = !item.through_log;
                may.then(|| state.would_reject(&item.envelope, now_ms))
                    .flatten()
            };
            items.iter().map(verdict).collect()
        });
        verdicts
    }

    fn spread_ends(&self, items: &mut [Item]) {
        self.peek(|state| spread::spread_ends(state, items));
    }
}

impl Target for ShowGroup {
    async fn propose(&self, entry: &Entry) -> Result<Committed<Outcome>, ProposeError> {
        Self::propose(self, entry).await
    }
}

/// What a proposer works with besides its show.
#[derive(Clone)]
pub struct ProposerContext {
    /// Stamps entries.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// Counters.
    pub metrics: Metrics,
    /// Ends the proposer; what waits is answered [`SubmitFailure::Stopping`].
    pub stop: CancellationToken,
}

/// A submission in the queue, with its share of the queue's room.
struct Queued {
    submission: Submission,
    room: OwnedSemaphorePermit,
    arrived: Instant,
}

/// A cheap handle to one show's proposer.
#[derive(Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Queued>,
    /// One permit per command that waits or is in flight.
    room: Arc<Semaphore>,
    gate: Arc<Gate>,
}

/// Refuses at the door what is doomed.
struct Gate {
    judge: Arc<dyn Judge>,
    context: ProposerContext,
    callers: Callers,
}

impl Proposer {
    /// A proposer for `target`, and its loop for the caller to spawn. The loop ends when every handle is dropped, when
    /// `closed` does (what waits is written first), or when the context's token is cancelled (what waits is refused).
    pub fn new<T: Target>(
        target: T,
        context: ProposerContext,
        closed: impl Future<Output = ()> + Send,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let commands_max = context.limits.commands_per_show_max as usize;
        // Every submission has at least one command, so the queue can never be shorter than the room.
        let (queue, waiting) = mpsc::channel(commands_max);
        let room = Arc::new(Semaphore::new(commands_max));
        let target = Arc::new(target);
        let gate = Arc::new(Gate {
            judge: Arc::clone(&target) as Arc<dyn Judge>,
            context: context.clone(),
            callers: Callers::default(),
        });
        let proposer = Self { queue, room, gate };
        (proposer, run(target, context, waiting, closed))
    }

    /// Whether its loop has ended; a new proposer is needed then.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.queue.is_closed()
    }

    /// Notes that so many commands came from a region, as numbered by the topology.
    pub fn count_callers(&self, region: usize, commands: usize) {
        self.gate.callers.count(region, commands);
    }

    /// Commands by region since this was last asked.
    #[must_use]
    pub fn take_callers(&self) -> Vec<(usize, u64)> {
        self.gate.callers.take()
    }

    /// Takes out of `submission` what the show is bound to refuse, and answers it: on the caller's own task, without
    /// a place in the queue and without a log entry.
    #[must_use]
    pub fn refuse_doomed(&self, submission: &mut Submission) -> Vec<(u64, Answer)> {
        let context = &self.gate.context;
        let judge = self.gate.judge.as_ref();
        flight::refuse_doomed(&mut submission.items, judge, context)
    }

    /// Hands commands over without waiting.
    ///
    /// # Errors
    /// [`SubmitFailure::Overloaded`] or [`SubmitFailure::Stopping`], with the submission given back; nothing
    /// happened.
    pub fn submit(&self, submission: Submission) -> Result<(), (Submission, SubmitFailure)> {
        let commands = u32::try_from(submission.items.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(commands) else {
            return Err(self.overloaded(submission));
        };
        let queued = Queued {
            submission,
            room,
            arrived: Instant::now(),
        };
        self.queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(queued) => self.overloaded(queued.submission),
            mpsc::error::TrySendError::Closed(queued) => {
                (queued.submission, SubmitFailure::Stopping)
            }
        })
    }

    fn overloaded(&self, submission: Submission) -> (Submission, SubmitFailure) {
        self.gate.context.metrics.overloaded(&submission);
        (submission, SubmitFailure::Overloaded)
    }

    /// Submits one command and waits for its outcome, at most `deadline`.
    ///
    /// # Errors
    /// [`SubmitFailure`]; [`SubmitFailure::Unconfirmed`] when the time is up.
    pub async fn submit_one(
        &self,
        envelope: Envelope,
        bytes: usize,
        deadline: Duration,
    ) -> Result<(u64, Outcome), SubmitFailure> {
        let give_up_at = Instant::now() + deadline;
        let (answers, mut answer) = mpsc::channel(1);
        let items = vec![Item {
            tag: 0,
            envelope,
            give_up_at,
            // One command alone can afford the log, and whoever sends one alone wants a plain answer.
            through_log: true,
            end_is_spread: false,
            bytes,
        }];
        self.submit(Submission {
            show: 0,
            items,
            answers,
        })
        .map_err(|(_, failure)| failure)?;
        match tokio::time::timeout_at(give_up_at, answer.recv()).await {
            Ok(Some(answers)) => match answers.answers.into_iter().next() {
                Some((_, Answer::Outcome(outcome))) => Ok((answers.index, outcome)),
                Some((_, Answer::Failed(failure))) => Err(failure),
                None => Err(SubmitFailure::Unconfirmed),
            },
            // The sender is dropped without an answer only when the proposer is torn down in mid-flight.
            Ok(None) | Err(_) => Err(SubmitFailure::Unconfirmed),
        }
    }
}

async fn run<T: Target>(
    target: Arc<T>,
    context: ProposerContext,
    mut waiting: mpsc::Receiver<Queued>,
    closed: impl Future<Output = ()> + Send,
) {
    // Ends once and is not asked again.
    let mut closed = std::pin::pin!(closed.fuse());
    let mut depth = Depth::new(context.limits.entries_in_flight_max as usize);
    let mut flights = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            // Nobody can queue from here on; what waits is taken out until there is nothing left.
            () = &mut closed => waiting.close(),
            // A new flight's first poll, here, is what submits it: entries keep the order of their making.
            Some(took) = flights.next(), if !flights.is_empty() => {
                if let Some(took) = took {
                    depth.committed(took);
                }
            }
            queued = waiting.recv(), if flights.len() < depth.entries() => {
                let Some(first) = queued else { break };
                let batch = gather(first, &mut waiting, &context.limits);
                if let Some(flight) = Flight::prepare(batch, target.as_ref(), &context) {
                    flights.push(flight.fly(Arc::clone(&target), &context));
                }
            }
        }
    }
    waiting.close();
    while let Ok(queued) = waiting.try_recv() {
        flight::fail_all(queued, &SubmitFailure::Stopping);
    }
    while flights.next().await.is_some() {}
}

/// Takes what waits, up to the bounds of one entry.
fn gather(first: Queued, waiting: &mut mpsc::Receiver<Queued>, limits: &Limits) -> Vec<Queued> {
    let mut commands = first.submission.items.len();
    let mut bytes = first.submission.bytes();
    let mut batch = vec![first];
    while commands < limits.commands_per_entry_max as usize
        && bytes < limits.entry_bytes_max as usize
    {
        let Ok(next) = waiting.try_recv() else { break };
        commands += next.submission.items.len();
        bytes += next.submission.bytes();
        batch.push(next);
    }
    batch
}

#[cfg(test)]
mod tests;
