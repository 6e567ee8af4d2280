//! What is counted at the door.
//!
//! Owns: names and label values: reasons, classes and kinds of limits, all closed sets. Must never: label by client.

use prometheus::{IntCounterVec, Opts, Registry};

use crate::admission::CLASSES;

/// Counters of requests that were not let in.
#[derive(Debug)]
pub struct DoorMetrics {
    /// Requests and connections refused, by reason.
    pub refused: IntCounterVec,
    /// Requests refused because the house was full, by class.
    pub shed: IntCounterVec,
    /// Requests refused because somebody asked too often, by whose count was full.
    pub limited: IntCounterVec,
}

impl DoorMetrics {
    /// All zero, in `registry`. Every series exists from the start, so that a rate over the first refusal is one.
    ///
    /// # Errors
    /// Never in practice: only when two names clash.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let door = Self {
            refused: counter(
                "holdfast_gateway_refused_total",
                "Requests and connections refused at the door.",
                "reason",
            )?,
            shed: counter(
                "holdfast_gateway_shed_total",
                "Requests refused because the house was full.",
                "class",
            )?,
            limited: counter(
                "holdfast_gateway_limited_total",
                "Requests refused because somebody asked too often, or did not solve a challenge.",
                "of",
            )?,
        };
        for reason in ["requests", "connections"] {
            door.refused.with_label_values(&[reason]);
        }
        for class in CLASSES {
            door.shed.with_label_values(&[class.as_str()]);
        }
        for of in [
            "address",
            "network",
            "account",
            "holds",
            "waits",
            "challenge",
        ] {
            door.limited.with_label_values(&[of]);
        }
        Ok(door)
    }
}
