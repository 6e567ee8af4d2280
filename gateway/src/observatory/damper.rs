//! Quick down, slow up.
//!
//! ```text
//!          3 ill in a row                          10 well in a row, and held down long enough:
//!   up ──────────────────────► down ─────────────► up      15 s, doubled with each flap, at most 10 min;
//!                                                           after 30 min without one it is forgotten
//! ```
//!
//! Owns: this. Pure: one sample a second, with its time. Must never: let a region that comes and goes take users with it.

use std::time::{Duration, Instant};

/// Ill this often in a row is down. Three seconds: one lost answer is not an outage, and users wait.
pub const DOWN_AFTER: u32 = 3;
/// Well this often in a row is up again.
pub const UP_AFTER: u32 = 10;
/// Shortest time that a region stays down.
pub const HELD_MIN: Duration = Duration::from_secs(15);
/// Longest time that it is held down by its flaps.
pub const HELD_MAX: Duration = Duration::from_secs(600);
/// Flaps are forgotten after this long without one.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(1_800);

/// One region, as it is taken to be.
#[derive(Debug, Clone, Default)]
pub struct Damper {
    down: bool,
    ill_in_a_row: u32,
    well_in_a_row: u32,
    flaps: u32,
    went_down_at: Option<Instant>,
}

impl Damper {
    /// Whether users are sent there. True at first: who knows nothing does not turn anybody away.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        !self.down
    }

    /// How often it went down, of late.
    #[must_use]
    pub fn flaps(&self, now: Instant) -> u32 {
        let lately = |at: Instant| now.saturating_duration_since(at) < FORGIVEN_AFTER;
        if self.went_down_at.is_some_and(lately) {
            self.flaps
        } else {
            0
        }
    }

    /// It was found well or ill at `now`.
    pub fn sample(&mut self, well: bool, now: Instant) {
        if well {
            self.ill_in_a_row = 0;
            self.well_in_a_row = self.well_in_a_row.saturating_add(1);
        } else {
            self.well_in_a_row = 0;
            self.ill_in_a_row = self.ill_in_a_row.saturating_add(1);
        }
        if !self.down && self.ill_in_a_row >= DOWN_AFTER {
            self.flaps = self.flaps(now).saturating_add(1);
            self.went_down_at = Some(now);
            self.down = true;
        } else if self.down && self.well_in_a_row >= UP_AFTER && self.held_long_enough(now) {
            self.down = false;
        }
    }

    fn held_long_enough(&self, now: Instant) -> bool {
        let doublings = self.flaps.saturating_sub(1).min(16);
        let held = HELD_MIN.saturating_mul(1 << doublings).min(HELD_MAX);
        self.went_down_at
            .is_none_or(|at| now.saturating_duration_since(at) >= held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Samples once a second until it changes; says after how many.
    fn until_change(damper: &mut Damper, well: bool, now: &mut Instant) -> u32 {
        let before = damper.is_up();
        for n in 1..10_000 {
            *now += SECOND;
            damper.sample(well, *now);
            if damper.is_up() != before {
                return n;
            }
        }
        panic!("it never changed")
    }

    #[test]
    fn down_is_quick_and_up_is_slow() {
        let (mut damper, mut now) = (Damper::default(), crate::clock::now());
        assert!(damper.is_up());
        assert_eq!(until_change(&mut damper, false, &mut now), 3);
        assert_eq!(until_change(&mut damper, true, &mut now), 15);
    }

    #[test]
    fn one_lost_answer_changes_nothing() {
        let (mut damper, mut now) = (Damper::default(), crate::clock::now());
        for n in 0..1_000 {
            now += SECOND;
            damper.sample(n % 3 == 0, now);
            assert!(damper.is_up());
        }
    }

    #[test]
    fn each_flap_doubles_the_time_down_up_to_ten_minutes_and_is_forgiven() {
        let (mut damper, mut now) = (Damper::default(), crate::clock::now());
        let mut held = Vec::new();
        for _ in 0..8 {
            until_change(&mut damper, false, &mut now);
            held.push(until_change(&mut damper, true, &mut now));
        }
        assert_eq!(held, [15, 30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(damper.flaps(now), 8);
        now += FORGIVEN_AFTER;
        assert_eq!(damper.flaps(now), 0);
        until_change(&mut damper, false, &mut now);
        assert_eq!(until_change(&mut damper, true, &mut now), 15);
    }

    #[test]
    fn a_bad_sample_while_it_recovers_begins_the_count_anew() {
        let (mut damper, mut now) = (Damper::default(), crate::clock::now());
        until_change(&mut damper, false, &mut now);
        now += Duration::from_secs(60);
        for _ in 0..9 {
            now += SECOND;
            damper.sample(true, now);
        }
        damper.sample(false, now + SECOND);
        assert!(!damper.is_up());
        assert_eq!(until_change(&mut damper, true, &mut now), 10);
    }
}
