//! What onlookers and buyers were answered in a load spike.
//!
//! Owns: the form of it in `report.json`. Must never: judge.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// The spike and the calm before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpikeSeen {
    /// How many times the usual load.
    pub factor: f64,
    /// Onlookers in the steady state.
    pub calm: Looking,
    /// Onlookers while it was on.
    pub spike: Looking,
    /// Tries of orders and payments that were begun while it was on.
    pub money_tries: u64,
    /// Those of them that were answered with a failure, or not at all.
    pub money_refused: u64,
    /// Time from the first try of an order or a payment to its definite answer, begun while it was on.
    pub money_wait: Quantiles,
    /// Payments confirmed while it was on.
    pub paid: u64,
}

/// What onlookers were answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Looking {
    /// Questions a second.
    pub rate: f64,
    /// Questions.
    pub asked: u64,
    /// Turned away at the door with the time to come back.
    pub shed: u64,
    /// Turned away without it.
    pub shed_silently: u64,
    /// Any other failure, or no answer.
    pub failed: u64,
    /// Time to the answer of those who were served.
    pub served: Quantiles,
}
