//! What a duty that looks at placements has to look again for.
//!
//! Owns: waiting for it, and gathering what comes together. Must never: say what has changed: a duty derives its work from what
//! there is, not from what it was told.

use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::Topology;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Host;

/// The directory, the board of leaders and live nodes, and the topology.
pub(crate) struct News {
    stop: CancellationToken,
    applied: watch::Receiver<u64>,
    board: watch::Receiver<u64>,
    topology: watch::Receiver<Arc<Topology>>,
    /// Changes that come within this are looked at together.
    gather: Duration,
}

impl News {
    pub(crate) fn of(host: &Host, gather: Duration) -> Self {
        Self {
            stop: host.inner.stop_duties.clone(),
            applied: host.directory().applied(),
            board: host.inner.fabric.board.changed(),
            topology: host.inner.topology.changed(),
            gather,
        }
    }

    /// To be called before a look: what comes from now on is news again.
    pub(crate) fn all_seen(&mut self) {
        self.applied.borrow_and_update();
        self.board.borrow_and_update();
        self.topology.borrow_and_update();
    }

    /// Waits for news, or for `again` if that is sooner; false once the host stops.
    pub(crate) async fn wait(&mut self, again: Option<Duration>) -> bool {
        let again = async {
            match again {
                Some(again) => tokio::time::sleep(again).await,
                None => std::future::pending().await,
            }
        };
        let goes_on = tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            changed = self.applied.changed() => changed.is_ok(),
            changed = self.board.changed() => changed.is_ok(),
            changed = self.topology.changed() => changed.is_ok(),
            () = again => true,
        };
        goes_on
            && tokio::select! {
                biased;
                () = self.stop.cancelled() => false,
                () = tokio::time::sleep(self.gather) => true,
            }
    }
}
