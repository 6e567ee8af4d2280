//! How often a look over all groups may be taken.
//!
//! Owns: the share of a processor that looking may cost. Must never: be slower than asked while there are few groups.
//!
//! A look costs time for every group, and every group that changes asks for one: ten thousand that change together would keep
//! a processor busy with looking, and none left for what the looks begin.

use std::time::Duration;

use tokio::time::Instant;

/// A look may take one part in this many of the time.
const SHARE: u32 = 5;

/// The pause after a look that began at `began` and ends now: at least `least`, and longer after a long look. Asked for any
/// later, it would count waiting as looking.
#[must_use]
pub fn pause_after(began: Instant, least: Duration) -> Duration {
    least.max(began.elapsed() * (SHARE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_look_is_followed_by_a_longer_pause() {
        let least = Duration::from_secs(3_600);
        assert_eq!(pause_after(Instant::now(), least), least);
        let took = Duration::from_millis(20);
        let Some(began) = Instant::now().checked_sub(took) else {
            return;
        };
        assert!(pause_after(began, Duration::from_millis(5)) >= took * 4);
    }
}
