//! Opens one replica: its log, its state, its openraft core. Puts it away again.
//!
//! Owns: openraft's configuration and why each value is what it is. Must never: initialise a group with anything but the
//! membership that the directory (or, for group 0, the topology) gave it when it was created: two first memberships would be
//! two groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::time::Duration;

use holdfast_region_config::{GroupId, GroupTiming, NodeId};
use openraft::{Config, SnapshotPolicy};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::slots::Placement;
use super::wakes::WakeCause;
use super::{Host, SnapshotOptions};
use crate::contact::Contact;
use crate::disk::DiskState;
use crate::error::OpenError;
use crate::group::gate::Gate;
use crate::group::{GroupCore, Leadership, Publisher, publish_leadership};
use crate::lease::Lease;
use crate::reseed::open_replica;
use crate::transport::network::{GroupNetworkFactory, Kinship, Routes};

/// Entries of one append; the log reader caps its bytes.
const ENTRIES_PER_APPEND_MAX: u64 = 256;

/// A snapshot of the largest show over the longest way takes a few seconds; a stuck one must not be waited for longer.
const SNAPSHOT_LIMIT_MS: u64 = 60_000;

impl Host {
    /// The replica, from disk when it is not in memory. It sleeps until it hears its leader or is told to stand.
    pub(crate) async fn open_group(
        &self,
        group: GroupId,
        cause: WakeCause,
    ) -> Result<Arc<GroupCore>, OpenError> {
        let inner = &self.inner;
        if let Some(core) = inner.table.loaded(group) {
            return Ok(core);
        }
        let turn = inner
            .table
            .turn(group)
            .ok_or(OpenError::NotHere { group })?;
        let _turn = turn.lock().await;
        // A slot that was taken away and given anew has another turn, and another may be opening the replica there.
        if !inner.table.is_turn_of(group, &turn) {
            return Err(OpenError::NotHere { group });
        }
        if let Some(core) = inner.table.loaded(group) {
            return Ok(core);
        }
        if inner.stop_duties.is_cancelled() {
            return Err(OpenError::Stopping);
        }
        // Not the semaphore's queue: frames for closed groups keep coming for as long as the disk is away.
        if let DiskState::Failed { reason } = DiskState::from(&*inner.log.health().borrow()) {
            return Err(OpenError::Failed { group, reason });
        }
        let placement = inner
            .table
            .placement(group)
            .ok_or(OpenError::NotHere { group })?;
        let Ok(_place) = inner.opening.acquire().await else {
            return Err(OpenError::Stopping);
        };
        if inner.table.is_lost(group) {
            let reason = "it has lost what it had acknowledged; replace it".to_owned();
            return Err(OpenError::Failed { group, reason });
        }
        let core = self.build(group, &placement).await.map_err(|reason| {
            tracing::error!(%group, reason, "replica cannot be opened");
            OpenError::Failed { group, reason }
        })?;
        inner.table.loaded_now(&core);
        inner.counters.opened();
        inner.wakes.opened(cause);
        inner.groups_changed.send_modify(|count| *count += 1);
        Ok(core)
    }

    async fn build(&self, group: GroupId, placement: &Placement) -> Result<Arc<GroupCore>, String> {
        let inner = &self.inner;
        let node = inner.node;
        let order = &placement.order;
        // A learner has no rank; its times matter only once it votes.
        let rank = order.iter().position(|voter| *voter == node);
        let rank = rank.unwrap_or_default();
        let topology = inner.topology.now();
        let own = GroupTiming::for_voters(&topology, order, rank);
        // The shortest of all voters' leases: after it, another may be elected.
        let timing = GroupTiming::for_voters(&topology, order, 0);
        let config = openraft_config(&topology.cluster, &own, inner.snapshot_options)?;
        let (log, state_machine) = open_replica(&inner.log, &inner.snapshots, group)
            .await
            .map_err(|e| e.to_string())?;
        let shared = state_machine.shared();
        let board = Arc::clone(&inner.fabric.board);
        let lease = Arc::new(Lease::new(
            timing.election_timeout_max_ms,
            Arc::clone(&shared),
            board,
        ));
        let takeover = Arc::new(AtomicBool::new(false));
        let kinship = Arc::<Kinship>::default();
        let network = GroupNetworkFactory {
            group,
            lease: Arc::clone(&lease),
            takeover: Arc::clone(&takeover),
            kinship: Arc::clone(&kinship),
            routes: Arc::clone(&inner.fabric) as Arc<dyn Routes>,
        };
        let raft = openraft::Raft::new(node.get(), Arc::new(config), network, log, state_machine)
            .await
            .map_err(|e| e.to_string())?;
        lease.watch(raft.clone());
        let (publish, leadership) = watch::channel(Leadership::default());
        let gate = Arc::new(Gate::default());
        let publisher = Publisher {
            group,
            raft: raft.clone(),
            fabric: Arc::clone(&inner.fabric),
            gate: Arc::clone(&gate),
            publish,
        };
        inner.group_tasks.spawn(publish_leadership(publisher));
        Ok(Arc::new(GroupCore {
            group,
            node,
            raft,
            shared,
            contact: Arc::new(Contact::default()),
            lease,
            wakes: Arc::clone(&inner.wakes),
            fabric: Arc::clone(&inner.fabric),
            timing,
            leadership,
            gate,
            parked: AtomicBool::new(true),
            parking: Notify::new(),
            appended_ms: AtomicU64::new(0),
            waking: tokio::sync::Mutex::new(()),
            quiet_looks: AtomicU8::new(0),
            tending: Arc::new(Semaphore::new(1)),
            handing_over: AtomicU64::new(0),
            handing_over_ms: AtomicU64::new(0),
            takeover,
            kinship,
            closed: CancellationToken::new(),
        }))
    }

    /// Puts a replica away when nobody is inside or has used it for `unused`; true when that was done now. On a busy machine it is
    /// asked for again before it was done once, and its turn may then come after the group was opened anew, or used.
    pub(crate) async fn put_away(&self, core: &Arc<GroupCore>, unused: Duration) -> bool {
        let Some(turn) = self.inner.table.turn(core.group) else {
            return false;
        };
        let _turn = turn.lock().await;
        if !core.gate.close_if_unused(unused) {
            return false;
        }
        self.close(core).await;
        true
    }

    /// Closes a replica whoever is inside; the caller has its turn, or all the places for opening.
    pub(crate) async fn close(&self, core: &Arc<GroupCore>) {
        core.gate.close();
        self.inner.table.unloaded_now(core);
        core.closed.cancel();
        if core.raft.shutdown().await.is_err() {
            tracing::warn!(group = %core.group, "group had already stopped");
        }
        self.inner.counters.put_away();
        self.inner.groups_changed.send_modify(|count| *count += 1);
    }

    /// Writes the first membership of a group that was never begun; false when it has one already or this is not the place.
    pub(crate) async fn initialise(&self, core: &GroupCore, placement: &Placement) -> bool {
        if placement.first_voters.is_empty()
            || !matches!(core.raft.is_initialized().await, Ok(false))
        {
            return false;
        }
        if !self.may_found(core.group, &placement.first_voters).await {
            return false;
        }
        let voters = placement.first_voters.iter();
        let members: BTreeMap<u64, ()> = voters.map(|voter| (voter.get(), ())).collect();
        match core.raft.initialize(members).await {
            Ok(()) => {
                tracing::info!(group = %core.group, voters = ?placement.first_voters, "group initialised");
                true
            }
            // Another voter was quicker and its entry arrived between the check and the call.
            Err(error) => {
                tracing::debug!(group = %core.group, %error, "group is initialised already");
                false
            }
        }
    }
}

fn openraft_config(
    cluster: &str,
    timing: &GroupTiming,
    snapshots: SnapshotOptions,
) -> Result<Config, String> {
    let config = Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: timing.heartbeat_interval_ms,
        election_timeout_min: timing.election_timeout_min_ms,
        election_timeout_max: timing.election_timeout_max_ms,
        install_snapshot_timeout: SNAPSHOT_LIMIT_MS,
        max_payload_entries: ENTRIES_PER_APPEND_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshots.every_entries),
        max_in_snapshot_log_to_keep: snapshots.keep_entries,
        // A replica is opened for many reasons; it stands for election only when it has heard its leader fall silent, or when
        // succession tells it to.
        enable_tick: false,
        // A node that comes back from a partition must not depose a working leader with its inflated term.
        enable_pre_vote: Some(true),
        // A leader that reaches only a minority keeps the others from electing by its heartbeats (openraft issue 2080). The
        // fabric takes it over all the same, because a majority finds it silent; openraft's own remedy mutes heartbeats in
        // turns, also those by which a sleeping group wakes.
        quorum_loss_probe_interval: None,
        // The state machine is in memory and the committed index is written lazily: a restarted leader that went on
        // without an election could serve a state that misses what it acknowledged.
        enable_leader_restore: Some(false),
        // 144 KB a replica for stages that only a profiler reads.
        log_stage_capacity: Some(1),
        ..Config::default()
    };
    config.validate().map_err(|e| e.to_string())
}

/// Whether `node` is one of the voters.
pub(crate) fn votes(placement: &Placement, node: NodeId) -> bool {
    placement.order.contains(&node)
}

#[cfg(test)]
mod tests;
