//! How a host stops.
//!
//! Owns: the order: no new work, leaderships handed over, replicas stopped, links and tasks ended, the log closed. Must never: close the
//! log while a replica still runs, or stop one replica after the other: each may be in the middle of a write to the disk, and a node
//! has thousands.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::task::JoinSet;

use super::Host;
use crate::blocking;

/// How long a stopping node waits for its leaderships to be taken over.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

/// Replicas that are stopped at a time: enough that those in the middle of a write share its fsync and no processor is idle, few enough
/// that whatever else the process still does gets its turn.
pub(super) const STOPPING_MAX: usize = 64;

impl Host {
    /// Hands leaderships over, stops the groups, closes links and stores. Idempotent.
    pub async fn shutdown(&self) {
        self.inner.stop_duties.cancel();
        self.hand_over_leaderships().await;
        self.stop_at_once().await;
    }

    /// Stops without a word to the others: they take over as if the node had died.
    pub async fn stop_at_once(&self) {
        self.inner.stop_duties.cancel();
        self.stop_replicas().await;
        self.inner.stop.cancel();
        self.inner.group_tasks.close();
        let tasks = self.inner.tasks.lock();
        let tasks = std::mem::take(&mut *tasks.unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
        self.inner.fabric.ended().await;
        // Candidacies and wakings end by their own limits, and nothing they could do now has an effect.
        if tokio::time::timeout(HAND_OVER_LIMIT, self.inner.group_tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("work for single groups did not end in time");
        }
        let log = self.inner.log.clone();
        if blocking::run(move || log.close()).await.is_err() {
            tracing::error!("closing the log panicked");
        }
    }

    /// Stops every replica in memory, [`STOPPING_MAX`] at a time; returns when all have ended.
    async fn stop_replicas(&self) {
        let loaded = stream::iter(self.inner.table.all_loaded());
        let stopped = loaded.for_each_concurrent(STOPPING_MAX, |core| async move {
            if core.raft.shutdown().await.is_err() {
                tracing::warn!(group = %core.group, "group had already stopped");
            }
        });
        stopped.await;
    }

    /// Gives every leadership to a caught-up voter and waits until the others have taken them.
    async fn hand_over_leaderships(&self) {
        let mut waiting = JoinSet::new();
        for core in self.inner.table.all_loaded() {
            if !core.leadership.borrow().leads {
                continue;
            }
            waiting.spawn(async move {
                let voters = core.status().voters;
                for target in voters.into_iter().filter(|voter| *voter != core.node) {
                    if core.transfer_leader(target).await.is_ok() {
                        let mut leadership = core.leadership.clone();
                        // The group stopped meanwhile: nobody to wait for.
                        let _ = leadership
                            .wait_for(|l| !l.leads && l.leader.is_some())
                            .await;
                        return;
                    }
                }
            });
        }
        if tokio::time::timeout(HAND_OVER_LIMIT, waiting.join_all())
            .await
            .is_err()
        {
            tracing::warn!("not every leadership was taken over in time, the others will elect");
        }
    }
}

#[cfg(test)]
mod tests;
