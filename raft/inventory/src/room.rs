//! A waiting room, as it is opened, changed and read: plain data.
//!
//! Owns: the words of `docs/waiting-room.md` as types. Must never: show a seed before it is revealed, in any form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{BuyerId, PassId};
use crate::limits;

/// A place on the number line. Whoever has the smaller one is let in first; see `docs/waiting-room.md`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LineKey(pub u128);

/// What the draw depends on: 32 bytes that nobody outside may know before the sale.
///
/// It is written to logs and snapshots of the shard, because it has to survive a region; `Debug` does not show it, and
/// [`RoomView`] has it only once it is revealed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoomSeed(pub [u8; 32]);

impl fmt::Debug for RoomSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomSeed(..)")
    }
}

/// How a room is run. 0 asks for the default in every field that has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomConfig {
    /// From when on people may join the draw, ms since the Unix epoch.
    pub opens_at_ms: u64,
    /// From when on people are let in, ms since the Unix epoch; not before `opens_at_ms`.
    pub sale_at_ms: u64,
    /// People inside at once, 1 to [`limits::ROOM_CAPACITY_MAX`].
    pub capacity: u32,
    /// People let in per minute, at most, 1 to [`limits::ROOM_RATE_PER_MIN_MAX`].
    pub rate_per_min: u32,
    /// How long a place that was reached can be claimed, ms; 0 = [`limits::CLAIM_WINDOW_MS_DEFAULT`].
    pub claim_window_ms: u64,
    /// How long a pass is good for its hold, ms; 0 = [`limits::PASS_TTL_MS_DEFAULT`].
    pub pass_ttl_ms: u64,
}

impl RoomConfig {
    /// The same with every 0 that asks for a default replaced by it.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let or = |value, default| if value == 0 { default } else { value };
        Self {
            claim_window_ms: or(self.claim_window_ms, limits::CLAIM_WINDOW_MS_DEFAULT),
            pass_ttl_ms: or(self.pass_ttl_ms, limits::PASS_TTL_MS_DEFAULT),
            ..self.clone()
        }
    }
}

/// Opens a show's room. Idempotent: the same configuration again changes nothing, whatever the seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRoom {
    /// How it is run.
    pub config: RoomConfig,
    /// SHA-256 of the seed; public at once.
    pub commit: [u8; 32],
    /// Made by the node that leads the show.
    pub seed: RoomSeed,
}

/// What an operator may change while a room is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomChange {
    /// Nobody is let in until further notice; who holds a pass goes on.
    Pause,
    /// People are let in again.
    Resume,
    /// People let in per minute, at most.
    Rate {
        /// See [`RoomConfig::rate_per_min`].
        per_min: u32,
    },
    /// People inside at once. Those who are inside stay.
    Capacity {
        /// See [`RoomConfig::capacity`].
        people: u32,
    },
    /// The room is over for good; the show sells to everybody.
    End,
}

/// So many live tickets wait up to this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePoint {
    /// Up to and with this key.
    pub key: LineKey,
    /// Tickets, cumulative.
    pub count: u64,
}

/// The controller's decision of one second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// Up to and with this key people may come. A smaller one than before changes nothing.
    pub threshold: LineKey,
    /// Live tickets that are not let in yet.
    pub waiting: u64,
    /// People let in per minute of late, measured.
    pub per_min: u32,
    /// Where they stand, ascending, at most [`limits::LINE_POINTS_MAX`].
    pub line: Vec<LinePoint>,
}

/// A ticket whose key was reached becomes a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimPass {
    /// The ticket's own number, and the pass's.
    pub pass: PassId,
    /// The ticket's place on the line, computed and vouched for by the gateway.
    pub key: LineKey,
}

/// A pass as its buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassView {
    /// Its number.
    pub pass: PassId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// Until when it is good for a hold, ms since the Unix epoch.
    pub expires_at_ms: u64,
    /// The shard's clock when this was said.
    pub now_ms: u64,
}

/// A room as anybody may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    /// How it is run, with every default filled in.
    pub config: RoomConfig,
    /// SHA-256 of the seed.
    pub commit: [u8; 32],
    /// Only after it was revealed.
    pub seed: Option<RoomSeed>,
    /// Grows with every change.
    pub seq: u64,
    /// An operator holds everybody up.
    pub paused: bool,
    /// The room is over.
    pub ended: bool,
    /// Who may come.
    pub threshold: LineKey,
    /// When the threshold came how far, oldest first: a claim window's worth.
    pub passed: Vec<(u64, LineKey)>,
    /// What lies at or below this was reached longer ago.
    pub passed_before: LineKey,
    /// Until then nobody could claim although they were reached: their window began anew, ms since the Unix epoch.
    pub stalled_until_ms: u64,
    /// Live tickets not let in, as the controller last knew.
    pub waiting: u64,
    /// People let in per minute, measured.
    pub per_min: u32,
    /// Where they stand.
    pub line: Vec<LinePoint>,
    /// People inside.
    pub inside: u64,
    /// Passes ever given.
    pub claimed: u64,
    /// Buyers on the waitlist.
    pub waitlisted: u64,
    /// Places free.
    pub places_free: u64,
    /// Places set aside.
    pub places_held: u64,
}
