//! The only door through which the gateway gets random numbers.
//!
//! Nothing here is seeded: what is drawn is either a secret, which nobody may repeat, or spreads load, on which no outcome depends.
//! Owns: that choice. Must never: decide anything about a seat or a place in a line by itself.

use std::time::Duration;

use rand::Rng as _;
use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::distr::{Distribution, StandardUniform};
use rand::rngs::ThreadRng;

#[expect(
    clippy::disallowed_methods,
    reason = "this module is the door; secrets must not be repeatable, and jitter need not be"
)]
fn generator() -> ThreadRng {
    rand::rng()
}

/// A value that nobody can guess.
#[must_use]
pub fn draw<T>() -> T
where
    StandardUniform: Distribution<T>,
{
    generator().random()
}

/// A value of `range` that nobody can guess.
///
/// # Panics
/// When `range` is empty.
#[must_use]
pub fn within<T: SampleUniform>(range: impl SampleRange<T>) -> T {
    generator().random_range(range)
}

/// Between half and all of `pause`, so that those who failed together do not come back together.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(within(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_and_never_longer() {
        let pauses: Vec<Duration> = (0..100).map(|_| jittered(Duration::from_secs(2))).collect();
        let (min, max) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*min >= Duration::from_secs(1) && *max <= Duration::from_secs(2));
        assert!(min < max);
    }
}
