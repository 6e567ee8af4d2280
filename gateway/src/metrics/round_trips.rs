//! What is counted of round trips to clients.
//!
//! Owns: names and label values: regions of the topology. Must never: label by network.

use holdfast_region_config::ids::RegionId;
use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};

/// Round trips to clients.
#[derive(Debug)]
pub struct RoundTripMetrics {
    /// Taken here.
    pub taken: IntCounter,
    /// By region that measured. (`region` is a label of every target already.)
    networks: IntGaugeVec,
}

impl RoundTripMetrics {
    /// All zero, in `registry`.
    ///
    /// # Errors
    /// Never in practice: only when two names clash.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let taken = IntCounter::new(
            "holdfast_gateway_round_trips_total",
            "Round trips to clients that were measured here.",
        )?;
        let networks = IntGaugeVec::new(
            Opts::new(
                "holdfast_gateway_round_trip_networks",
                "Networks whose round trip is known here, by the region that measured it.",
            ),
            &["about"],
        )?;
        registry.register(Box::new(taken.clone()))?;
        registry.register(Box::new(networks.clone()))?;
        Ok(Self { taken, networks })
    }

    /// How many networks each region measured, as far as is known here.
    pub fn known(&self, networks: &[(RegionId, usize)]) {
        // A region that is gone must not stand there for ever.
        self.networks.reset();
        for (region, count) in networks {
            let gauge = self.networks.with_label_values(&[region.as_str()]);
            gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }
}
