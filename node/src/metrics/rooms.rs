//! Waiting rooms of the shows that this node leads and has in memory, and whom they refused.
//!
//! Owns: those metrics; rooms are added up, because a show is no label. Must never: read the state itself; [`super::Sample`] brings it.

use holdfast_inventory::outcome::Rejection;
use prometheus::{Error, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::Register;

/// Refusals that only waiting rooms know: claims first, then holds.
const CODES: [&str; 8] = [
    "queue_not_yet",
    "queue_paused",
    "queue_full",
    "queue_late",
    "pass_required",
    "pass_unknown",
    "pass_expired",
    "pass_spent",
];

/// All rooms together at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomSample {
    /// Rooms that are open.
    pub open: usize,
    /// People who wait for the draw.
    pub undrawn: u64,
    /// People who wait behind the threshold.
    pub waiting: u64,
    /// People inside.
    pub inside: u64,
    /// Most people who may be inside.
    pub capacity: u64,
    /// Passes ever given.
    pub admitted: u64,
    /// How far the line of the slowest room has come in its draw, hundredths; 100 = everybody who was drawn was reached.
    pub passed_percent: u64,
    /// Rooms where somebody waits, there is room, and the threshold has not moved for a while.
    pub standing: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Rooms {
    open: IntGauge,
    standing: IntGauge,
    waiting: IntGaugeVec,
    inside: IntGauge,
    capacity: IntGauge,
    admitted: IntGauge,
    passed: prometheus::Gauge,
    refused: IntCounterVec,
}

impl Rooms {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        let gauge = |name, help| register.gauge(name, help);
        let waiting = IntGaugeVec::new(
            Opts::new(
                "holdfast_room_waiting_people",
                "people in line: for the draw before the sale, behind the threshold afterwards; as gateways report",
            ),
            &["phase"],
        )?;
        register.0.register(Box::new(waiting.clone()))?;
        let refused = register.counters(
            "holdfast_room_refusals_total",
            "claims and holds that a waiting room refused, by code",
            "code",
        )?;
        // Every series exists from the start, so that a rate over the first refusal is one.
        for code in CODES {
            refused.with_label_values(&[code]);
        }
        Ok(Self {
            open: gauge(
                "holdfast_room_shows",
                "shows led here, and in memory, whose waiting room is open",
            )?,
            standing: gauge(
                "holdfast_room_standing_shows",
                "of them, rooms where people wait, there is room, and nobody was let in for 30 s",
            )?,
            inside: gauge("holdfast_room_inside_people", "people inside, exact")?,
            capacity: gauge("holdfast_room_capacity_people", "most people who may be inside")?,
            admitted: gauge(
                "holdfast_room_admitted_people",
                "passes that the rooms led here have ever given",
            )?,
            passed: register.ratio(
                "holdfast_room_passed_ratio",
                "how far the threshold of the slowest room has come in its draw; 1: everybody who was drawn was reached",
            )?,
            waiting,
            refused,
        })
    }

    pub(super) fn take(&self, sample: &RoomSample) {
        let set =
            |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.open, sample.open as u64);
        set(&self.standing, sample.standing as u64);
        set(&self.waiting.with_label_values(&["draw"]), sample.undrawn);
        set(&self.waiting.with_label_values(&["line"]), sample.waiting);
        set(&self.inside, sample.inside);
        set(&self.capacity, sample.capacity);
        set(&self.admitted, sample.admitted);
        self.passed.set(sample.passed_percent as f64 / 100.0);
    }

    /// Counts a refusal, if it is a waiting room's.
    pub(super) fn refused(&self, rejection: &Rejection) {
        let code = rejection.code();
        if CODES.contains(&code) {
            self.refused.with_label_values(&[code]).inc();
        }
    }
}
