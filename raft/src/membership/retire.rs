//! Deletes the replicas that this node no longer keeps.
//!
//! Owns: that nothing of them is left, on disk and in memory, before the directory is told. Must never: delete what a group may
//! still count on: only what the directory has released, after every member had the membership without it (ADR 0011); and never
//! by the word of a directory from before this process, which may not know that the replica was deleted, chosen again, and votes.

use std::sync::Arc;
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};

use crate::Host;
use crate::directory::ShowRecord;

/// Releases that come together are looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// After a replica could not be deleted.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// Until the directory is looked at again that was not heard of yet in this process.
const UNHEARD_DELAY: Duration = Duration::from_millis(500);

/// Whether the replica of this node may be deleted.
fn may_delete(record: &ShowRecord, node: NodeId) -> bool {
    #[cfg(feature = "simulation")]
    if crate::simulation::sabotaged(crate::simulation::Sabotage::DeleteEarly) {
        return record.leaving.iter().any(|leaving| leaving.node == node);
    }
    record.is_released(node)
}

impl Host {
    /// Deletes what was released, as it is released, until stopped.
    pub(crate) async fn retire_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        let mut applied = self.directory().applied();
        let mut seen = 0;
        loop {
            applied.borrow_and_update();
            if !self.directory_is_of_this_process() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(UNHEARD_DELAY) => continue,
                }
            }
            let (version, released) = self.released_since(seen);
            let mut failed = false;
            for show in released {
                if stop.is_cancelled() {
                    return;
                }
                match self.retire(show).await {
                    Ok(true) => self.inner.reports.gone(show),
                    // Another pass has reported it, and this node keeps it again.
                    Ok(false) => {}
                    Err(reason) => {
                        failed = true;
                        tracing::error!(%show, reason, "released replica cannot be deleted, trying again");
                    }
                }
            }
            // What failed is found again from where it was found before.
            seen = if failed { seen } else { version };
            let wait = async {
                if failed {
                    tokio::time::sleep(RETRY_DELAY).await;
                } else {
                    let _ = applied.changed().await;
                    tokio::time::sleep(GATHER).await;
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = wait => {}
            }
        }
    }

    /// Whether the directory here was current at some time in this process' life. From then on it knows of every deletion that
    /// an earlier process reported.
    fn directory_is_of_this_process(&self) -> bool {
        let ((), as_of) = self.directory().read(|_| ());
        u128::from(as_of.age_ms) < self.inner.started.elapsed().as_millis()
    }

    fn released_since(&self, seen: u64) -> (u64, Vec<ShowId>) {
        let node = self.inner.node;
        let (found, _) = self.directory().read(|directory| {
            let changed = directory.shows_changed_since(seen).into_iter();
            let released = changed.filter(|record: &Arc<ShowRecord>| may_delete(record, node));
            let released = released.map(|record| record.show_id).collect();
            (directory.version(), released)
        });
        found
    }

    /// Closes the replica, then deletes entries and snapshots. Repeating it is harmless. The vote stays: the replica may be added
    /// again, and a voter that was cut off all the while may still ask for the vote of a term in which it was given away. False =
    /// nothing was done, the replica is not released any more.
    async fn retire(&self, show: ShowId) -> Result<bool, String> {
        let group = GroupId::new(show.get());
        let inner = &self.inner;
        // Whoever waits for this turn to open the group finds that its slot is gone.
        let turn = inner.table.turn(group).unwrap_or_default();
        let _turn = turn.lock().await;
        // The list may be older than the last report, and the replica may have been chosen again since.
        let (released, _) = self.directory().read(|directory| {
            let record = directory.shows().get(&show);
            record.is_some_and(|record| may_delete(record, inner.node))
        });
        if !released {
            return Ok(false);
        }
        if let Some(core) = inner.table.loaded(group) {
            self.close(&core).await;
        }
        inner.table.remove(group);
        inner.fabric.claim(group, None);
        inner.fabric.board.forget_group(group);
        let log = inner.log.group(group).map_err(|error| error.to_string())?;
        let cleared = log.clear_keeping_vote().await;
        cleared.map_err(|error| error.to_string())?;
        let removed = inner.snapshots.remove_group(group).await;
        removed.map_err(|error| error.to_string())?;
        #[cfg(feature = "simulation")]
        crate::simulation::witness::retired(group);
        tracing::info!(%group, "released replica deleted");
        Ok(true)
    }
}
