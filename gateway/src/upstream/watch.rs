//! One stream of a show's seats from one node.
//!
//! Owns: opening it in time, asking on it, reading from it. Must never: choose the node; whoever follows a show does.

use holdfast_node_api::v1::{SeatsUpdate, WatchSeatsRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::Peer;
use crate::limits;

/// Probes on their way to the node, at most; when they are not taken the node is silent anyway.
const PROBES_QUEUED_MAX: usize = 8;

/// Why there is nothing more to read.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnd {
    /// The node did not answer in time.
    #[error("not reached in time")]
    Unreached,
    /// The node, or the way to it, said no.
    #[error("refused or ended: {0}")]
    Refused(String),
    /// The node ended it without a word.
    #[error("ended")]
    Closed,
}

impl From<Status> for WatchEnd {
    fn from(status: Status) -> Self {
        Self::Refused(format!("{:?}: {}", status.code(), status.message()))
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct SeatsWatch {
    ask: mpsc::Sender<WatchSeatsRequest>,
    updates: Streaming<SeatsUpdate>,
}

impl SeatsWatch {
    /// Opens it at `peer` for a caller who has everything up to `from_index`; `probe` is the number of the first probe.
    ///
    /// # Errors
    /// [`WatchEnd`], when the node cannot be followed now.
    pub async fn open(
        peer: &Peer,
        show_id: u64,
        from_index: u64,
        probe: u64,
    ) -> Result<Self, WatchEnd> {
        let (ask, questions) = mpsc::channel(PROBES_QUEUED_MAX);
        let first = WatchSeatsRequest {
            show_id,
            from_index,
            probe,
        };
        // The channel is empty.
        let _ = ask.try_send(first);
        let mut inventory = peer.client.inventory();
        let opening = inventory.watch_seats(ReceiverStream::new(questions));
        let limit = limits::READ_TRY_TIMEOUT + peer.rtt;
        let opened = tokio::time::timeout(limit, opening).await;
        let updates = opened.map_err(|_| WatchEnd::Unreached)??.into_inner();
        Ok(Self { ask, updates })
    }

    /// Asks for an update at once. One too many on the way is left out.
    pub fn probe(&self, probe: u64) {
        let _ = self.ask.try_send(WatchSeatsRequest {
            probe,
            ..WatchSeatsRequest::default()
        });
    }

    /// The next update. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`WatchEnd`], when there is none.
    pub async fn next(&mut self) -> Result<SeatsUpdate, WatchEnd> {
        self.updates.message().await?.ok_or(WatchEnd::Closed)
    }
}
