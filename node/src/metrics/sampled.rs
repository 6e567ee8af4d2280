//! What is asked of the stores, the groups and the peers whenever metrics are read.
//!
//! Owns: the metrics that are kept elsewhere and only shown here. Must never: count by itself.

use holdfast_raft::{LogCounters, ReplicaCounters, SnapshotStats, WakeCause};
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge};

use super::{Register, RoomSample};
use crate::backlog::Backlog;

/// The values at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// The Raft log's counters.
    pub log: LogCounters,
    /// The snapshot store's counters.
    pub snapshots: SnapshotStats,
    /// What has happened to this node's replicas.
    pub replicas: ReplicaCounters,
    /// How the disk is: 0 it works, 1 it is almost full, 2 it failed and every group here has stopped.
    pub disk_state: u8,
    /// Room on the data directory's file system, bytes; `None` when it cannot be told.
    pub disk_free_bytes: Option<u64>,
    /// How far this machine's clock is ahead of the time that is used instead of it, ms; 0 while it is used as it is.
    pub clock_ahead_ms: i64,
    /// Groups that this node leads, in memory or not.
    pub group_leaders: usize,
    /// Groups with a replica here whose leader is not known or not heard.
    pub leaderless_groups: usize,
    /// Other nodes to which there is no connection.
    pub unreachable_nodes: usize,
    /// Other nodes whose pings are not answered.
    pub silent_nodes: usize,
    /// Broken invariants counted in this process.
    pub invariant_violations: u64,
    /// Shows whose members are not yet what the directory wants.
    pub unsettled_groups: u64,
    /// Shows with replicas on nodes that are out, and nowhere to go; 0 where the directory is not led.
    pub stuck_groups: u64,
    /// This node's clock, ms since the Unix epoch.
    pub clock_ms: u64,
    /// Since a quorum of the directory was heard, ms.
    pub directory_age_ms: u64,
    /// Shows that the directory knows.
    pub catalogue_shows: usize,
    /// Groups of the cluster, the directory's own among them.
    pub catalogue_groups: usize,
    /// Waiting rooms of the shows that this node leads and has in memory.
    pub rooms: RoomSample,
    /// What waits behind the shows that this node leads and has in memory.
    pub backlog: Backlog,
}

/// Their metrics.
#[derive(Debug, Clone)]
pub(super) struct Sampled {
    log_fsyncs: IntCounter,
    log_bytes: IntCounter,
    log_used: IntGauge,
    log_queue: IntGauge,
    snapshots_stored: IntCounter,
    snapshots_damaged: IntCounter,
    snapshot_store: IntGauge,
    disk_state: IntGauge,
    disk_free: IntGauge,
    stopped_groups: IntGauge,
    kept_groups: IntGauge,
    hibernating_groups: IntGauge,
    groups_opened: IntCounter,
    groups_unloaded: IntCounter,
    groups: IntGauge,
    group_leaders: IntGauge,
    leaderless_groups: IntGauge,
    unreachable_nodes: IntGauge,
    liveness: Liveness,
    members: Members,
    invariant_violations: IntCounter,
}

impl Sampled {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        let counter = |name, help| register.counter(name, help);
        let gauge = |name, help| register.gauge(name, help);
        Ok(Self {
            log_fsyncs: counter("holdfast_log_fsyncs_total", "syncs of the Raft log")?,
            log_bytes: counter("holdfast_log_bytes_total", "bytes written to the Raft log")?,
            log_used: gauge("holdfast_log_used_bytes", "size of the Raft log's files")?,
            log_queue: gauge(
                "holdfast_log_queue_requests",
                "requests that wait for the log",
            )?,
            snapshots_stored: counter("holdfast_snapshots_stored_total", "snapshots written")?,
            snapshots_damaged: counter(
                "holdfast_snapshots_damaged_total",
                "snapshots dropped for a wrong checksum; anything but 0 wants an operator",
            )?,
            snapshot_store: gauge(
                "holdfast_snapshot_store_bytes",
                "size of the snapshot store",
            )?,
            disk_state: gauge(
                "holdfast_disk_state",
                "0 the disk works, 1 it is almost full, 2 it failed; anything but 0 wants an operator",
            )?,
            disk_free: gauge(
                "holdfast_disk_free_bytes",
                "room on the file system of the data directory",
            )?,
            stopped_groups: gauge(
                "holdfast_stopped_groups",
                "Raft groups that stopped because the disk failed",
            )?,
            kept_groups: gauge(
                "holdfast_kept_groups",
                "Raft groups with a replica on this node, in memory or on disk only",
            )?,
            hibernating_groups: gauge(
                "holdfast_hibernating_groups",
                "Raft groups open here that send nothing until they are wanted",
            )?,
            groups_opened: counter("holdfast_groups_opened_total", "replicas opened")?,
            groups_unloaded: counter(
                "holdfast_groups_unloaded_total",
                "idle replicas that left memory",
            )?,
            groups: gauge("holdfast_groups", "Raft groups open on this node")?,
            group_leaders: gauge("holdfast_group_leaders", "Raft groups that this node leads")?,
            leaderless_groups: gauge(
                "holdfast_leaderless_groups",
                "Raft groups with a replica here whose leader is not known or not heard",
            )?,
            unreachable_nodes: gauge(
                "holdfast_unreachable_nodes",
                "other nodes to which there is no connection",
            )?,
            liveness: Liveness::new(register)?,
            members: Members::new(register)?,
            invariant_violations: counter(
                "holdfast_invariant_violations_total",
                "broken invariants; anything but 0 wants an operator",
            )?,
        })
    }

    /// Shows `sample` from now on.
    pub(super) fn take(&self, sample: &Sample) {
        let Sample { log, snapshots, .. } = sample;
        catch_up(&self.log_fsyncs, log.syncs);
        catch_up(&self.log_bytes, log.written_bytes);
        catch_up(&self.snapshots_stored, snapshots.stored);
        catch_up(&self.snapshots_damaged, snapshots.damaged);
        catch_up(&self.invariant_violations, sample.invariant_violations);
        let set =
            |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.log_used, log.used_bytes);
        set(&self.log_queue, log.queue_depth);
        set(&self.snapshot_store, snapshots.disk_bytes);
        set(&self.disk_state, u64::from(sample.disk_state));
        if let Some(free_bytes) = sample.disk_free_bytes {
            set(&self.disk_free, free_bytes);
        }
        // One log serves all groups: when it has failed, all of them have stopped.
        let replicas = &sample.replicas;
        let stopped = if sample.disk_state == 2 {
            replicas.replicas
        } else {
            0
        };
        set(&self.stopped_groups, stopped);
        set(&self.kept_groups, replicas.replicas);
        set(&self.hibernating_groups, replicas.hibernating);
        catch_up(&self.groups_opened, replicas.opens_total);
        catch_up(&self.groups_unloaded, replicas.unloads_total);
        self.liveness.take(sample);
        self.members.take(sample);
        set(&self.groups, replicas.loaded);
        set(&self.group_leaders, sample.group_leaders as u64);
        set(&self.leaderless_groups, sample.leaderless_groups as u64);
        set(&self.unreachable_nodes, sample.unreachable_nodes as u64);
    }
}

/// What sleeping groups were wanted for, and how far changes of members are.
#[derive(Debug, Clone)]
struct Members {
    wakes: IntCounterVec,
    unsettled_groups: IntGauge,
    stuck_groups: IntGauge,
}

impl Members {
    const FROM: [&'static str; 2] = ["hibernating", "unloaded"];

    fn new(register: &Register<'_>) -> Result<Self, Error> {
        let wakes = register.labelled(
            "holdfast_group_wakes_total",
            "groups that slept and were wanted: leaders that hibernated, replicas read from disk; and what for",
            &["from", "cause"],
        )?;
        // Every series exists from the start, so that a rate over the first wake is one.
        for from in Self::FROM {
            for cause in WakeCause::ALL {
                wakes.with_label_values(&[from, cause.as_str()]);
            }
        }
        Ok(Self {
            wakes,
            unsettled_groups: register.gauge(
                "holdfast_unsettled_groups",
                "shows whose members are not yet what the directory wants; many for long wants an operator",
            )?,
            stuck_groups: register.gauge(
                "holdfast_stuck_groups",
                "shows with replicas on nodes that are out and nowhere to go, counted where the directory is led",
            )?,
        })
    }

    fn take(&self, sample: &Sample) {
        let totals = sample.replicas.wakes;
        for (from, counts) in Self::FROM
            .into_iter()
            .zip([totals.hibernating, totals.unloaded])
        {
            for (cause, total) in WakeCause::ALL.into_iter().zip(counts) {
                let counter = self.wakes.with_label_values(&[from, cause.as_str()]);
                catch_up(&counter, total);
            }
        }
        let set = |gauge: &IntGauge, value| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.unsettled_groups, sample.unsettled_groups);
        set(&self.stuck_groups, sample.stuck_groups);
    }
}

/// Who is heard, and what came of silence.
#[derive(Debug, Clone)]
struct Liveness {
    silent_nodes: IntGauge,
    hibernations: IntCounter,
    candidacies: IntCounter,
    silences: IntCounter,
    false_silences: IntCounter,
}

impl Liveness {
    fn new(register: &Register<'_>) -> Result<Self, Error> {
        let counter = |name, help| register.counter(name, help);
        Ok(Self {
            silent_nodes: register.gauge(
                "holdfast_silent_nodes",
                "other nodes whose pings are not answered",
            )?,
            hibernations: counter(
                "holdfast_group_hibernations_total",
                "groups that this node, leading, put to sleep",
            )?,
            candidacies: counter(
                "holdfast_group_candidacies_total",
                "elections in which this node stood for a group without a leader",
            )?,
            silences: counter(
                "holdfast_node_silences_total",
                "times that another node fell silent for this one",
            )?,
            false_silences: counter(
                "holdfast_node_false_silences_total",
                "of them, times that the node was heard again as the same process",
            )?,
        })
    }

    fn take(&self, sample: &Sample) {
        let ReplicaCounters {
            hibernations_total,
            candidacies_total,
            silences_total,
            false_silences_total,
            ..
        } = sample.replicas;
        catch_up(&self.hibernations, hibernations_total);
        catch_up(&self.candidacies, candidacies_total);
        catch_up(&self.silences, silences_total);
        catch_up(&self.false_silences, false_silences_total);
        let silent = i64::try_from(sample.silent_nodes);
        self.silent_nodes.set(silent.unwrap_or(i64::MAX));
    }
}

/// Brings a counter up to a total that is kept elsewhere. Two readers at once may add the same step twice only
/// between their reads; the next read corrects nothing downwards, so the total is read first.
fn catch_up(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
