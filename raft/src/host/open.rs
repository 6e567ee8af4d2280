//! Opens one group: its log, its state, its openraft core, its first membership.
//!
//! Owns: openraft's configuration and why each value is what it is. Must never: initialise a group with anything but the
//! membership that the directory (or, for group 0, the topology) gives it: two first memberships would be two groups.

use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::{GroupId, GroupTiming, NodeId};
use openraft::{Config, SnapshotPolicy};
use tokio::sync::watch;

use super::{Host, SnapshotOptions};
use crate::contact::Contact;
use crate::error::StartError;
use crate::group::{GroupCore, Leadership, publish_leadership};
use crate::lease::Lease;
use crate::state_machine::StateMachine;
use crate::transport::network::{GroupNetworkFactory, Routes};

/// Entries of one append; the log reader caps its bytes.
const ENTRIES_PER_APPEND_MAX: u64 = 256;

/// A snapshot of the largest show over the longest way takes a few seconds; a stuck one must not be waited for longer.
const SNAPSHOT_LIMIT_MS: u64 = 60_000;

impl Host {
    /// Opens a group that this node keeps a replica of; does nothing when it is open. `preference` names the voters, the
    /// preferred leader first; `first_voters` the group's first membership, empty when it must not be written here.
    pub(crate) async fn open_group(
        &self,
        group: GroupId,
        preference: &[NodeId],
        first_voters: &[NodeId],
    ) -> Result<(), StartError> {
        let inner = &self.inner;
        if inner.table.get(group).is_some() {
            return Ok(());
        }
        let failed = |reason: String| StartError::Group { group, reason };
        let node = inner.node;
        // A learner has no rank; its times matter only once it votes.
        let rank = preference
            .iter()
            .position(|voter| *voter == node)
            .unwrap_or_default();
        let own = GroupTiming::for_voters(&inner.topology, preference, rank);
        // The shortest of all voters' leases: after it, another may be elected.
        let timing = GroupTiming::for_voters(&inner.topology, preference, 0);
        let config = openraft_config(&inner.topology.cluster, &own, inner.snapshot_options)
            .map_err(&failed)?;
        let log = inner.log.group(group).map_err(|e| failed(e.to_string()))?;
        let state_machine = StateMachine::open(group, inner.snapshots.clone())
            .await
            .map_err(|e| failed(e.to_string()))?;
        let shared = state_machine.shared();
        let routes = Arc::clone(&inner.fabric) as Arc<dyn Routes>;
        let lease = Arc::new(Lease::new(timing.election_timeout_max_ms));
        let network = GroupNetworkFactory {
            group,
            lease: Arc::clone(&lease),
            routes,
        };
        let raft = openraft::Raft::new(node.get(), Arc::new(config), network, log, state_machine)
            .await
            .map_err(|e| failed(e.to_string()))?;
        lease.watch(raft.clone());
        let (publish, leadership) = watch::channel(Leadership::default());
        self.spawn(publish_leadership(raft.clone(), publish));
        let core = Arc::new(GroupCore {
            group,
            node,
            raft,
            shared,
            contact: Arc::new(Contact::default()),
            lease,
            fabric: Arc::clone(&inner.fabric),
            timing,
            leadership,
        });
        inner.table.insert(Arc::clone(&core));
        inner.groups_changed.send_modify(|count| *count += 1);
        if first_voters.contains(&node) {
            let first = preference.first() == Some(&node);
            self.spawn(initialise(
                core,
                first_voters.to_vec(),
                first,
                inner.stop_duties.clone(),
            ));
        }
        Ok(())
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
        // A node that comes back from a partition must not depose a working leader with its inflated term.
        enable_pre_vote: Some(true),
        // A leader that reaches only a minority keeps a connected majority from electing by its heartbeats: it has to
        // notice and step down (openraft issue 2080). At least lease + election, both of which are `max` here.
        quorum_loss_probe_interval: Some(timing.election_timeout_max_ms * 2),
        // The state machine is in memory and the committed index is written lazily: a restarted leader that went on
        // without an election could serve a state that misses what it acknowledged.
        enable_leader_restore: Some(false),
        // 144 KB a replica for stages that only a profiler reads.
        log_stage_capacity: Some(1),
        ..Config::default()
    };
    config.validate().map_err(|e| e.to_string())
}

/// Writes the first membership, once. The preferred leader does it at once; the others only if it has not come by then,
/// with the same membership, which Raft allows: the entry is the same wherever it is written.
async fn initialise(
    core: Arc<GroupCore>,
    voters: Vec<NodeId>,
    first: bool,
    stop: tokio_util::sync::CancellationToken,
) {
    if !first {
        let patience = Duration::from_millis(core.timing.election_timeout_max_ms * 2);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(patience) => {}
        }
    }
    match core.raft.is_initialized().await {
        Ok(false) => {}
        Ok(true) | Err(_) => return,
    }
    let members: std::collections::BTreeMap<u64, ()> =
        voters.iter().map(|voter| (voter.get(), ())).collect();
    match core.raft.initialize(members).await {
        Ok(()) => tracing::info!(group = %core.group, voters = ?voters, "group initialised"),
        // Another voter was quicker and its entry arrived between the check and the call.
        Err(error) => tracing::debug!(group = %core.group, %error, "group is initialised already"),
    }
}
