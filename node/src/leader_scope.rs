//! Workers exist exactly while this node leads term *t* of a show's group.
//!
//! ```text
//!  group opened ─► follow leadership ─► leads term t ─► workers of t ─► lost, or term t+1 ─► workers aborted ─┐
//!       ▲                ▲                                                                                   │
//!       │                └───────────────────────────────────────────────────────────────────────────────────┘
//!       └── from disk again ◄── forgotten ◄── put away: a leader's replica stays in memory while it has anything to do
//! ```
//!
//! Aborting is always safe: a worker keeps nothing but what it can read again from the log, and what it does outside
//! carries ids by which the far side drops repeats. Owns: that lifetime. Must never: let a worker outlive its term.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use holdfast_inventory::{
    command::{Command, Envelope},
    ids::RequestId,
    outcome::Outcome,
};
use holdfast_raft::{Clock, Host, ShowGroup, pace::pause_after};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    buyer_index::BuyerIndexes,
    metrics::Metrics,
    proposers::Proposers,
    room::reports::Reports,
    submission::SubmitFailure,
    workers::{
        buyer_index, hold_expiry, outbox, outbox::NoticeSink, payment, payment::PaymentProvider,
        show_set_up, waiting_room,
    },
};

/// How long a worker waits for one command of its own.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);
/// About the size of a worker's command, bytes.
const COMMAND_BYTES: usize = 64;

/// What every worker of this node shares.
#[derive(Clone)]
pub struct WorkerContext {
    /// This node's groups.
    pub host: Host,
    /// The way into the logs.
    pub proposers: Proposers,
    /// Stamps and waits.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Metrics,
    /// Who moves the money.
    pub payments: Arc<dyn PaymentProvider>,
    /// Longest wait for its answer.
    pub payment_timeout: Duration,
    /// Where notices and events go.
    pub notices: Arc<dyn NoticeSink>,
    /// Who has which orders.
    pub indexes: BuyerIndexes,
    /// What gateways say about waiting rooms.
    pub reports: Reports,
}

/// What a worker of one term works with.
#[derive(Clone)]
pub struct Led {
    /// The group that this node leads.
    pub group: ShowGroup,
    /// The term it leads.
    pub term: u64,
    /// The rest.
    pub context: WorkerContext,
}

impl Led {
    /// Commits a command of the system itself and returns its outcome.
    ///
    /// # Errors
    /// [`SubmitFailure`]; the command may have happened, and every one a worker sends may be sent again.
    pub async fn commit(
        &self,
        request: RequestId,
        command: Command,
    ) -> Result<Outcome, SubmitFailure> {
        let show = self.group.show_id();
        let envelope = Envelope { request, command };
        let proposers = &self.context.proposers;
        let submitting = proposers.submit_one(show, envelope, COMMAND_BYTES, COMMIT_LIMIT);
        let (_, outcome) = submitting.await?;
        Ok(outcome)
    }
}

/// Before workers that panicked start anew: a fault that repeats must not fill the log.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Groups that open together are looked at together: a look walks over all that are in memory.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Follows every group of this node that is in memory until `stop`; ends when all workers have ended.
pub async fn run(context: WorkerContext, stop: CancellationToken) {
    let mut changed = context.host.groups_changed();
    let mut followed = BTreeSet::new();
    let mut scopes = JoinSet::new();
    loop {
        changed.borrow_and_update();
        let began = Instant::now();
        for group in context.host.loaded_shows() {
            let id = group.group_id();
            if followed.insert(id) {
                let context = context.clone();
                scopes.spawn(async move {
                    tokio::select! {
                        () = group.closed() => {}
                        () = follow(group.clone(), context) => {}
                    }
                    id
                });
            }
        }
        // Taken here, where the look ends: how long no group changed afterwards is no cost.
        let pause = pause_after(began, LOOK_PAUSE);
        tokio::select! {
            () = stop.cancelled() => break,
            news = changed.changed() => {
                if news.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            Some(ended) = scopes.join_next() => match ended {
                Ok(group) => {
                    followed.remove(&group);
                }
                // Its group is not followed any more until this node starts anew: say so loudly.
                Err(error) => tracing::error!(%error, "a group's workers ended badly"),
            },
        }
    }
    scopes.shutdown().await;
}

/// Waits until a worker panics; those that have done their work and ended are no reason to start anew.
async fn panicked(workers: &mut JoinSet<()>) {
    while let Some(ended) = workers.join_next().await {
        if ended.is_err_and(|error| error.is_panic()) {
            return;
        }
    }
    std::future::pending().await
}

/// Runs the workers of each term that this node leads. Dropping the future aborts them.
async fn follow(group: ShowGroup, context: WorkerContext) {
    let mut leadership = group.leadership();
    loop {
        let Ok(term) = leadership
            .wait_for(|now| now.leads)
            .await
            .map(|now| now.term)
        else {
            return;
        };
        #[cfg(feature = "sabotage")]
        crate::sabotage::leads(term);
        let led = Led {
            group: group.clone(),
            term,
            context: context.clone(),
        };
        let mut workers = JoinSet::new();
        workers.spawn(show_set_up::run(led.clone()));
        workers.spawn(hold_expiry::run(led.clone()));
        workers.spawn(payment::run(led.clone()));
        let delivery = led.context.indexes.deliveries().begin(group.show_id());
        workers.spawn(buyer_index::run(led.clone(), delivery.watch()));
        workers.spawn(outbox::run(led.clone(), delivery));
        workers.spawn(waiting_room::run(led));
        let over = tokio::select! {
            over = leadership.wait_for(|now| !now.leads || now.term != term) => Some(over.is_err()),
            () = panicked(&mut workers) => None,
        };
        workers.shutdown().await;
        match over {
            Some(true) => return,
            Some(false) => {}
            None => {
                tracing::error!(group = %group.group_id(), "a worker panicked, all start anew");
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        }
    }
}
