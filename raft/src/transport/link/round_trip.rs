//! How long a message takes to a peer and back.
//!
//! Owns: the figure that waiting goes by. Must never: take a queue for distance: on a busy machine answers are late, and who then
//! waited longer for everything would be later still.
//!
//! The topology says what to expect. A way that is longer than that, after a cable was cut or because somebody guessed, shows in
//! the fastest of many pings; one that is shorter is not relied upon, since only waiting too briefly does harm.

use std::time::Duration;

/// Pings in one window: some three seconds.
const WINDOW: u32 = 32;

/// What is expected and what was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrip {
    expected: Duration,
    /// Fastest of the last full window.
    last: Option<Duration>,
    /// Fastest of this one.
    fastest: Option<Duration>,
    seen: u32,
}

impl RoundTrip {
    pub(super) fn new(expected: Duration) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// The topology's.
    pub(super) const fn expected(&self) -> Duration {
        self.expected
    }

    /// A ping was answered after `took`.
    pub(super) fn measured(&mut self, took: Duration) {
        self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
        self.seen += 1;
        if self.seen == WINDOW {
            self.last = self.fastest.take();
            self.seen = 0;
        }
    }

    /// A new connection may go another way.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.expected);
    }

    /// What to reckon with: what is expected, or more when even the fastest of a whole window of pings took longer.
    pub(super) fn now(&self) -> Duration {
        let known = self.last.map(|last| {
            let sooner = self.fastest.map_or(last, |fastest| fastest.min(last));
            self.expected.max(sooner)
        });
        known.unwrap_or(self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn after(trips: impl IntoIterator<Item = u64>) -> RoundTrip {
        let mut trip = RoundTrip::new(ms(80));
        for took in trips {
            trip.measured(ms(took));
        }
        trip
    }

    #[test]
    fn a_longer_way_is_reckoned_with_once_every_ping_of_a_window_took_it() {
        let way = 150;
        assert_eq!(after((0..WINDOW - 1).map(|_| way)).now(), ms(80));
        let long = after((0..WINDOW).map(|_| way));
        assert_eq!((long.now(), long.expected()), (ms(150), ms(80)));
    }

    #[test]
    fn a_busy_machine_makes_no_way_longer() {
        let busy = (0..WINDOW * 3).map(|ping| if ping % WINDOW == 7 { 81 } else { 900 });
        assert_eq!(after(busy).now(), ms(81));
    }

    #[test]
    fn a_way_that_is_short_again_is_short_at_once_and_never_shorter_than_expected() {
        let mut trip = after((0..WINDOW).map(|_| 150));
        trip.measured(ms(100));
        assert_eq!(trip.now(), ms(100));
        trip.measured(ms(2));
        assert_eq!(trip.now(), ms(80));
    }

    #[test]
    fn a_new_connection_is_measured_anew() {
        let mut trip = after((0..WINDOW).map(|_| 150));
        trip.begin_anew();
        assert_eq!(trip.now(), ms(80));
    }
}
