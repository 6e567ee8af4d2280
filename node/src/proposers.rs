//! The proposers of this node: made when a show is first asked for, ended when its replica leaves memory.
//!
//! ```text
//!  a command ─► proposer at hand ─────────────────────────────► its queue
//!       ├─────► led elsewhere, by what the nodes claim ───────► the caller is told where
//!       └─────► replica on disk ─► waiting room ─► opened ─► proposer ─► its queue
//! ```
//!
//! Owns: the table from show to proposer, the waiting room, and their tasks. Must never: keep a proposer whose loop has ended,
//! or open a replica only to learn that another node leads.

mod target;
mod waiting;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use holdfast_inventory::{command::Envelope, ids::ShowId, outcome::Outcome};
use holdfast_raft::{Host, OpenError, ShowGroup};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::{target::ShowTarget, waiting::WaitingRoom};
use crate::{
    propose::{Proposer, ProposerContext},
    submission::{Submission, SubmitFailure},
};

/// Longest wait for a replica to be read from disk. The caller's own deadline is usually shorter, and is kept by the proposer.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// A cheap handle to all proposers.
#[derive(Clone)]
pub struct Proposers {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    context: ProposerContext,
    tasks: TaskTracker,
    /// Guards the table; held for a lookup or an insert, never over an await.
    table: RwLock<BTreeMap<ShowId, Proposer>>,
    waiting: WaitingRoom,
}

impl Proposers {
    /// Proposers for the groups of `host`.
    #[must_use]
    pub fn new(host: Host, context: ProposerContext) -> Self {
        let waiting = WaitingRoom::new(context.limits.commands_per_show_max as usize);
        Self {
            inner: Arc::new(Inner {
                host,
                context,
                tasks: TaskTracker::new(),
                table: RwLock::default(),
                waiting,
            }),
        }
    }

    /// The proposer of `show`; `None` when its replica has to be opened first, see [`Proposers::submit_when_open`].
    ///
    /// # Errors
    /// When this node has no replica of the show, or knows that another node leads it.
    pub fn of(&self, show: ShowId) -> Result<Option<Proposer>, SubmitFailure> {
        if let Some(proposer) = self.at_hand(show) {
            return Ok(Some(proposer));
        }
        let Inner { host, context, .. } = &*self.inner;
        if context.stop.is_cancelled() {
            return Err(SubmitFailure::Stopping);
        }
        if let Some(group) = host.loaded_show(show) {
            return Ok(Some(self.make(group)));
        }
        if !host.has_replica(show) {
            return Err(self.missing(show));
        }
        match host.leader_of(show) {
            Some(leader) if leader != host.node() && host.is_alive(leader) => {
                Err(SubmitFailure::Elsewhere {
                    show: show.get(),
                    node: Some(leader),
                })
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The proposer of `show`, once its replica is in memory.
    ///
    /// # Errors
    /// As [`Proposers::of`], and when the replica cannot be opened in time.
    pub async fn open(&self, show: ShowId) -> Result<Proposer, SubmitFailure> {
        if let Some(proposer) = self.of(show)? {
            return Ok(proposer);
        }
        let opening = self.inner.host.open_show(show);
        let opened = tokio::select! {
            () = self.inner.context.stop.cancelled() => return Err(SubmitFailure::Stopping),
            opened = tokio::time::timeout(OPEN_LIMIT, opening) => opened,
        };
        match opened {
            Ok(Ok(group)) => Ok(self.make(group)),
            Ok(Err(OpenError::NotHere { .. })) => Err(self.missing(show)),
            Ok(Err(OpenError::Stopping)) => Err(SubmitFailure::Stopping),
            Ok(Err(OpenError::Failed { .. })) | Err(_) => {
                Err(SubmitFailure::NotOpened { show: show.get() })
            }
        }
    }

    /// Submits one command and waits for its outcome, at most `deadline`; opens the show's replica if it must.
    ///
    /// # Errors
    /// [`SubmitFailure`]; [`SubmitFailure::Unconfirmed`] when the time is up.
    pub async fn submit_one(
        &self,
        show: ShowId,
        envelope: Envelope,
        bytes: usize,
        deadline: Duration,
    ) -> Result<(u64, Outcome), SubmitFailure> {
        let give_up_at = Instant::now() + deadline;
        loop {
            let proposer = self.open(show).await?;
            let left = give_up_at.saturating_duration_since(Instant::now());
            match proposer.submit_one(envelope.clone(), bytes, left).await {
                // Its replica has just left memory, and the command never came to it.
                Err(SubmitFailure::Stopping) if !left.is_zero() && !self.is_stopping() => {}
                answered => return answered,
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.inner.context.stop.is_cancelled()
    }

    /// Takes commands for a show whose replica is not in memory; opens it, and hands them to its proposer then.
    ///
    /// # Errors
    /// [`SubmitFailure::Overloaded`], with the submission given back; nothing happened.
    pub fn submit_when_open(
        &self,
        submission: Submission,
    ) -> Result<(), (Submission, SubmitFailure)> {
        let show = ShowId(submission.show);
        let entered = self.inner.waiting.enter(show, submission);
        if let Err((refused, _)) = &entered {
            self.inner.context.metrics.overloaded(refused);
        }
        if entered? {
            let opening = self.clone();
            self.inner.tasks.spawn(async move {
                let opened = opening.open(show).await;
                for submission in opening.inner.waiting.leave(show) {
                    let handed = match &opened {
                        Ok(proposer) => proposer.submit(submission),
                        Err(failure) => Err((submission, failure.clone())),
                    };
                    if let Err((submission, failure)) = handed {
                        submission.fail(&failure);
                    }
                }
            });
        }
        Ok(())
    }

    /// Commands for `show` by the caller's region, as numbered by the topology, since this was last asked.
    #[must_use]
    pub fn take_callers(&self, show: ShowId) -> Vec<(usize, u64)> {
        let proposer = self.at_hand(show);
        proposer.map_or_else(Vec::new, |proposer| proposer.take_callers())
    }

    fn at_hand(&self, show: ShowId) -> Option<Proposer> {
        let table = self.inner.table.read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        let proposer = table.get(&show)?;
        (!proposer.is_stopped()).then(|| proposer.clone())
    }

    fn make(&self, group: ShowGroup) -> Proposer {
        let show = group.show_id();
        let Inner {
            host,
            context,
            tasks,
            table,
            ..
        } = &*self.inner;
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(proposer) = table.get(&show).filter(|proposer| !proposer.is_stopped()) {
            return proposer.clone();
        }
        let closed = group.clone();
        let target = ShowTarget::new(host.clone(), group);
        let closed = async move { closed.closed().await };
        let (proposer, run) = Proposer::new(target, context.clone(), closed);
        let own = self.clone();
        tasks.spawn(async move {
            run.await;
            own.forget(show);
        });
        table.insert(show, proposer.clone());
        proposer
    }

    /// Drops the proposer of a show when its loop has ended.
    fn forget(&self, show: ShowId) {
        let table = self.inner.table.write();
        let mut table = table.unwrap_or_else(PoisonError::into_inner);
        if table.get(&show).is_some_and(Proposer::is_stopped) {
            table.remove(&show);
        }
    }

    /// Why there is no group of this show here.
    fn missing(&self, show: ShowId) -> SubmitFailure {
        let Inner { host, .. } = &*self.inner;
        let node = host.node();
        let led_by = host.leader_of(show).filter(|leader| host.is_alive(*leader));
        let (failure, _) = host
            .directory()
            .read(|directory| match directory.shows().get(&show) {
                None => SubmitFailure::UnknownShow { show: show.get() },
                Some(record) if record.has_replica(node) => {
                    SubmitFailure::NotReady { show: show.get() }
                }
                Some(record) => SubmitFailure::Elsewhere {
                    show: show.get(),
                    node: led_by.or_else(|| record.leader_preference.first().copied()),
                },
            });
        failure
    }

    /// Stops every proposer: what waits is refused, what is in flight gets its answer.
    pub async fn stop(&self) {
        self.inner.context.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}
