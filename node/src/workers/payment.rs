//! Carries out the money side of an order: authorise, capture, void.
//!
//! The order of things is the state machine's: an *authorised* fact sells the seats in the log before anything is
//! captured, so nobody is charged for a seat they did not get. This worker reads the jobs from the outbox, asks the
//! provider, and records what it said. Owns: the calls. Must never: decide what a fact means.

mod desk;
mod journal;
mod provider;

use std::time::Duration;

use holdfast_inventory::{
    command::{Command, RecordPayment},
    ids::{OutboxSeq, RequestId},
    outbox::Job,
    outcome::Outcome,
};
pub use journal::PaymentJournal;
pub use provider::{
    AttemptId, Authorisation, Capture, Money, NoWord, PaymentProvider, TestProvider,
};
use tokio::task::JoinSet;

use self::desk::{Action, Desk, Event, Word};
use crate::leader_scope::Led;

/// Between two looks at a busy shard's outbox.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Runs until aborted.
pub async fn run(led: Led) {
    let mut applied = led.group.applied();
    let mut desk = Desk::new(led.group.show_id().get() ^ led.term.rotate_left(32));
    let mut doing: JoinSet<Event> = JoinSet::new();
    loop {
        applied.borrow_and_update();
        let room = desk.room();
        if room > 0 {
            let (found, _) = led.group.read(|state| {
                state
                    .outbox_pending(desk.next(), room)
                    .cloned()
                    .collect::<Vec<_>>()
            });
            for record in found {
                start(&led, &mut doing, desk.step(Event::Found(record)));
            }
        }
        tokio::select! {
            Some(done) = doing.join_next() => match done {
                Ok(event) => start(&led, &mut doing, desk.step(event)),
                // Its record would wait for a step that never comes: the worker starts anew from the outbox.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => tracing::debug!(%error, "a payment step was called off"),
            },
            changed = applied.changed(), if room > 0 => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
    }
}

fn start(led: &Led, doing: &mut JoinSet<Event>, action: Option<Action>) {
    if let Some(action) = action {
        let led = led.clone();
        doing.spawn(async move {
            match action {
                Action::Call { seq, job, after } => {
                    tokio::time::sleep(after).await;
                    Event::Said(seq, call(&led, job).await)
                }
                Action::Record { seq, fact, after } => {
                    tokio::time::sleep(after).await;
                    record(&led, seq, fact).await
                }
            }
        });
    }
}

/// Asks the provider, for as long as it may take.
async fn call(led: &Led, job: Job) -> Word {
    led.context.metrics.payment_calls.inc();
    let asked = tokio::time::timeout(led.context.payment_timeout, ask(led, job));
    asked.await.unwrap_or(Word::None)
}

async fn ask(led: &Led, job: Job) -> Word {
    let provider = &led.context.payments;
    let Some((order, attempt)) = desk::subject(&job) else {
        return Word::None;
    };
    let id = AttemptId {
        show: led.group.show_id(),
        order,
        attempt,
    };
    match job {
        Job::Authorise {
            amount_minor,
            currency,
            payment_token,
            ..
        } => {
            let money = Money {
                amount_minor,
                currency,
            };
            match provider.authorise(id, money, payment_token).await {
                Ok(Authorisation::Authorised) => Word::Yes,
                Ok(Authorisation::Declined) => Word::No,
                Err(NoWord) => Word::None,
            }
        }
        Job::Capture {
            amount_minor,
            currency,
            ..
        } => {
            match provider
                .capture(
                    id,
                    Money {
                        amount_minor,
                        currency,
                    },
                )
                .await
            {
                Ok(Capture::Captured) => Word::Yes,
                Ok(Capture::Refused) => Word::No,
                Err(NoWord) => Word::None,
            }
        }
        Job::Void { .. } => provider.void(id).await.map_or(Word::None, |()| Word::Yes),
        Job::Notify { .. } | Job::Publish { .. } => Word::None,
    }
}

async fn record(led: &Led, seq: OutboxSeq, fact: RecordPayment) -> Event {
    let request = RequestId::internal("payment", seq.get());
    match led.commit(request, Command::RecordPayment(fact)).await {
        Ok(Outcome::Rejected(reason)) => {
            // An earlier leader recorded it, or the attempt is over: the state machine has the last word.
            let show = led.group.show_id();
            tracing::debug!(%show, order = %fact.order, %reason, "payment fact not needed");
            Event::Recorded(seq)
        }
        Ok(_) => Event::Recorded(seq),
        Err(_) => Event::NotRecorded(seq),
    }
}
