//! Moves leaderships on purpose, and leads again what was put away.
//!
//! Owns: the steps of one move. Must never: decide what should lead where; that is policy, and the node's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;

use super::Host;
use super::wakes::WakeCause;
use crate::error::{MoveError, ProposeError, TransferError};
use crate::group::GroupCore;

/// A target that lacks entries gets this long to catch up.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(5);
/// How often a target that lacks entries is looked at; replication reports no sooner.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(20);
/// An election of this node for a group that it put away: nobody else stands.
const RECLAIM_LIMIT: Duration = Duration::from_secs(2);

impl Host {
    /// Opens the group, leads it again if this node had put it away, and wakes it.
    ///
    /// # Errors
    /// [`MoveError`]; also when another node leads.
    pub(crate) async fn lead_awake(
        &self,
        group: GroupId,
        cause: WakeCause,
    ) -> Result<Arc<GroupCore>, MoveError> {
        let core = self.open_group(group, cause).await?;
        self.reclaim(&core).await;
        core.wake(Some(cause)).await?;
        Ok(core)
    }

    /// Leads again what this node claims but does not lead since it was put away. Others vote for nobody else meanwhile.
    pub(crate) async fn reclaim(&self, core: &Arc<GroupCore>) {
        let claimed = self.inner.fabric.board.claim_of(core.group);
        let mine = claimed.is_some_and(|claim| claim.leader == core.node);
        if !mine || core.leadership.borrow().leads {
            return;
        }
        let _one_at_a_time = core.waking.lock().await;
        let mut leadership = core.leadership.clone();
        let reclaiming = async {
            while !leadership.borrow().leads {
                core.begins_to_stand();
                // Elected already, it has yet to write its first entry. Another election would begin that anew, and on a busy
                // machine again and again.
                let elected = core.raft.metrics().borrow_watched().state == ServerState::Leader;
                if !elected && core.raft.trigger().elect(false).await.is_err() {
                    return;
                }
                core.unpark();
                let patience = Duration::from_millis(core.timing.election_timeout_min_ms);
                let decided = leadership
                    .wait_for(|now| now.leads || now.leader.is_some_and(|l| l != core.node));
                let decided = tokio::time::timeout(patience, decided).await;
                if decided.is_ok_and(|seen| seen.is_err() || seen.is_ok_and(|now| !now.leads)) {
                    return;
                }
            }
        };
        if tokio::time::timeout(RECLAIM_LIMIT, reclaiming)
            .await
            .is_err()
        {
            tracing::warn!(group = %core.group, "a group that was put away could not be led again at once");
        }
        core.takeover.store(false, Ordering::SeqCst);
    }

    /// Hands the group to `target` and returns when it leads, the group awake throughout. A move to this node itself, or to
    /// who leads already, is done at once. A target that does not write in time is not asked to lead: the show would stop for it.
    ///
    /// # Errors
    /// [`MoveError`]; the leader is then who it was, or a transfer is under way that may still succeed.
    pub async fn move_group_leader(&self, group: GroupId, target: NodeId) -> Result<(), MoveError> {
        let core = self.lead_awake(group, WakeCause::Move).await?;
        let Some(_inside) = core.gate.enter() else {
            return Err(MoveError::Busy { group });
        };
        if target == core.node {
            return Ok(());
        }
        // Opened for this alone it would soon be asleep again, while it waits for another group's trial to end.
        core.gate.wrote();
        let deadline = tokio::time::Instant::now() + CATCH_UP_LIMIT;
        while let Err(error) = core.ready_to_lead(target) {
            if !error.may_pass() || tokio::time::Instant::now() >= deadline {
                return Err(error.into());
            }
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
        }
        // What it may take to lead is also what it may take to write.
        let limit = Duration::from_millis(core.timing.election_timeout_max_ms * 2);
        let trial = core.is_written_by(target, limit);
        if !self.inner.trials.passes(target, trial).await? {
            let reason = "it writes too slowly";
            return Err(MoveError::from(TransferError::NotReady {
                group,
                target,
                reason,
            }));
        }
        core.transfer_leader(target).await?;
        let mut leadership = core.leadership.clone();
        let taken = leadership.wait_for(|now| !now.leads && now.leader.is_some());
        match tokio::time::timeout(limit, taken).await {
            Ok(Ok(now)) if now.leader == Some(target) => Ok(()),
            _ => Err(MoveError::NotTaken { group, target }),
        }
    }
}

impl From<ProposeError> for MoveError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { group, leader } => Self::NotLeader { group, leader },
            ProposeError::NoQuorum { group } => Self::NoQuorum { group },
            // A heartbeat is never too large.
            ProposeError::TooLarge { group, .. }
            | ProposeError::PutAway { group }
            | ProposeError::Stopped { group }
            | ProposeError::Unknown { group, .. } => Self::Busy { group },
        }
    }
}
