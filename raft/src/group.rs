//! One replica of one group, as the rest of the node sees it.
//!
//! Owns: proposing, reading with an age, leadership as a watch, handing leadership over. Must never: show an openraft type, or
//! say that this replica leads before it has applied an entry of its own term (its state could miss what is committed).

pub(crate) mod gate;
mod leadership;
mod sleep;
mod vote;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_region_config::{GroupId, GroupTiming, NodeId};
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{
    ClientWriteError, ForwardReason, ForwardToLeader, LinearizableReadError, RaftError,
};
use openraft::raft::ReadPolicy;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::gate::{Gate, Inhabitant};
pub(crate) use self::leadership::{Publisher, publish_leadership};
pub(crate) use self::vote::Standing;
use crate::applied::Applied;
use crate::contact::Contact;
use crate::error::{ProposeError, ReadError, TransferError};
use crate::fabric::Fabric;
use crate::host::wakes::{WakeCause, Wakes};
use crate::lease::Lease;
use crate::state_machine::{Position, Shared, StateMachine};
use crate::transport::network::Kinship;
use crate::types::{AppData, TypeConfig};

/// Largest entry. The set-up of a show of 20,000 seats is about 2 MiB; a batch of holds is bounded far below by the proposer.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A transfer target may miss this many entries: it gets them within one round trip, before it stands for election.
const TRANSFER_LAG_MAX: u64 = 64;

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// How current an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Last applied log index; 0 also when nothing is applied.
    pub index: u64,
    /// How long ago this replica last knew itself to be current, ms; `u64::MAX` = never.
    pub age_ms: u64,
}

/// Whether this replica leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leadership {
    /// Raft term.
    pub term: u64,
    /// This replica leads and its state holds everything committed before its term.
    pub leads: bool,
    /// Who leads, as far as this replica knows.
    pub leader: Option<NodeId>,
}

/// What a replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Leads.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Learner,
    /// Stands for election.
    Candidate,
    /// Stopped.
    Shutdown,
}

impl Role {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Learner => "learner",
            Self::Candidate => "candidate",
            Self::Shutdown => "shutdown",
        }
    }
}

/// One replica's view of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub group: GroupId,
    /// What this replica is doing.
    pub role: Role,
    /// Raft term.
    pub term: u64,
    /// Who leads, as far as this replica knows.
    pub leader: Option<NodeId>,
    /// Last index in the log here.
    pub last_log_index: u64,
    /// Last index applied here.
    pub applied_index: u64,
    /// Last index covered by a snapshot here.
    pub snapshot_index: u64,
    /// Last index purged here.
    pub purged_index: u64,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who only follows.
    pub learners: Vec<NodeId>,
    /// See [`AsOf::age_ms`].
    pub age_ms: u64,
}

/// A committed and applied entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed<T> {
    /// Its log index.
    pub index: u64,
    /// One outcome per command, in order.
    pub outcomes: Vec<T>,
}

pub(crate) struct GroupCore {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) shared: Arc<Shared>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) fabric: Arc<Fabric>,
    /// Times of the preferred leader: the shortest of all voters'.
    pub(crate) timing: GroupTiming,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) gate: Arc<Gate>,
    /// The ticker stands.
    pub(crate) parked: AtomicBool,
    /// Told when it stops.
    pub(crate) parking: Notify,
    /// When a leader last appended here, ms after the gate was made; 0 = never.
    pub(crate) appended_ms: AtomicU64,
    /// One waking at a time.
    pub(crate) waking: tokio::sync::Mutex<()>,
    /// Looks at this sleeping replica that are still left out, see `host/hibernation/look.rs`.
    pub(crate) quiet_looks: AtomicU8,
    /// One permit: it is being put to sleep or away, or given up.
    pub(crate) tending: Arc<Semaphore>,
    /// This replica stands because the leader's node is dead; its vote requests say so.
    pub(crate) takeover: Arc<AtomicBool>,
    /// The term in which this replica, leading, last tried to hand its leadership over; 0 = never. openraft keeps to such an
    /// attempt, and sends no heartbeats, until another term begins.
    pub(crate) handing_over: AtomicU64,
    /// When that was, ms after the gate was made.
    pub(crate) handing_over_ms: AtomicU64,
    /// What this replica knows of the others' logs since they voted for it.
    pub(crate) kinship: Arc<Kinship>,
    /// The replica is being put away.
    pub(crate) closed: CancellationToken,
}

impl GroupCore {
    /// Appends, replicates, applies. The first poll submits; dropping the future afterwards does not take it back.
    pub(crate) async fn propose(&self, bytes: Bytes) -> Result<(u64, Applied), ProposeError> {
        let group = self.group;
        let _inside = self.enter()?;
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(ProposeError::TooLarge {
                group,
                bytes: bytes.len(),
                bytes_max: ENTRY_BYTES_MAX,
            });
        }
        if self.fabric.board.is_resting() {
            // The disk has no room for new work; the others are taking the group over.
            return Err(ProposeError::NotLeader {
                group,
                leader: self.known_leader().filter(|leader| *leader != self.node),
            });
        }
        // In this order: who puts the group to sleep looks at the writes after it has stopped the ticker.
        self.gate.wrote();
        self.wake(Some(WakeCause::Request)).await?;
        match self.raft.client_write(AppData { bytes }).await {
            Ok(written) => Ok((written.log_id.index(), written.data)),
            Err(error) => Err(self.not_written(error)),
        }
    }

    fn not_written(
        &self,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
    ) -> ProposeError {
        let group = self.group;
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
                self.not_writable(&forward)
            }
            RaftError::APIError(ClientWriteError::LogEntryDiscarded(forward)) => {
                ProposeError::Unknown {
                    group,
                    leader: forward.leader_id.map(NodeId::new),
                }
            }
            RaftError::APIError(_) => ProposeError::Unknown {
                group,
                leader: None,
            },
            RaftError::Fatal(_) => ProposeError::Stopped { group },
        }
    }

    /// Keeps this replica in memory while the answer lives.
    pub(crate) fn enter(&self) -> Result<Inhabitant, ProposeError> {
        let group = self.group;
        self.gate.enter().ok_or(ProposeError::PutAway { group })
    }

    /// Who leads, as far as this replica knows: by its own log, or by what the nodes claim.
    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        let claimed = || self.fabric.board.claim_of(self.group).map(|c| c.leader);
        self.leadership.borrow().leader.or_else(claimed)
    }

    /// What to answer when this replica does not lead; sees to it that somebody will.
    fn not_led_here(&self, leader: Option<NodeId>) -> ProposeError {
        let group = self.group;
        let leader = leader.or_else(|| self.known_leader());
        if leader == Some(self.node) {
            // It was put away while it led, and came back for another reason than to lead: whoever opens it for use leads it.
            return ProposeError::PutAway { group };
        }
        if leader.is_none_or(|leader| !self.fabric.board.is_heard(leader)) {
            // Whoever is to stand for it does so now, also when the group was asleep.
            self.fabric.board.wait_for_leader(group);
        }
        ProposeError::NotLeader { group, leader }
    }

    fn not_writable(&self, forward: &ForwardToLeader<TypeConfig>) -> ProposeError {
        match forward.reason {
            ForwardReason::LeaseExpired => ProposeError::NoQuorum { group: self.group },
            ForwardReason::NotLeader | ForwardReason::LeadershipTransfer => {
                self.not_led_here(forward.leader_id.map(NodeId::new))
            }
        }
    }

    /// Runs `f` on the state as applied here.
    pub(crate) fn read<R>(&self, f: impl FnOnce(&Position) -> R) -> (R, AsOf) {
        self.gate.touch();
        let position = self.shared.read();
        let index = position.applied.map_or(0, |id| id.index());
        let answer = f(&position);
        drop(position);
        (
            answer,
            AsOf {
                index,
                age_ms: self.age_ms(index),
            },
        )
    }

    /// Confirms with a quorum that this replica leads and has applied everything committed when it was asked.
    pub(crate) async fn confirm(&self) -> Result<(), ReadError> {
        let group = self.group;
        let Some(_inside) = self.gate.enter() else {
            return Err(ReadError::Stopped { group });
        };
        let limit = Duration::from_millis(self.timing.election_timeout_max_ms * 2);
        let confirming = self.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        match tokio::time::timeout(limit, confirming).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(f))))
                if f.leader_id.is_some() =>
            {
                Err(ReadError::NotLeader {
                    group,
                    leader: f.leader_id.map(NodeId::new),
                })
            }
            Ok(Err(RaftError::Fatal(_))) => Err(ReadError::Stopped { group }),
            Ok(Err(RaftError::APIError(_))) | Err(_) => Err(ReadError::NoQuorum { group }),
        }
    }

    /// Waits until index `wanted` is applied here.
    pub(crate) async fn wait_applied(&self, wanted: u64, limit: Duration) -> Result<(), ReadError> {
        let group = self.group;
        let mut applied = self.shared.watch_applied();
        let reached = tokio::time::timeout(limit, applied.wait_for(|count| *count > wanted)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ReadError::Stopped { group }),
            Err(_) => Err(ReadError::Behind {
                group,
                applied: *self.shared.watch_applied().borrow(),
                wanted,
            }),
        }
    }

    /// A leader's age is that of its lease, a follower's is [`Contact::age`]. A new leader counts as a follower until it has
    /// applied an entry of its own term: before that it may lack what the last one acknowledged.
    fn age_ms(&self, applied: u64) -> u64 {
        let leadership = *self.leadership.borrow();
        let asleep = self.asleep_since(applied);
        let age = if leadership.leads {
            asleep.map_or_else(|| self.lease.age(), |at| Some(at.elapsed()))
        } else if let Some(at) = asleep {
            Some(at.elapsed())
        } else {
            self.contact.age(applied, Instant::now())
        };
        age.map_or(u64::MAX, |age| {
            u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// When a sleeping group was last known to have nothing beyond `applied`: its leader said so, and said that a majority of
    /// the voters has let nobody else lead ever since. `None` = it does not sleep, or that is not known.
    fn asleep_since(&self, applied: u64) -> Option<Instant> {
        let board = &self.fabric.board;
        let claim = board.claim_of(self.group)?;
        let parked = claim.parked.filter(|parked| parked.index == applied)?;
        board.assured_at(claim.leader, &self.voters(), parked.since_ms)
    }

    /// Who votes, by the newest membership known here.
    pub(crate) fn voters(&self) -> Vec<NodeId> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.voter_ids().map(NodeId::new).collect()
    }

    pub(crate) fn has_lease(&self) -> bool {
        self.lease.holds()
    }

    pub(crate) fn status(&self) -> GroupStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched().clone();
        let index = |id: &Option<crate::types::LogId>| id.map_or(0, |id| id.index());
        let membership = metrics.membership_config.membership();
        let applied_index = index(&metrics.last_applied);
        GroupStatus {
            group: self.group,
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Follower => Role::Follower,
                ServerState::Learner => Role::Learner,
                ServerState::Candidate => Role::Candidate,
                ServerState::Shutdown => Role::Shutdown,
            },
            term: metrics.current_term,
            leader: metrics
                .current_leader
                .map(NodeId::new)
                .or_else(|| self.known_leader()),
            last_log_index: metrics.last_log_index.unwrap_or_default(),
            applied_index,
            snapshot_index: index(&metrics.snapshot),
            purged_index: index(&metrics.purged),
            voters: membership.voter_ids().map(NodeId::new).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            age_ms: self.age_ms(applied_index),
        }
    }

    /// The term in which this replica leads, when `target` is a voter that is heard and lacks next to nothing.
    pub(crate) fn ready_to_lead(&self, target: NodeId) -> Result<u64, TransferError> {
        let group = self.group;
        let not_ready = |reason| TransferError::NotReady {
            group,
            target,
            reason,
        };
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader {
            return Err(TransferError::NotLeader { group });
        }
        let mut voters = metrics.membership_config.membership().voter_ids();
        if !voters.any(|voter| voter == target.get()) {
            return Err(not_ready("it is not a voter"));
        }
        if !self.fabric.is_reachable(target) {
            return Err(not_ready("it is not heard"));
        }
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|all| all.get(&target.get()).copied().flatten());
        let last = metrics.last_log_index.unwrap_or_default();
        if matched.map_or(0, |id| id.index()) + TRANSFER_LAG_MAX < last {
            return Err(not_ready("it lacks entries"));
        }
        Ok(metrics.current_term)
    }

    pub(crate) async fn transfer_leader(&self, target: NodeId) -> Result<(), TransferError> {
        let term = self.ready_to_lead(target)?;
        let stopped = TransferError::Stopped { group: self.group };
        // A group that changes hands is awake: those who would take it over by their timers must have them running. And of one
        // that sleeps every replica calls itself current, by this leader's word: it takes that back before another may lead.
        if self.is_parked() {
            self.fabric.claim_awake(self.group, term);
            self.unpark();
        }
        self.gate.wrote();
        self.lease.hand_over(term);
        self.handing_over_ms
            .store(self.gate.now_ms(), Ordering::SeqCst);
        self.handing_over.store(term, Ordering::SeqCst);
        self.raft
            .trigger()
            .transfer_leader(target.get())
            .await
            .map_err(|_| stopped)
    }

    /// Writes an empty entry; whether `target` has it, too, on its disk within `limit`.
    ///
    /// # Errors
    /// When it could not be written: that says nothing about `target`.
    pub(crate) async fn is_written_by(
        &self,
        target: NodeId,
        limit: Duration,
    ) -> Result<bool, ProposeError> {
        let group = self.group;
        let deadline = Instant::now() + limit;
        // In this order: see [`GroupCore::propose`].
        self.gate.wrote();
        self.wake(None).await?;
        let written = tokio::time::timeout_at(deadline, self.raft.write_blank()).await;
        let written = written.map_err(|_| ProposeError::NoQuorum { group })?;
        let index = written.map_err(|e| self.not_written(e))?.log_id.index();
        let mut metrics = self.raft.metrics();
        let has_it = async {
            loop {
                let (leads, matched) = {
                    let metrics = metrics.borrow_watched();
                    let all = metrics.replication.as_ref();
                    let matched = all.and_then(|all| all.get(&target.get()).copied().flatten());
                    (metrics.state == ServerState::Leader, matched)
                };
                if !leads {
                    return Err(self.not_led_here(None));
                }
                if matched.is_some_and(|id| id.index() >= index) {
                    return Ok(true);
                }
                if metrics.changed().await.is_err() {
                    return Err(ProposeError::Stopped { group });
                }
            }
        };
        let seen = tokio::time::timeout_at(deadline, has_it).await;
        seen.unwrap_or(Ok(false))
    }
}
