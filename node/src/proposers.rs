//! The proposers of this node, made when a show is first asked for.
//!
//! Owns: the table from show to proposer, and their tasks. Must never: keep a proposer whose loop has ended.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use holdfast_inventory::ids::ShowId;
use holdfast_raft::Host;
use tokio_util::task::TaskTracker;

use crate::{
    propose::{Proposer, ProposerContext},
    submission::SubmitFailure,
};

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
}

impl Proposers {
    /// Proposers for the groups of `host`.
    #[must_use]
    pub fn new(host: Host, context: ProposerContext) -> Self {
        let tasks = TaskTracker::new();
        Self {
            inner: Arc::new(Inner {
                host,
                context,
                tasks,
                table: RwLock::default(),
            }),
        }
    }

    /// The proposer of `show`.
    ///
    /// # Errors
    /// When this node has no replica of the show: unknown, elsewhere, or not opened yet.
    pub fn of(&self, show: ShowId) -> Result<Proposer, SubmitFailure> {
        let known = {
            let table = self
                .inner
                .table
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            table.get(&show).cloned()
        };
        match known {
            Some(proposer) if !proposer.is_stopped() => Ok(proposer),
            _ => self.make(show),
        }
    }

    fn make(&self, show: ShowId) -> Result<Proposer, SubmitFailure> {
        let Inner {
            host,
            context,
            tasks,
            table,
        } = &*self.inner;
        if context.stop.is_cancelled() {
            return Err(SubmitFailure::Stopping);
        }
        let Some(group) = host.loaded_show(show) else {
            let opening = host.clone();
            tasks.spawn(async move { drop(opening.open_show(show).await) });
            return Err(self.missing(show));
        };
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(proposer) = table.get(&show).filter(|proposer| !proposer.is_stopped()) {
            return Ok(proposer.clone());
        }
        let (proposer, run) = Proposer::new(group, context.clone());
        tasks.spawn(run);
        table.insert(show, proposer.clone());
        Ok(proposer)
    }

    /// Why there is no group of this show here.
    fn missing(&self, show: ShowId) -> SubmitFailure {
        let node = self.inner.host.node();
        let (failure, _) =
            self.inner
                .host
                .directory()
                .read(|directory| match directory.shows().get(&show) {
                    None => SubmitFailure::UnknownShow { show: show.get() },
                    Some(record) if record.has_replica(node) => {
                        SubmitFailure::NotReady { show: show.get() }
                    }
                    Some(record) => SubmitFailure::Elsewhere {
                        show: show.get(),
                        node: record.leader_preference.first().copied(),
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
