//! What the network counts about itself.
//!
//! Owns: the names. Must never: label by connection; links are few, connections are not.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::shape::Direction;

/// The network's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) bytes: IntCounterVec,
    /// Over all links: they come and go with every frame, and a label each would cost more than it tells.
    pub(crate) pieces: IntCounter,
    pub(crate) connections: IntGaugeVec,
    pub(crate) blocked: IntGaugeVec,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let bytes = IntCounterVec::new(
            Opts::new(
                "holdfast_wan_carried_bytes_total",
                "Bytes that arrived, by link and direction.",
            ),
            &["link", "direction"],
        );
        let pieces = IntCounter::new(
            "holdfast_wan_carried_pieces_total",
            "Pieces in which bytes arrived: about one for each time that a sender wrote.",
        );
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), &["link"]);
        let metrics = Self {
            bytes: bytes.expect("a valid name and valid labels"),
            pieces: pieces.expect("a valid name"),
            connections: gauge("holdfast_wan_connections", "Connections open on the link.")
                .expect("a valid name and valid labels"),
            blocked: gauge(
                "holdfast_wan_blocked_ratio",
                "1 while the link is cut or disabled, else 0.",
            )
            .expect("a valid name and valid labels"),
            registry,
        };
        let all: [Box<dyn prometheus::core::Collector>; 4] = [
            Box::new(metrics.pieces.clone()),
            Box::new(metrics.bytes.clone()),
            Box::new(metrics.connections.clone()),
            Box::new(metrics.blocked.clone()),
        ];
        for collector in all {
            metrics
                .registry
                .register(collector)
                .expect("each name is registered once");
        }
        metrics
    }

    /// Drops the labels of a link that is no more.
    pub(crate) fn forget(&self, link: &str) {
        let gone = [
            self.connections.remove_label_values(&[link]),
            self.blocked.remove_label_values(&[link]),
            self.bytes
                .remove_label_values(&[link, Direction::Upstream.as_str()]),
            self.bytes
                .remove_label_values(&[link, Direction::Downstream.as_str()]),
        ];
        for error in gone.into_iter().filter_map(Result::err) {
            tracing::debug!(link, %error, "no such label");
        }
    }

    /// Prometheus text format.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}
