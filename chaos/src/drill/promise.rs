//! The promises of the design, by name: what a drill can prove and the scorecard keeps.
//!
//! Owns: the list, its words and its targets. Must never: soften a target; a drill's own bound may be wider, the margin
//! is always to the target.

use serde::{Deserialize, Serialize};

/// A promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// No seat is sold twice.
    NoDoubleSale,
    /// No acknowledged operation is lost.
    NothingLost,
    /// Every operation with an open outcome is resolved by asking again.
    AmbiguousResolved,
    /// A show whose leader is lost is writable again soon.
    Recovery,
    /// Users notice little of it.
    UserVisible,
    /// A planned move fails nobody.
    PlannedMove,
    /// A hold takes as long as light does.
    HoldLatency,
    /// A leader is replaced only when it must be.
    NoFalseFailover,
    /// A node is back soon after it was started.
    Restart,
    /// Replicas agree after everything.
    ReplicasAgree,
    /// What breaks stays within what was predicted.
    BlastRadius,
    /// A sleeping show takes its first write.
    Wake,
    /// DNS leads nobody to a region that is gone.
    Steering,
    /// A waiting room is never fuller than it may be, and lets in as drawn.
    FairLine,
    /// A spike costs onlookers time and no buyer a payment.
    PaidFirst,
}

/// What a promise says.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// In words.
    pub text: &'static str,
    /// The expectation whose measured value is set against the target.
    pub measure: &'static str,
    /// The target of the design.
    pub target: f64,
    /// Whether more is better.
    pub at_least: bool,
    /// Unit, for people.
    pub unit: &'static str,
}

const fn at_most(
    text: &'static str,
    measure: &'static str,
    target: f64,
    unit: &'static str,
) -> Said {
    Said {
        text,
        measure,
        target,
        at_least: false,
        unit,
    }
}

/// In the order of [`Promise::ALL`], which is that of the variants.
const SAID: [Said; 15] = [
    // NoDoubleSale
    at_most(
        "no seat is sold twice, no promise of the checker broken",
        "violations_max",
        0.0,
        "violations",
    ),
    // NothingLost
    at_most(
        "no acknowledged operation is lost",
        "lost_max",
        0.0,
        "operations",
    ),
    // AmbiguousResolved
    at_most(
        "every open outcome is resolved by asking again with the same key",
        "unresolved_max",
        0.0,
        "operations",
    ),
    // Recovery
    at_most(
        "every show of a lost region is writable again",
        "rto_max_s_max",
        2.0,
        "s",
    ),
    // UserVisible
    at_most(
        "users wait no longer than this for a definite answer (99th percentile around the fault)",
        "user_visible_p99_s_max",
        3.0,
        "s",
    ),
    // PlannedMove
    at_most(
        "a planned evacuation fails no request",
        "failed_tries_max",
        0.0,
        "requests",
    ),
    // HoldLatency
    at_most(
        "an undisturbed hold takes little more than the floor (median)",
        "steady_floor_ratio_p50_max",
        1.05,
        "× floor",
    ),
    // NoFalseFailover
    at_most(
        "no leader is replaced without a cause",
        "false_failovers_max",
        0.0,
        "changes",
    ),
    // Restart
    at_most(
        "a node serves soon after it is started",
        "back_s_max",
        5.0,
        "s",
    ),
    // ReplicasAgree
    at_most(
        "all replicas have the same state after everything",
        "disagreeing_shows_max",
        0.0,
        "shows",
    ),
    // BlastRadius
    at_most(
        "what breaks stays within what was predicted",
        "blast_excess_max",
        0.0,
        "predictions exceeded",
    ),
    // Wake
    at_most(
        "a sleeping show takes its first write after a fault",
        "rto_idle_max_s_max",
        2.0,
        "s",
    ),
    // Steering. Three bad seconds in a row (ADR 0024), one that is just over, and the time to notice.
    at_most(
        "a lost region is out of every DNS answer",
        "dns_out_s_max",
        5.0,
        "s",
    ),
    // FairLine
    at_most(
        "a waiting room is never fuller than it may be",
        "room_over_capacity_max",
        0.0,
        "people too many",
    ),
    // PaidFirst
    at_most(
        "a load spike refuses no order and no payment",
        "money_refused_max",
        0.0,
        "tries",
    ),
];

impl Promise {
    /// All, in the order of the scorecard.
    pub const ALL: [Self; 15] = [
        Self::NoDoubleSale,
        Self::NothingLost,
        Self::AmbiguousResolved,
        Self::Recovery,
        Self::UserVisible,
        Self::PlannedMove,
        Self::HoldLatency,
        Self::NoFalseFailover,
        Self::Restart,
        Self::ReplicasAgree,
        Self::BlastRadius,
        Self::Wake,
        Self::Steering,
        Self::FairLine,
        Self::PaidFirst,
    ];

    /// Words, measure and target.
    #[must_use]
    pub const fn said(self) -> Said {
        SAID[self as usize]
    }

    /// As in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDoubleSale => "no-double-sale",
            Self::NothingLost => "nothing-lost",
            Self::AmbiguousResolved => "ambiguous-resolved",
            Self::Recovery => "recovery",
            Self::UserVisible => "user-visible",
            Self::PlannedMove => "planned-move",
            Self::HoldLatency => "hold-latency",
            Self::NoFalseFailover => "no-false-failover",
            Self::Restart => "restart",
            Self::ReplicasAgree => "replicas-agree",
            Self::BlastRadius => "blast-radius",
            Self::Wake => "wake",
            Self::Steering => "steering",
            Self::FairLine => "fair-line",
            Self::PaidFirst => "paid-first",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::expect;

    #[test]
    fn each_promise_has_its_own_words_and_a_measure_that_tells_about_it() {
        for (at, promise) in Promise::ALL.into_iter().enumerate() {
            assert_eq!(promise as usize, at);
            let rule = expect::rule_of(promise.said().measure).unwrap();
            let fits = rule.promise == promise;
            assert!(fits, "{}: {}", promise.name(), rule.name);
        }
    }
}
