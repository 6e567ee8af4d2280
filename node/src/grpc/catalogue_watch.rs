//! The catalogue's changes as a stream.
//!
//! Owns: what one follower has been sent. Must never: send everything again because something changed, or a piece without
//! bound.

use std::time::Duration;

use futures_util::{Stream, stream};
use holdfast_node_api::v1;
use holdfast_raft::DirectoryGroup;
use tokio::sync::watch;
use tonic::Status;

use super::{catalogue, convert};

/// Records in one piece: about half a kilobyte each.
const PIECE_RECORDS_MAX: usize = 500;
/// Changes that come together go as one piece.
const GATHER: Duration = Duration::from_millis(50);
/// A follower hears at least this often how old the catalogue is.
const AGE_INTERVAL: Duration = Duration::from_secs(2);

struct Follower {
    directory: DirectoryGroup,
    applied: watch::Receiver<u64>,
    /// Up to where it has everything; `None` before the first piece.
    sent: Option<u64>,
    since: u64,
}

/// What changed after `since`, and what changes from then on; ends with the directory.
pub(super) fn changes(
    directory: DirectoryGroup,
    since: u64,
) -> impl Stream<Item = Result<v1::Catalogue, Status>> + Send {
    let follower = Follower {
        applied: directory.applied(),
        directory,
        sent: None,
        since,
    };
    stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok(piece), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<v1::Catalogue> {
        if self.sent.is_some() {
            self.wait_for_news().await?;
        }
        self.applied.borrow_and_update();
        let from = self.sent.unwrap_or(self.since);
        let (piece, as_of) = self
            .directory
            .read(|state| catalogue::changes(state, from, PIECE_RECORDS_MAX));
        // A node that is behind the follower has nothing for it yet, and does not take it back.
        let version = piece.version.max(from);
        self.sent = Some(version);
        Some(v1::Catalogue {
            as_of: Some(convert::as_of(as_of, false)),
            version,
            ..piece
        })
    }

    /// Until there is something that was not sent, or the age has to be told; `None` = the directory is gone.
    async fn wait_for_news(&mut self) -> Option<()> {
        let told = tokio::time::Instant::now();
        loop {
            let (version, _) = self
                .directory
                .read(holdfast_raft::directory::DirectoryState::version);
            if self.sent.is_some_and(|sent| sent < version) {
                return Some(());
            }
            match tokio::time::timeout_at(told + AGE_INTERVAL, self.applied.changed()).await {
                Ok(changed) => changed.ok()?,
                Err(_) => return Some(()),
            }
            tokio::time::sleep(GATHER).await;
        }
    }
}
