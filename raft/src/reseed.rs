//! A replica's two halves opened together: its log and its state, and what is done when they do not meet.
//!
//! Owns: the check that the state reaches the log, and putting a peer's snapshot in the place of one that is gone. Must
//! never: open a replica with a gap between state and log, or make up for a lost state by forgetting the log; what this
//! replica acknowledged, others count on.
//!
//! ```text
//!   state: ...........A            log:      P ──────── L        sound:   A ≥ P
//!   state: .....A                  log:      P ──────── L        a gap:   entries between A and P are purged
//! ```
//!
//! A gap opens when a snapshot that came from the leader (the log before it was dropped, not replayed) is later damaged, or
//! when both kept snapshots are. Vote and log are intact then, only the state is not; so a snapshot from any peer that
//! reaches P closes the gap, and nothing that was acknowledged is touched. Until then the replica stays closed: it neither
//! votes nor acknowledges. If no peer has one, the replica is removed from the group and added again (ADR 0013).

use std::io;

use bytes::Bytes;
use holdfast_region_config::GroupId;

use crate::log_store::{GroupLog, LogEngine, LogError};
use crate::snapshot_store::{SnapshotError, SnapshotStore};
use crate::state_machine::{Machine, StateMachine};
use crate::types::{LogId, SnapshotMeta};

/// The log is purged up to an entry that no sound snapshot on this disk reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{group} has no sound snapshot on this disk that reaches entry {purged}, up to which its log is purged: it needs one from a \
     peer; if no peer has one, remove this replica from the group and add it again"
)]
pub(crate) struct NeedsReseed {
    /// The group.
    pub(crate) group: GroupId,
    /// Where the log begins: the snapshot must reach this.
    pub(crate) purged: LogId,
    /// How far the newest sound snapshot reaches, if there is one.
    pub(crate) applied: Option<LogId>,
}

/// Why a replica was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenReplicaError {
    /// Its log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its state cannot be read.
    #[error(transparent)]
    State(io::Error),
    /// Its state does not reach its log.
    #[error(transparent)]
    NeedsReseed(#[from] NeedsReseed),
}

/// Why a snapshot was not put in place of one that is gone. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReseedError {
    /// It does not reach the log either; another peer may have a newer one.
    #[error("the snapshot ends at {found:?}, {needed} is needed")]
    TooOld {
        /// Where it ends.
        found: Option<LogId>,
        /// Where the log begins.
        needed: LogId,
    },
    /// It is not a state of this group that this release can read.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(io::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] SnapshotError),
}

/// Opens log and state of `group`, and sees to it that they meet.
pub(crate) async fn open_replica(
    log: &LogEngine,
    snapshots: &SnapshotStore,
    group: GroupId,
) -> Result<(GroupLog, StateMachine), OpenReplicaError> {
    let group_log = log.group(group)?;
    group_log.settled().await?;
    let state = StateMachine::open(group, snapshots.clone())
        .await
        .map_err(OpenReplicaError::State)?;
    let applied = state.shared().read().applied;
    if let Some(purged) = group_log.purged()
        && applied.is_none_or(|applied| applied.index() < purged.index())
    {
        return Err(NeedsReseed {
            group,
            purged,
            applied,
        }
        .into());
    }
    if let Some(applied) = applied {
        group_log.cut_conflict_with(applied).await?;
    }
    Ok((group_log, state))
}

/// Puts a peer's snapshot in the place of one that is gone; [`open_replica`] works afterwards. The replica must be closed.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "no peer is asked for a snapshot yet")
)]
pub(crate) async fn reseed(
    log: &LogEngine,
    snapshots: &SnapshotStore,
    group: GroupId,
    meta: SnapshotMeta,
    bytes: Bytes,
) -> Result<(), ReseedError> {
    let needed = log.group(group)?.purged();
    if let Some(needed) = needed
        && meta
            .last_log_id
            .is_none_or(|found| found.index() < needed.index())
    {
        return Err(ReseedError::TooOld {
            found: meta.last_log_id,
            needed,
        });
    }
    Machine::decode(group, &bytes).map_err(ReseedError::Unreadable)?;
    snapshots.put(group, meta, bytes).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
