//! Every metric of a node process.
//!
//! Owns: names (each ends in its unit, `_total` or `_ratio`, or counts things that exist now) and the registry.
//! Must never: carry a label with unbounded values, such as a show or a buyer.

mod lag;
mod rooms;
mod sampled;

use std::time::Duration;

use prometheus::{
    Counter, Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

use holdfast_inventory::outcome::Outcome;

use self::lag::Lag;
pub use self::rooms::RoomSample;
use self::rooms::Rooms;
pub use self::sampled::Sample;
use self::sampled::Sampled;
use crate::leaders::wanted::Reason;
use crate::submission::Submission;

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
    /// Leaderships handed over, by reason.
    pub leader_moves: IntCounterVec,
    /// Hand-overs that did not happen, by reason.
    pub leader_moves_failed: IntCounterVec,
    /// Groups led here that should be led elsewhere.
    pub leaders_to_move: IntGauge,
    sampled: Sampled,
    lag: Lag,
    rooms: Rooms,
}

/// Puts metrics into the registry.
struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.labelled(name, help, &[label])
    }

    fn labelled(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        let gauge = Gauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn seconds_counter(&self, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
        let counter = Counter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn ratio(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.seconds(name, help)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// Only when two metrics have one name, which the tests exclude.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let register = Register(&registry);
        let counter = |name, help| register.counter(name, help);
        let moves = |name, help| {
            let counters = register.counters(name, help, "reason")?;
            // Every series exists from the start, so that a rate over the first move is one.
            for reason in Reason::ALL {
                counters.with_label_values(&[reason.as_str()]);
            }
            Ok::<_, prometheus::Error>(counters)
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
            leader_moves: moves(
                "holdfast_leader_moves_total",
                "leaderships handed over on purpose",
            )?,
            leader_moves_failed: moves(
                "holdfast_leader_moves_failed_total",
                "hand-overs that did not happen; they are tried again",
            )?,
            leaders_to_move: register.gauge(
                "holdfast_to_move_leaders",
                "groups led here that should be led elsewhere",
            )?,
            sampled: Sampled::new(&register)?,
            lag: Lag::new(&register)?,
            rooms: Rooms::new(&register)?,
            submit,
            registry,
        })
    }

    /// Notes commands that found no place in a queue.
    pub fn overloaded(&self, submission: &Submission) {
        self.commands_overloaded
            .inc_by(submission.items.len() as u64);
    }

    /// Notes what became of a command.
    pub fn answered(&self, outcome: &Outcome) {
        if let Outcome::Rejected(rejection) = outcome {
            self.rooms.refused(rejection);
        }
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
        self.sampled.take(&sample);
        self.lag.take(&sample);
        self.rooms.take(&sample.rooms);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_ends_in_its_unit_or_counts_what_exists() {
        let metrics = Metrics::new().unwrap();
        let units = [
            "_total",
            "_seconds",
            "_bytes",
            "_requests",
            "_groups",
            "_leaders",
            "_records",
            "_shows",
            "_nodes",
            "_people",
            "_ratio",
            "_state",
        ];
        for family in metrics.registry.gather() {
            let name = family.name();
            assert!(units.iter().any(|unit| name.ends_with(unit)), "{name}");
        }
    }

    #[test]
    fn totals_kept_elsewhere_are_taken_in_and_never_fall() {
        let metrics = Metrics::new().unwrap();
        let log = holdfast_raft::LogCounters {
            syncs: 5,
            ..Default::default()
        };
        let sample = Sample {
            log,
            replicas: holdfast_raft::ReplicaCounters {
                loaded: 3,
                wakes: holdfast_raft::WakeTotals {
                    hibernating: [7, 0, 0, 0, 0, 0, 0],
                    ..Default::default()
                },
                ..Default::default()
            },
            stuck_groups: 2,
            ..Sample::default()
        };
        let text = metrics.render(sample).unwrap();
        assert!(text.contains("holdfast_log_fsyncs_total 5"), "{text}");
        assert!(text.contains("holdfast_groups 3"));
        let wakes = "holdfast_group_wakes_total{cause=\"request\",from=\"hibernating\"} 7";
        assert!(text.contains(wakes), "{text}");
        assert!(text.contains("holdfast_stuck_groups 2"), "{text}");
        let text = metrics.render(Sample::default()).unwrap();
        assert!(text.contains("holdfast_log_fsyncs_total 5"), "{text}");
    }
}
