//! For how long a leader may believe that nobody else leads.
//!
//! Owns: the age of what a leader says. Must never: outlive the shortest time for which a voter shields a silent leader.
//!
//! A message that a quorum acknowledged was sent while this replica led, and each voter that took it shields this leader for
//! its own election maximum from then on. So within the shortest of those times no other leader can have committed anything,
//! and what this leader calls committed is current. After it, the leader may have been replaced without knowing: what it says
//! is then as old as the last acknowledged message, and its followers must not take its word for fresh. (Leadership handed
//! over on purpose ends sooner; the one who hands over knows.)

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use holdfast_region_config::NodeId;

use openraft::ServerState;
use openraft::async_runtime::{Instant as _, WatchReceiver as _};
use tokio::time::Instant;

use crate::fabric::board::Board;
use crate::state_machine::{Shared, StateMachine};
use crate::types::TypeConfig;

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// The lease of one replica of one group.
pub(crate) struct Lease {
    /// Set once, right after the group has started; before that it leads nothing.
    raft: OnceLock<Raft>,
    length: Duration,
    /// What has been applied here, and so may have been answered.
    applied: Arc<Shared>,
    /// Says whether a majority shields this node from a takeover, which does not wait for the group's own lease.
    board: Arc<Board>,
}

impl Lease {
    /// `shield_ms_min` is the shortest time for which any voter shields a silent leader, ms.
    pub(crate) fn new(shield_ms_min: u64, applied: Arc<Shared>, board: Arc<Board>) -> Self {
        Self {
            board,
            applied,
            raft: OnceLock::new(),
            // Nine tenths: the check and the use of its answer are not the same moment.
            length: Duration::from_millis(shield_ms_min) * 9 / 10,
        }
    }

    pub(crate) fn watch(&self, raft: Raft) {
        // Set twice would be the same group twice; the first stays.
        let _ = self.raft.set(raft);
    }

    /// Zero while the lease holds, then the time since the last message that a quorum acknowledged; `None` when this
    /// replica does not lead or was never acknowledged.
    pub(crate) fn age(&self) -> Option<Duration> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader {
            return None;
        }
        let since = metrics.last_quorum_acked?.elapsed();
        #[cfg(feature = "simulation")]
        if crate::simulation::sabotaged(crate::simulation::Sabotage::LeaseForEver) {
            return Some(Duration::ZERO);
        }
        if since >= self.length {
            return Some(since);
        }
        // Each voter of a majority has acknowledged this leader and has not been free to let another take over since.
        let now = Instant::now();
        let acked = |node: &u64| {
            let ago = metrics.heartbeat.as_ref()?.get(node)?.as_ref()?.elapsed();
            (ago < self.length).then(|| now.checked_sub(ago)).flatten()
        };
        let membership = metrics.membership_config.membership();
        let holds = membership.get_joint_config().iter().all(|voters| {
            let voters = voters.iter().map(|node| (NodeId::new(*node), acked(node)));
            self.board.is_assured(&voters.collect::<Vec<_>>())
        });
        Some(if holds { Duration::ZERO } else { since })
    }

    /// What this node's clock showed when nothing beyond index `committed` was acknowledged, ms; 0 = it does not know.
    pub(crate) fn stamp_ms(&self, committed: u64) -> u64 {
        let stamp_ms = self.age().map_or(0, |age| self.board.stamp_ms(age));
        // Looked at after the clock. openraft may hold a message back after it has written into it what is committed.
        let is_newest = self.applied.applied_count() <= committed.saturating_add(1);
        if is_newest { stamp_ms } else { 0 }
    }

    /// Whether no other can lead now.
    pub(crate) fn holds(&self) -> bool {
        self.age() == Some(Duration::ZERO)
    }
}
