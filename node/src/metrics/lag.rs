//! What lags behind: the outbox behind the sales, this node's directory behind the others', its clock beside theirs.
//!
//! Owns: those metrics. Must never: read the state itself; [`super::Sample`] brings it.

use prometheus::{Counter, Error, Gauge, IntGauge};

use super::{Register, Sample};
use crate::backlog::Backlog;

/// Gauges in seconds are fractions: what alerts compare with is often less than one.
#[derive(Debug, Clone)]
pub(super) struct Lag {
    log_sync: Counter,
    clock: Gauge,
    clock_ahead: Gauge,
    directory_age: Gauge,
    catalogue_shows: IntGauge,
    catalogue_groups: IntGauge,
    outbox_waiting: IntGauge,
    outbox_oldest: Gauge,
    index_waiting: IntGauge,
    index_lag: Gauge,
}

impl Lag {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            log_sync: register.seconds_counter(
                "holdfast_log_sync_seconds_total",
                "time spent on writes of the Raft log that end with a sync",
            )?,
            clock: register.seconds(
                "holdfast_clock_seconds",
                "this machine's clock since the Unix epoch; entries are stamped by it, within what the other nodes' clocks bear out",
            )?,
            clock_ahead: register.seconds(
                "holdfast_clock_ahead_seconds",
                "by how much this machine's clock is outvoted by the other nodes'; below 0 it is behind; anything but 0 wants an operator",
            )?,
            directory_age: register.seconds(
                "holdfast_directory_age_seconds",
                "since a quorum of the directory was heard; grows while this node is cut off",
            )?,
            catalogue_shows: register.gauge(
                "holdfast_catalogue_shows",
                "shows that the directory knows, as this node has it",
            )?,
            catalogue_groups: register.gauge(
                "holdfast_catalogue_groups",
                "Raft groups of the cluster: the directory, shows and indexes of buyers, as this node has it",
            )?,
            outbox_waiting: register.gauge(
                "holdfast_outbox_waiting_records",
                "payments, notices and events that wait for their provider or sink, of the shows that this node leads and has in memory",
            )?,
            outbox_oldest: register.seconds(
                "holdfast_outbox_oldest_seconds",
                "how long the oldest of them has waited; 0 when none waits",
            )?,
            index_waiting: register.gauge(
                "holdfast_buyer_index_waiting_records",
                "notices that are delivered and that their index of buyers has not committed, of the shows that this node leads and has in memory",
            )?,
            index_lag: register.seconds(
                "holdfast_buyer_index_lag_seconds",
                "how long the oldest of them has waited; 0 when none waits",
            )?,
        })
    }

    pub(super) fn take(&self, sample: &Sample) {
        let seconds = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
        let synced = std::time::Duration::from_micros(sample.log.sync_us).as_secs_f64();
        self.log_sync
            .inc_by((synced - self.log_sync.get()).max(0.0));
        self.clock.set(seconds(sample.clock_ms));
        let ahead = std::time::Duration::from_millis(sample.clock_ahead_ms.unsigned_abs());
        let side = if sample.clock_ahead_ms < 0 { -1.0 } else { 1.0 };
        self.clock_ahead.set(side * ahead.as_secs_f64());
        self.directory_age.set(seconds(sample.directory_age_ms));
        let set =
            |gauge: &IntGauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.catalogue_shows, sample.catalogue_shows);
        set(&self.catalogue_groups, sample.catalogue_groups);
        let Backlog { outbox, index } = sample.backlog;
        set(&self.outbox_waiting, outbox.records);
        self.outbox_oldest.set(seconds(outbox.oldest_ms));
        set(&self.index_waiting, index.records);
        self.index_lag.set(seconds(index.oldest_ms));
    }
}
