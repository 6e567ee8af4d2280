//! How far the line may come, decided once a second. Pure: time comes in, a decision comes out.
//!
//! ```text
//!  n = clamp(min(C − A − P,  r · Δt,  κ · R / party − A − P) · h, 0, C)
//!  T' = the largest key with no more than n live tickets between T and it
//!
//!  C capacity          A inside, exact            P reached and at the door, as gateways report
//!  r people per ms     R places free or held      party = places per hold        h health, 0…1
//! ```
//!
//! Strict: everybody who was reached counts until they are known to be gone, so late reports make the line slower and never
//! the room fuller. Owns: that arithmetic. Must never: be what keeps the room from overflowing; the shard's count is.

use holdfast_inventory::limits::LINE_POINTS_MAX;
use holdfast_inventory::room::{LineKey, LinePoint, Raise, RoomView};
use holdfast_node_api::queue::people;

use super::reports::Reported;

/// More people than places are let in by so much: some leave without buying.
const PLACES_KAPPA: f64 = 1.5;
/// Places per hold before there is a hold to learn from.
const PARTY_DEFAULT: f64 = 2.0;
/// One step, when there was none before.
const STEP_MS: u64 = 1_000;
/// A step that comes late is not made up for by more than this.
const STEP_MS_MAX: u64 = 5_000;
/// After so long the line moves although a gateway has not drawn its tickets: it may be cut off.
const DRAWING_MS_MAX: u64 = 10_000;
/// Over about so long the measured rate forgets.
const RATE_MEMORY_MS: f64 = 60_000.0;
/// Figures for people are published again when they moved by a fiftieth, or after so long.
const PUBLISH_MS: u64 = 5_000;
/// A commit that takes so long is slow enough to let fewer in; at ten times that, one in ten.
const COMMIT_MS_GOOD: f64 = 250.0;

/// What one step looks at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The leader's clock.
    pub now_ms: u64,
    /// The room, from the leader's own state.
    pub room: &'a RoomView,
    /// Active holds, to learn how large parties are.
    pub holds_active: u64,
    /// What gateways say.
    pub reported: &'a Reported,
}

/// Remembers between steps what only matters for estimates. A new leader begins with a new one.
#[derive(Debug, Default)]
pub struct Controller {
    last_ms: Option<u64>,
    /// People that the rate allows and that were not let in yet: less than one a step would be nobody for ever.
    credit: f64,
    claimed: u64,
    /// People per minute.
    per_min: f64,
    commit_ms: f64,
    published_ms: u64,
    published_waiting: u64,
}

impl Controller {
    /// Notes how long the last decision took to commit.
    pub fn committed(&mut self, took_ms: u64) {
        self.commit_ms = self.commit_ms.mul_add(0.7, took_ms as f64 * 0.3);
    }

    /// What to write into the log now, if anything.
    pub fn step(&mut self, seen: Seen<'_>) -> Option<Raise> {
        let Seen {
            now_ms,
            room,
            reported,
            ..
        } = seen;
        let first = self.last_ms.is_none();
        let since = |last_ms| now_ms.saturating_sub(last_ms).min(STEP_MS_MAX);
        let elapsed_ms = self.last_ms.map_or(STEP_MS, since);
        self.last_ms = Some(now_ms);
        self.measure(room, elapsed_ms, first);

        let threshold = room.threshold.0;
        let may_come = self.may_come(&seen, elapsed_ms);
        let to = if may_come >= 1.0 {
            reported.lines.after(threshold, may_come)
        } else {
            threshold
        };
        let passed = reported.lines.upto(to) - reported.lines.upto(threshold);
        self.credit = (self.credit - passed).max(0.0);

        let behind = reported.lines.behind(to, LINE_POINTS_MAX);
        let drawn = behind.last().map_or(0, |(_, count)| *count);
        let waiting = drawn + reported.undrawn;
        if to == threshold && !self.is_news(waiting, now_ms) {
            return None;
        }
        self.published_ms = now_ms;
        self.published_waiting = waiting;
        let point = |(key, count): &(u128, u64)| LinePoint {
            key: LineKey(*key),
            count: *count,
        };
        Some(Raise {
            threshold: LineKey(to),
            waiting,
            per_min: u32::try_from(people(self.per_min)).unwrap_or(u32::MAX),
            line: behind.iter().map(point).collect(),
        })
    }

    /// How fast people really come in.
    fn measure(&mut self, room: &RoomView, elapsed_ms: u64, first: bool) {
        let came = room.claimed.saturating_sub(self.claimed) as f64;
        self.claimed = room.claimed;
        if first {
            self.per_min = f64::from(room.per_min);
            return;
        }
        let now = came * 60_000.0 / (elapsed_ms.max(1) as f64);
        let share = 1.0 - (-(elapsed_ms as f64) / RATE_MEMORY_MS).exp();
        self.per_min += (now - self.per_min) * share;
    }

    /// How many people may be let in now.
    fn may_come(&mut self, seen: &Seen<'_>, elapsed_ms: u64) -> f64 {
        let Seen {
            now_ms,
            room,
            reported,
            holds_active,
        } = *seen;
        if room.seed.is_none() || room.paused || room.ended {
            return 0.0;
        }
        let drawing_ms = now_ms.saturating_sub(room.config.sale_at_ms);
        if room.threshold.0 == 0 && reported.undrawn > 0 && drawing_ms < DRAWING_MS_MAX {
            return 0.0;
        }
        let capacity = f64::from(room.config.capacity);
        let rate = f64::from(room.config.rate_per_min) / 60_000.0;
        // Unused credit is kept for a second: a line that was empty is no reason for a burst.
        let most = (rate * 1_000.0).max(1.0) + rate * elapsed_ms as f64;
        self.credit = rate.mul_add(elapsed_ms as f64, self.credit).min(most);
        let reached = room.inside as f64 + reported.lines.upto(room.threshold.0);
        let left = (room.places_free + room.places_held) as f64;
        let party = if holds_active > 0 && room.places_held > 0 {
            (room.places_held as f64 / holds_active as f64).max(1.0)
        } else {
            PARTY_DEFAULT
        };
        // While anything is left, somebody may try for it.
        let for_places = if left > 0.0 {
            (PLACES_KAPPA * left / party).max(1.0)
        } else {
            0.0
        };
        let health = (COMMIT_MS_GOOD / self.commit_ms.max(1.0)).clamp(0.1, 1.0);
        let free = (capacity.min(for_places) - reached).min(self.credit);
        (free * health).clamp(0.0, capacity)
    }

    fn is_news(&self, waiting: u64, now_ms: u64) -> bool {
        let moved = waiting.abs_diff(self.published_waiting);
        let old = now_ms.saturating_sub(self.published_ms) >= PUBLISH_MS;
        moved > self.published_waiting / 50 && (old || moved > self.published_waiting / 10)
    }
}

#[cfg(test)]
#[path = "tests/controller.rs"]
mod tests;
