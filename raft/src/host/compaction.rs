//! Lets go of old log entries of groups that no longer write.
//!
//! Owns: snapshots out of turn. A group that wrote a little long ago keeps its entries in an old log file, and that file stays for
//! them; the log names such groups. Must never: purge what no stored snapshot covers (the log itself would refuse).

use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver as _;

use super::Host;
use super::wakes::WakeCause;
use crate::group::GroupCore;

/// A snapshot of an idle group takes milliseconds; one that does not come in this time is tried again with the next list.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(30);
/// Between two groups: this work is never urgent.
const PAUSE: Duration = Duration::from_millis(5);

impl Host {
    pub(crate) async fn compact_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        let mut pinned = self.inner.log.groups_to_compact();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = pinned.changed() => if changed.is_err() { return },
            }
            let groups = pinned.borrow_and_update().clone();
            for group in groups.iter() {
                if stop.is_cancelled() {
                    return;
                }
                self.compact(*group).await;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn compact(&self, group: GroupId) {
        if !self.inner.table.is_here(group) {
            return;
        }
        let Ok(core) = self.open_group(group, WakeCause::Compaction).await else {
            return;
        };
        let Some(_inside) = core.gate.enter_quietly() else {
            return;
        };
        let done = tokio::time::timeout(SNAPSHOT_LIMIT, core.snapshot_and_purge()).await;
        if !matches!(done, Ok(true)) {
            tracing::warn!(%group, "log entries of an idle group could not be let go yet");
        }
    }
}

impl GroupCore {
    /// Writes everything applied into a snapshot and drops the log behind it; false when the group stopped meanwhile.
    async fn snapshot_and_purge(&self) -> bool {
        let mut metrics = self.raft.metrics();
        let applied = metrics
            .borrow_watched()
            .last_applied
            .map_or(0, |id| id.index());
        if applied == 0 {
            return true;
        }
        if self.raft.trigger().snapshot().await.is_err() {
            return false;
        }
        loop {
            let covered = metrics.borrow_watched().snapshot.map_or(0, |id| id.index());
            if covered >= applied && self.is_taken_by_the_live(covered) {
                return self.raft.trigger().purge_log(covered).await.is_ok();
            }
            if metrics.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Whether no follower that is heard is being sent entries up to `index`. A leader lets go of those only when they have
    /// arrived; let go of meanwhile by a later snapshot of its own, which keeps some entries, openraft would go back.
    fn is_taken_by_the_live(&self, index: u64) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let board = &self.fabric.board;
        let mut followers = metrics.replication.iter().flatten();
        followers.all(|(node, matched)| {
            let node = NodeId::new(*node);
            let has_it = matched.is_some_and(|id| id.index() >= index);
            has_it || node == self.node || !board.is_heard(node)
        })
    }
}
