//! What a node does about a disk that is full or has failed.
//!
//! Owns: resting, closing and coming back. Must never: answer for a group whose log could not be written, or go on as before with a
//! group that lost what it had acknowledged.
//!
//! A node that *rests* says so in every ping: the others take over what it led, as if it were dead, but it goes on following and
//! voting as long as its disk takes that. With room again it stops resting, and its leaders come home in their time. After a failed write every
//! replica is closed; when the disk works again the stores are read anew and everything opens when it is needed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use holdfast_region_config::GroupId;

use super::Host;
use super::stopping::STOPPING_MAX;
use crate::disk::DiskState;

/// The directory could not be opened although the disk works: another attempt after this.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

impl Host {
    pub(crate) async fn guard_disk_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        let board = &self.inner.fabric.board;
        let mut health = self.inner.log.health();
        loop {
            let state = DiskState::from(&*health.borrow_and_update());
            board.rest(!state.takes_work());
            if let DiskState::Failed { .. } = state {
                if stop.run_until_cancelled(self.come_back()).await.is_none() {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = health.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Closes everything, waits for the disk, opens the directory. Everything else opens when it is needed.
    async fn come_back(&self) {
        let inner = &self.inner;
        // Held by nobody else for long; from here on nothing is opened.
        let Ok(no_opening) = inner.opening.acquire_many(super::OPENING_MAX).await else {
            return;
        };
        let loaded = stream::iter(inner.table.all_loaded());
        let closed = loaded.for_each_concurrent(STOPPING_MAX, |core| async move {
            self.close(&core).await;
        });
        closed.await;
        for (group, _) in inner.fabric.board.claims_of(inner.node) {
            inner.fabric.claim(group, None);
        }
        let lost = inner.disk.recover(&inner.log, &inner.snapshots).await;
        let lost: BTreeSet<GroupId> = lost.into_iter().map(|lost| lost.group).collect();
        for group in &lost {
            tracing::error!(%group, "replica has lost what it had acknowledged and stays closed: replace it with holdfastctl node replace");
        }
        inner.table.mark_lost(&lost);
        drop(no_opening);
        while let Err(error) = self.open_directory().await {
            tracing::error!(%error, "directory cannot be opened, trying again");
            tokio::time::sleep(REOPEN_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests;
