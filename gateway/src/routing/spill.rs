//! How much of its work a full region passes on.
//!
//! Owns: a share that grows by a step with each refusal and falls with time. Must never: pass on more than half: a region
//! that is full for a reason would only fill the next one.

use std::time::{Duration, Instant};

/// Each refusal adds this share …
const STEP: f64 = 0.1;
/// … up to this.
pub const SHARE_MAX: f64 = 0.5;
/// The largest share is gone after this time without a refusal.
const OVER_AFTER: Duration = Duration::from_secs(10);
/// Fractional part of the golden ratio: multiples of it fill the unit interval evenly, so that any few requests in a row
/// are split as the share says, without a random number.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// The state of one region.
#[derive(Debug, Default)]
pub struct Spill {
    share: f64,
    since: Option<Instant>,
    turn: f64,
}

impl Spill {
    /// It refused a request at `now` because its queues were full.
    pub fn saturated(&mut self, now: Instant) {
        self.share = (self.share(now) + STEP).min(SHARE_MAX);
        self.since = Some(now);
    }

    /// The share of requests that it passes on at `now`.
    #[must_use]
    pub fn share(&self, now: Instant) -> f64 {
        let Some(since) = self.since else { return 0.0 };
        let quiet = now.saturating_duration_since(since).as_secs_f64();
        (self.share - SHARE_MAX * quiet / OVER_AFTER.as_secs_f64()).max(0.0)
    }

    /// Whether the next request is one that it passes on.
    pub fn passes_on(&mut self, now: Instant) -> bool {
        let share = self.share(now);
        if share == 0.0 {
            return false;
        }
        self.turn = (self.turn + GOLDEN).fract();
        self.turn < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_with_refusals_is_bounded_and_passes_with_time() {
        let (mut spill, now) = (Spill::default(), crate::clock::now());
        assert!(!spill.passes_on(now));
        spill.saturated(now);
        assert!((spill.share(now) - STEP).abs() < 1e-9);
        (0..50).for_each(|_| spill.saturated(now));
        assert!((spill.share(now) - SHARE_MAX).abs() < 1e-9);
        assert!(spill.share(now + OVER_AFTER / 2) < SHARE_MAX);
        assert_eq!(spill.share(now + OVER_AFTER), 0.0);
    }

    #[test]
    fn few_requests_in_a_row_are_split_as_the_share_says() {
        let (mut spill, now) = (Spill::default(), crate::clock::now());
        (0..3).for_each(|_| spill.saturated(now));
        let passed = (0..100).filter(|_| spill.passes_on(now)).count();
        assert!((28..=32).contains(&passed), "{passed}");
    }
}
