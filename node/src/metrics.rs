//! Every metric of a node process.
//!
//! Owns: names (each ends in its unit, `_total` or `_ratio`, or counts things that exist now) and the registry.
//! Must never: carry a label with unbounded values, such as a show or a buyer.

use std::time::Duration;

use holdfast_raft::{LogCounters, SnapshotStats};
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntGauge, Registry, TextEncoder};

/// Upper bounds of the latency buckets, seconds: from an in-memory answer to a slow ocean crossing.
const LATENCY_BUCKETS_SECONDS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2,
    0.3, 0.5, 1.0, 2.0, 5.0,
];

/// All metrics of the process. Cheap to clone: handles into one registry.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Raft entries committed that this node proposed.
    pub raft_entries: IntCounter,
    /// Commands in those entries.
    pub raft_commands: IntCounter,
    /// Commands refused from the leader's applied state, without a log entry.
    pub commands_refused_early: IntCounter,
    /// Commands refused because the show's queue was full.
    pub commands_overloaded: IntCounter,
    /// Time from a batch's arrival to its answer.
    pub submit: Histogram,
    /// Payment provider calls.
    pub payment_calls: IntCounter,
    /// Outbox records delivered.
    pub outbox_delivered: IntCounter,
    /// Leaderships given to a show's home.
    pub leaders_sent_home: IntCounter,
    log_fsyncs: IntCounter,
    log_bytes: IntCounter,
    log_used: IntGauge,
    log_queue: IntGauge,
    snapshots_stored: IntCounter,
    snapshots_damaged: IntCounter,
    snapshot_store: IntGauge,
    disk_failed: IntGauge,
    groups: IntGauge,
    group_leaders: IntGauge,
    groups_leaderless: IntGauge,
    peers_unreachable: IntGauge,
    invariant_violations: IntCounter,
}

/// What is asked of the stores and the groups when metrics are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// The Raft log's counters.
    pub log: LogCounters,
    /// The snapshot store's counters.
    pub snapshots: SnapshotStats,
    /// The disk has failed and every group here has stopped.
    pub disk_failed: bool,
    /// Groups open here.
    pub groups: usize,
    /// Of them, led here.
    pub group_leaders: usize,
    /// Of them, without a leader as far as this node knows.
    pub groups_leaderless: usize,
    /// Other nodes that are not heard.
    pub peers_unreachable: usize,
    /// Broken invariants counted in this process.
    pub invariant_violations: u64,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Only when two metrics have one name, which the tests exclude.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let submit = Histogram::with_opts(
            HistogramOpts::new(
                "holdfast_submit_latency_seconds",
                "time from a batch's arrival at the proposer to its answer",
            )
            .buckets(LATENCY_BUCKETS_SECONDS.to_vec()),
        )?;
        registry.register(Box::new(submit.clone()))?;
        Ok(Self {
            raft_entries: counter(
                "holdfast_raft_entries_total",
                "committed log entries that this node proposed",
            )?,
            raft_commands: counter("holdfast_raft_commands_total", "commands in those entries")?,
            commands_refused_early: counter(
                "holdfast_commands_refused_early_total",
                "commands refused under the leader's lease without a log entry",
            )?,
            commands_overloaded: counter(
                "holdfast_commands_overloaded_total",
                "commands refused because the queue was full",
            )?,
            payment_calls: counter(
                "holdfast_payment_calls_total",
                "calls to the payment provider",
            )?,
            outbox_delivered: counter(
                "holdfast_outbox_delivered_total",
                "notices and events delivered",
            )?,
            leaders_sent_home: counter(
                "holdfast_leaders_sent_home_total",
                "leaderships handed to the show's home region",
            )?,
            log_fsyncs: counter("holdfast_log_fsyncs_total", "syncs of the Raft log")?,
            log_bytes: counter("holdfast_log_bytes_total", "bytes written to the Raft log")?,
            invariant_violations: counter(
                "holdfast_invariant_violations_total",
                "broken invariants; anything but 0 wants an operator",
            )?,
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
            disk_failed: gauge(
                "holdfast_disk_failures",
                "1 when the disk has failed and every group here has stopped",
            )?,
            groups: gauge("holdfast_groups", "Raft groups open on this node")?,
            groups_leaderless: gauge(
                "holdfast_groups_leaderless",
                "Raft groups open here that have no leader as far as this node knows",
            )?,
            peers_unreachable: gauge(
                "holdfast_peers_unreachable",
                "other nodes that are not heard",
            )?,
            group_leaders: gauge("holdfast_group_leaders", "Raft groups that this node leads")?,
            submit,
            registry,
        })
    }

    /// Notes a batch that took `elapsed`.
    pub fn observe_submit(&self, elapsed: Duration) {
        self.submit.observe(elapsed.as_secs_f64());
    }

    /// The Prometheus text form, with `sample` taken in.
    ///
    /// # Errors
    /// When the encoder fails, which it does not for a registry of this kind.
    pub fn render(&self, sample: Sample) -> Result<String, prometheus::Error> {
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
        set(&self.disk_failed, u64::from(sample.disk_failed));
        set(&self.groups, sample.groups as u64);
        set(&self.group_leaders, sample.group_leaders as u64);
        set(&self.groups_leaderless, sample.groups_leaderless as u64);
        set(&self.peers_unreachable, sample.peers_unreachable as u64);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// Brings a counter up to a total that is kept elsewhere. Two readers at once may add the same step twice only
/// between their reads; the next read corrects nothing downwards, so the total is read first.
fn catch_up(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_ends_in_its_unit_or_counts_what_exists() {
        let metrics = Metrics::new().unwrap();
        let counted = [
            "holdfast_groups",
            "holdfast_group_leaders",
            "holdfast_groups_leaderless",
            "holdfast_peers_unreachable",
            "holdfast_disk_failures",
        ];
        let units = ["_total", "_seconds", "_bytes", "_requests"];
        for family in metrics.registry.gather() {
            let name = family.name();
            assert!(
                counted.contains(&name) || units.iter().any(|unit| name.ends_with(unit)),
                "{name}"
            );
        }
    }

    #[test]
    fn totals_kept_elsewhere_are_taken_in_and_never_fall() {
        let metrics = Metrics::new().unwrap();
        let log = LogCounters {
            syncs: 5,
            ..LogCounters::default()
        };
        let sample = Sample {
            log,
            groups: 3,
            ..Sample::default()
        };
        let text = metrics.render(sample).unwrap();
        assert!(text.contains("holdfast_log_fsyncs_total 5"), "{text}");
        assert!(text.contains("holdfast_groups 3"));
        let text = metrics.render(Sample::default()).unwrap();
        assert!(text.contains("holdfast_log_fsyncs_total 5"), "{text}");
    }
}
