//! What the rest of the node asks a host.
//!
//! Owns: questions and their answers. Must never: open a replica to answer one, except [`Host::open_show`] and
//! [`Host::open_buyer_index`], whose purpose it is.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::watch;

use super::Host;
use super::wakes::{WakeCause, WakeTotals};
use crate::disk::DiskState;
use crate::error::OpenError;
use crate::fabric::PeerStatus;
use crate::group::GroupStatus;
use crate::handles::{BuyerIndexGroup, ShowGroup};
use crate::log_store::{LogHealth, LogStats};
use crate::snapshot_store::SnapshotStats;

/// What the log has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Group commits that ended with an fdatasync.
    pub syncs: u64,
    /// Time spent on those, write and sync together, µs.
    pub sync_us: u64,
    /// Group commits.
    pub batches: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Bytes written to log files.
    pub written_bytes: u64,
    /// Requests waiting now.
    pub queue_depth: u64,
    /// Size of the log files now.
    pub used_bytes: u64,
}

/// What has happened to replicas of this node since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplicaCounters {
    /// Replicas that this node keeps.
    pub replicas: u64,
    /// Of them in memory.
    pub loaded: u64,
    /// Of those in memory, asleep.
    pub hibernating: u64,
    /// Replicas opened.
    pub opens_total: u64,
    /// Replicas put away.
    pub unloads_total: u64,
    /// Groups that this node, leading, put to sleep.
    pub hibernations_total: u64,
    /// Candidacies of this node for groups without a leader.
    pub candidacies_total: u64,
    /// How often another node fell silent for this one.
    pub silences_total: u64,
    /// How often a silent node was heard again as the same process: it was slow or cut off, and its groups were taken over for
    /// nothing if a majority agreed.
    pub false_silences_total: u64,
    /// Groups that slept and were wanted, by cause.
    pub wakes: WakeTotals,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    opens: AtomicU64,
    unloads: AtomicU64,
    hibernations: AtomicU64,
    candidacies: AtomicU64,
}

impl Counters {
    pub(crate) fn opened(&self) {
        self.opens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn put_away(&self) {
        self.unloads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn slept(&self) {
        self.hibernations.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stood(&self) {
        self.candidacies.fetch_add(1, Ordering::Relaxed);
    }
}

/// One replica of this node, as an operator sees it without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSummary {
    /// The group.
    pub group: GroupId,
    /// In memory.
    pub loaded: bool,
    /// In memory with its ticker parked, or only on disk.
    pub asleep: bool,
    /// Which node claims to lead it.
    pub leader: Option<NodeId>,
    /// In which term; 0 = nobody claims it.
    pub term: u64,
    /// Whether that node is heard.
    pub leader_alive: bool,
}

impl Host {
    /// This node's replica of a show, opened when it is not in memory; led again when this node had put it away.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::NotHere`] also for a show that this node has not heard of yet.
    pub async fn open_show(&self, show: ShowId) -> Result<ShowGroup, OpenError> {
        let group = GroupId::new(show.get());
        if !is_show(group) {
            return Err(OpenError::NotHere { group });
        }
        let core = self.open_group(group, WakeCause::Request).await?;
        core.gate.touch();
        self.reclaim(&core).await;
        Ok(ShowGroup { core })
    }

    /// This node's replica of a show when it is in memory.
    #[must_use]
    pub fn loaded_show(&self, show: ShowId) -> Option<ShowGroup> {
        let group = GroupId::new(show.get());
        if !is_show(group) {
            return None;
        }
        self.inner
            .table
            .loaded(group)
            .map(|core| ShowGroup { core })
    }

    /// This node's replica of a buyer index, opened when it is not in memory; led again when this node had put it away.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::NotHere`] also for one that this node has not heard of yet.
    pub async fn open_buyer_index(&self, group: GroupId) -> Result<BuyerIndexGroup, OpenError> {
        if !group.is_buyer_index() {
            return Err(OpenError::NotHere { group });
        }
        let core = self.open_group(group, WakeCause::Request).await?;
        core.gate.touch();
        self.reclaim(&core).await;
        Ok(BuyerIndexGroup { core })
    }

    /// This node's replica of a buyer index when it is in memory.
    #[must_use]
    pub fn loaded_buyer_index(&self, group: GroupId) -> Option<BuyerIndexGroup> {
        if !group.is_buyer_index() {
            return None;
        }
        let core = self.inner.table.loaded(group)?;
        Some(BuyerIndexGroup { core })
    }

    /// What this node's replica of a group is doing, of whatever kind it is; `None` when it is not in memory.
    #[must_use]
    pub fn loaded_status(&self, group: GroupId) -> Option<GroupStatus> {
        let core = self.inner.table.loaded(group)?;
        Some(core.status())
    }

    /// All shows in memory.
    #[must_use]
    pub fn loaded_shows(&self) -> Vec<ShowGroup> {
        let loaded = self.inner.table.all_loaded().into_iter();
        loaded
            .filter(|core| is_show(core.group))
            .map(|core| ShowGroup { core })
            .collect()
    }

    /// Which node claims to lead a group, whether this node has a replica or not; it may have died since.
    #[must_use]
    pub fn leader_of_group(&self, group: GroupId) -> Option<NodeId> {
        let claim = self.inner.fabric.board.claim_of(group);
        claim.map(|claim| claim.leader)
    }

    /// Whether this node keeps a replica of the show, in memory or not.
    #[must_use]
    pub fn has_replica(&self, show: ShowId) -> bool {
        self.inner.table.is_here(GroupId::new(show.get()))
    }

    /// Every replica of this node, the directory's included; opens none.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaSummary> {
        let board = &self.inner.fabric.board;
        let groups = self.inner.table.groups().into_iter();
        groups
            .map(|group| {
                let core = self.inner.table.loaded(group);
                let claim = board.claim_of(group);
                let leader = claim.map(|claim| claim.leader);
                ReplicaSummary {
                    group,
                    loaded: core.is_some(),
                    asleep: core.is_none_or(|core| core.is_parked()),
                    leader,
                    term: claim.map_or(0, |claim| claim.term),
                    leader_alive: leader.is_some_and(|leader| board.is_heard(leader)),
                }
            })
            .collect()
    }

    /// Shows that this node answers for as their leader, in memory or not.
    #[must_use]
    pub fn led_shows(&self) -> Vec<ShowId> {
        let led = self
            .inner
            .fabric
            .board
            .claims_of(self.inner.node)
            .into_iter();
        led.filter(|(group, _)| is_show(*group))
            .map(|(group, _)| ShowId(group.get()))
            .collect()
    }

    /// Which node claims to lead a show, whether this node has a replica or not; it may have died since.
    #[must_use]
    pub fn leader_of(&self, show: ShowId) -> Option<NodeId> {
        self.leader_of_group(GroupId::new(show.get()))
    }

    /// Every group that a node of the cluster claims to lead, with that node.
    #[must_use]
    pub fn leaders(&self) -> Vec<(GroupId, NodeId)> {
        self.inner.fabric.board.leaders()
    }

    /// Changes whenever a node fell silent or was heard again, or a group's leader changed.
    #[must_use]
    pub fn leaders_changed(&self) -> watch::Receiver<u64> {
        self.inner.fabric.board.changed()
    }

    /// Tells the others that this node is about to stop, so that they hand it no leadership.
    pub fn announce_leaving(&self) {
        self.inner.fabric.board.leave();
        for (_, link) in self.inner.fabric.links() {
            link.ping();
        }
    }

    /// Whether a node has said that it is about to stop.
    #[must_use]
    pub fn is_leaving(&self, node: NodeId) -> bool {
        self.inner.fabric.board.is_leaving(node)
    }

    /// Whether a node is heard; this node always hears itself.
    #[must_use]
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.inner.fabric.board.is_heard(node)
    }

    /// What has happened to this node's replicas.
    #[must_use]
    pub fn replica_counters(&self) -> ReplicaCounters {
        let (replicas, loaded, hibernating) = self.inner.table.counts();
        let counters = &self.inner.counters;
        let (silences_total, false_silences_total) = self.inner.fabric.board.silences();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReplicaCounters {
            replicas: replicas as u64,
            loaded: loaded as u64,
            hibernating: hibernating as u64,
            opens_total: read(&counters.opens),
            unloads_total: read(&counters.unloads),
            hibernations_total: read(&counters.hibernations),
            silences_total,
            false_silences_total,
            candidacies_total: read(&counters.candidacies),
            wakes: self.inner.wakes.totals(),
        }
    }

    /// Shows whose members are not yet what the directory wants, and those of them, or others, that have replicas on nodes
    /// that are out and nowhere to go; the second is known where the directory is led and 0 elsewhere.
    #[must_use]
    pub fn membership_backlog(&self) -> (u64, u64) {
        let (unsettled, _) = self
            .directory()
            .read(|directory| directory.unsettled().len() as u64);
        (unsettled, self.inner.stuck_shows.load(Ordering::Relaxed))
    }

    /// Changes whenever a group was opened or put away.
    #[must_use]
    pub fn groups_changed(&self) -> watch::Receiver<u64> {
        self.inner.groups_changed.subscribe()
    }

    /// The other nodes as this one sees them.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.inner.fabric.status()
    }

    /// What the log has done.
    #[must_use]
    pub fn log_counters(&self) -> LogCounters {
        let LogStats {
            syncs,
            sync_us,
            batches,
            entries,
            written_bytes,
            queue_depth,
            used_bytes,
            ..
        } = self.inner.log.stats();
        LogCounters {
            syncs,
            sync_us,
            batches,
            entries,
            written_bytes,
            queue_depth,
            used_bytes,
        }
    }

    /// What the snapshot store has done.
    #[must_use]
    pub fn snapshot_stats(&self) -> SnapshotStats {
        self.inner.snapshots.stats()
    }

    /// Why the disk failed; `None` while it works. A failed log stops every group of this node.
    #[must_use]
    pub fn disk_failure(&self) -> Option<String> {
        match &*self.inner.log.health().borrow() {
            LogHealth::Healthy | LogHealth::Full { .. } => None,
            LogHealth::Failed { reason } => Some(reason.to_string()),
        }
    }

    /// Room on the file system of the data directory, bytes; `None` when it cannot be told.
    #[must_use]
    pub fn disk_free_bytes(&self) -> Option<u64> {
        self.inner.disk.free_bytes()
    }

    /// Whether the disk takes writes and has room.
    #[must_use]
    pub fn disk_state(&self) -> DiskState {
        DiskState::from(&*self.inner.log.health().borrow())
    }
}

/// Whether the group is the shard of a show.
const fn is_show(group: GroupId) -> bool {
    !group.is_directory() && !group.is_buyer_index()
}
