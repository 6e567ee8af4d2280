//! Every metric of the gateway, in one place.
//!
//! Owns: names (each ends in its unit, `_total` or `_ratio`) and label values, which are bounded sets: routes, methods,
//! statuses, result words. Must never: label by show, buyer or anything else a client chooses.

pub mod dns;
pub mod door;
pub mod round_trips;

use std::time::Duration;

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use self::dns::DnsMetrics;
use self::door::DoorMetrics;
use self::round_trips::RoundTripMetrics;
use crate::live::metrics::LiveMetrics;

/// Sub-millisecond for what is answered here, seconds for what crosses oceans.
const BUCKETS_SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0,
    10.0,
];

/// The process's metrics; cheap to share.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    /// Requests that were not let in.
    pub door: DoorMetrics,
    /// Tries of writes against nodes, by result.
    pub write_tries: IntCounterVec,
    /// Tries of reads against nodes, by result.
    pub read_tries: IntCounterVec,
    /// Whole time of a write, all tries together.
    pub write_seconds: Histogram,
    /// Age of the seat maps that were handed out, as the replica that gave each said.
    pub map_age_seconds: Histogram,
    /// Live maps and quick rejections.
    pub live: LiveMetrics,
    /// Connections open now.
    pub connections: IntGauge,
    /// Claims of places in waiting rooms that went to a shard, by what they came to.
    pub queue_claims: IntCounterVec,
    /// Round trips to clients.
    pub round_trips: RoundTripMetrics,
    catalogue_age: Gauge,
    /// Of the DNS server.
    pub dns: DnsMetrics,
}

impl Metrics {
    /// Fresh metrics, all zero.
    ///
    /// # Errors
    /// Never in practice: only when two names clash.
    pub fn new() -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let seconds = |name: &str, help: &str| {
            HistogramOpts::new(name, help).buckets(BUCKETS_SECONDS.to_vec())
        };
        let registry = Registry::new();
        let metrics = Self {
            door: DoorMetrics::new(&registry)?,
            live: LiveMetrics::new(&registry)?,
            round_trips: RoundTripMetrics::new(&registry)?,
            registry,
            requests: counter(
                "holdfast_gateway_requests_total",
                "Requests answered.",
                &["route", "method", "status"],
            )?,
            request_seconds: HistogramVec::new(
                seconds(
                    "holdfast_gateway_request_seconds",
                    "Time from request head to answer.",
                ),
                &["route", "method"],
            )?,
            write_tries: counter(
                "holdfast_gateway_write_tries_total",
                "Tries of writes against nodes.",
                &["result"],
            )?,
            read_tries: counter(
                "holdfast_gateway_read_tries_total",
                "Tries of reads against nodes.",
                &["result"],
            )?,
            write_seconds: Histogram::with_opts(seconds(
                "holdfast_gateway_write_seconds",
                "Whole time of a write against nodes, all tries together.",
            ))?,
            map_age_seconds: Histogram::with_opts(seconds(
                "holdfast_gateway_map_age_seconds",
                "Age of the seat maps that were handed out.",
            ))?,
            connections: IntGauge::new("holdfast_gateway_connections", "Connections open now.")?,
            queue_claims: queue_claims()?,
            catalogue_age: Gauge::new(
                "holdfast_gateway_catalogue_age_seconds",
                "How old the catalogue is; -1 before the first.",
            )?,
            dns: DnsMetrics::new()?,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.request_seconds.clone()))?;
        registry.register(Box::new(self.write_tries.clone()))?;
        registry.register(Box::new(self.read_tries.clone()))?;
        registry.register(Box::new(self.write_seconds.clone()))?;
        registry.register(Box::new(self.map_age_seconds.clone()))?;
        registry.register(Box::new(self.connections.clone()))?;
        self.dns.register(registry)?;
        registry.register(Box::new(self.queue_claims.clone()))?;
        registry.register(Box::new(self.catalogue_age.clone()))
    }

    /// Counts one answered request.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.requests
            .with_label_values(&[route, method, status_text(status)])
            .inc();
        self.request_seconds
            .with_label_values(&[route, method])
            .observe(took.as_secs_f64());
    }

    /// The whole of it as Prometheus text; `catalogue_age_ms` is `None` before the first catalogue.
    #[must_use]
    pub fn render(&self, catalogue_age_ms: Option<u64>) -> String {
        let age = catalogue_age_ms.map_or(-1.0, |ms| Duration::from_millis(ms).as_secs_f64());
        self.catalogue_age.set(age);
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

fn queue_claims() -> Result<IntCounterVec, prometheus::Error> {
    let opts = Opts::new(
        "holdfast_gateway_queue_claims_total",
        "Claims of waiting-room places that went to a shard, by what they came to.",
    );
    IntCounterVec::new(opts, &["result"])
}

/// Statuses the gateway uses, without an allocation; others share one label.
fn status_text(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        304 => "304",
        400 => "400",
        401 => "401",
        402 => "402",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        410 => "410",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_requests_are_in_the_text() {
        let metrics = Metrics::new().unwrap();
        metrics.answered("/v1/events", "GET", 200, Duration::from_millis(3));
        let text = metrics.render(Some(1_500));
        assert!(text.contains(
            "holdfast_gateway_requests_total{method=\"GET\",route=\"/v1/events\",status=\"200\"} 1"
        ));
        assert!(text.contains("holdfast_gateway_catalogue_age_seconds 1.5"));
    }
}
