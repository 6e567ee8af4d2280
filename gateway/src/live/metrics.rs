//! What live maps and quick rejections count.
//!
//! Owns: names and label values, all bounded sets. Must never: label by show.

use prometheus::{
    Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Fine where the target is (2 ms), coarse above.
const ANSWER_SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1,
];
const AGE_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// See the module's head.
#[derive(Debug)]
pub struct LiveMetrics {
    /// Viewers now.
    pub viewers: IntGauge,
    /// Shows followed now.
    pub shows: IntGauge,
    /// Viewers refused.
    pub viewers_refused: IntCounter,
    /// Events made, by kind; each is made once and sent to every viewer of its show.
    pub events: IntCounterVec,
    /// Snapshots made for one viewer, by reason: `first`, `behind`.
    pub snapshots: IntCounterVec,
    /// Viewers that went on from where they were.
    pub resumed: IntCounter,
    /// Streams to nodes that ended, by reason.
    pub upstream_ends: IntCounterVec,
    /// Age of the copy when an update came.
    pub update_age_seconds: Histogram,
    /// Holds asked for, by who answered: `live-copy`, `shard`.
    pub holds: IntCounterVec,
    /// Holds refused from the copy, by code.
    pub local_rejections: IntCounterVec,
    /// Time from the parsed request to the decision for such an answer.
    pub local_rejection_seconds: Histogram,
    /// Time from the request's head to such an answer, complete: what the gateway takes in all.
    pub local_rejection_request_seconds: Histogram,
}

impl LiveMetrics {
    /// Registers everything with `registry`.
    ///
    /// # Errors
    /// Never in practice: only when two names clash.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let counter = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(name, help), &[label])
        };
        let seconds = |name: &str, help: &str, buckets: &[f64]| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
        };
        let metrics = Self {
            viewers: IntGauge::new(
                "holdfast_gateway_live_viewer_connections",
                "Viewers of live maps now.",
            )?,
            shows: IntGauge::new(
                "holdfast_gateway_live_shows",
                "Shows whose seats are followed now.",
            )?,
            viewers_refused: IntCounter::new(
                "holdfast_gateway_live_viewers_refused_total",
                "Viewers refused because there are too many.",
            )?,
            events: counter(
                "holdfast_gateway_live_events_total",
                "Events made for the viewers of a show.",
                "event",
            )?,
            snapshots: counter(
                "holdfast_gateway_live_snapshots_total",
                "Snapshots sent to one viewer.",
                "reason",
            )?,
            resumed: IntCounter::new(
                "holdfast_gateway_live_resumed_total",
                "Viewers that went on from their last event.",
            )?,
            upstream_ends: counter(
                "holdfast_gateway_live_upstream_ends_total",
                "Streams of seats from nodes that ended.",
                "reason",
            )?,
            update_age_seconds: seconds(
                "holdfast_gateway_live_update_age_seconds",
                "How old a copy of a show's seats can be when an update of it came.",
                AGE_SECONDS,
            )?,
            holds: counter(
                "holdfast_gateway_holds_total",
                "Holds asked for, by who answered.",
                "answered_by",
            )?,
            local_rejections: counter(
                "holdfast_gateway_local_rejections_total",
                "Holds refused from the live copy.",
                "code",
            )?,
            local_rejection_seconds: seconds(
                "holdfast_gateway_local_rejection_seconds",
                "Time from a parsed hold to its refusal from the live copy.",
                ANSWER_SECONDS,
            )?,
            local_rejection_request_seconds: seconds(
                "holdfast_gateway_local_rejection_request_seconds",
                "Time from request head to answer of holds refused from the live copy.",
                ANSWER_SECONDS,
            )?,
        };
        metrics.register(registry)?;
        Ok(metrics)
    }

    fn register(&self, registry: &Registry) -> Result<(), Error> {
        // Every series exists from the start, so that a rate over the first is one.
        for answered_by in ["live-copy", "shard"] {
            self.holds.with_label_values(&[answered_by]);
        }
        registry.register(Box::new(self.viewers.clone()))?;
        registry.register(Box::new(self.shows.clone()))?;
        registry.register(Box::new(self.viewers_refused.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.snapshots.clone()))?;
        registry.register(Box::new(self.resumed.clone()))?;
        registry.register(Box::new(self.upstream_ends.clone()))?;
        registry.register(Box::new(self.update_age_seconds.clone()))?;
        registry.register(Box::new(self.holds.clone()))?;
        registry.register(Box::new(self.local_rejections.clone()))?;
        registry.register(Box::new(self.local_rejection_seconds.clone()))?;
        registry.register(Box::new(self.local_rejection_request_seconds.clone()))
    }

    /// Counts one event made for all viewers of a show.
    pub fn event(&self, event: &str) {
        self.events.with_label_values(&[event]).inc();
    }
}
