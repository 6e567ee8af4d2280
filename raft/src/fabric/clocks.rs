//! When a peer said something, by this node's own clock.
//!
//! Owns: the bound. Must never: put a message later than it was sent: what is older than it looks would be read as fresh.
//!
//! ```text
//!  here   ──t──────────────────────────────▶       a ping leaves at t, and its answer says that the peer's clock showed c:
//!           ╲                  ▲        ▲          c was shown at t or later
//!  there  ───╲───c────────────╱──c+d───╱───▶       so what the same process stamps c + d was sent at t + d or later
//! ```
//!
//! A message may be held on its way for as long as it likes, its stamp tells. The bound is off by the ping's way there; the answer
//! whose ping was fastest is the best, and is kept for a while only, because two clocks do not run quite alike.

use std::time::Duration;

use tokio::time::Instant;

/// An answer is relied upon for so long: clocks that run 200 ppm apart, twice what quartz does, are 2 ms off by then.
const KEPT: Duration = Duration::from_secs(10);

/// The clock of this process, for stamps. Never shows 0, which on the wire says that nothing is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnClock {
    origin: Instant,
}

impl OwnClock {
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now }
    }

    /// What it shows at `at`, ms, rounded down; `None` before it began.
    pub(crate) fn shows_ms(&self, at: Instant) -> Option<u64> {
        let since = at.checked_duration_since(self.origin)?;
        u64::try_from(since.as_millis()).ok()?.checked_add(1)
    }
}

/// The clock of one process of a peer, as its answers showed it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerClock {
    incarnation: u64,
    /// It showed `showed_ms` at this moment or later.
    at: Instant,
    showed_ms: u64,
}

impl PeerClock {
    /// The answer to a ping sent at `sent` came from process `incarnation`, whose clock showed `shows_ms`, rounded down.
    pub(crate) fn new(incarnation: u64, sent: Instant, shows_ms: u64) -> Option<Self> {
        (shows_ms > 0).then_some(Self {
            incarnation,
            at: sent,
            showed_ms: shows_ms.saturating_add(1),
        })
    }

    /// The better of this and what was known before.
    pub(crate) fn or_better(self, before: Option<Self>) -> Self {
        let Some(before) = before.filter(|before| before.incarnation == self.incarnation) else {
            return self;
        };
        let too_old = self.at.saturating_duration_since(before.at) > KEPT;
        let later = before.shown(self.showed_ms).is_none_or(|at| self.at >= at);
        if too_old || later { self } else { before }
    }

    /// The earliest moment at which process `incarnation` can have stamped a message with `stamp_ms`; `None` = not known.
    pub(crate) fn stamped(&self, incarnation: u64, stamp_ms: u64) -> Option<Instant> {
        (incarnation == self.incarnation && stamp_ms > 0)
            .then(|| self.shown(stamp_ms))
            .flatten()
    }

    fn shown(&self, ms: u64) -> Option<Instant> {
        if ms >= self.showed_ms {
            let later = Duration::from_millis(ms - self.showed_ms);
            self.at.checked_add(later)
        } else {
            let earlier = Duration::from_millis(self.showed_ms - ms);
            self.at.checked_sub(earlier)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Far enough from the clock's own beginning to look back.
    fn start() -> Instant {
        Instant::now() + ms(60_000)
    }

    #[test]
    fn message_is_put_at_its_sending_however_late_it_comes() {
        let start = start();
        // The peer's clock is 500 ms ahead; the ping took 40 ms to get there.
        let clock = PeerClock::new(7, start, 540).unwrap();
        let sent = start + ms(1_000);
        let bound = clock.stamped(7, 1_500).unwrap();
        assert!(bound <= sent && sent - bound <= ms(41));
    }

    #[test]
    fn message_of_another_process_or_without_a_stamp_is_put_nowhere() {
        let clock = PeerClock::new(7, start(), 540).unwrap();
        assert_eq!(clock.stamped(8, 1_500), None);
        assert_eq!(clock.stamped(7, 0), None);
        assert!(PeerClock::new(7, start(), 0).is_none());
    }

    #[test]
    fn fastest_ping_is_kept_until_it_is_old() {
        let start = start();
        let fast = PeerClock::new(7, start, 505).unwrap();
        let slow = PeerClock::new(7, start + ms(100), 690).unwrap();
        let kept = slow.or_better(Some(fast));
        assert_eq!(kept.stamped(7, 690), fast.stamped(7, 690));
        let much_later = PeerClock::new(7, start + ms(11_000), 11_590).unwrap();
        let kept = much_later.or_better(Some(fast));
        assert_eq!(kept.stamped(7, 11_590), much_later.stamped(7, 11_590));
        let reborn = PeerClock::new(8, start + ms(100), 90).unwrap();
        assert!(reborn.or_better(Some(fast)).stamped(8, 90).is_some());
    }

    #[test]
    fn own_clock_never_shows_zero() {
        let now = Instant::now();
        let clock = OwnClock::new(now);
        assert_eq!(clock.shows_ms(now), Some(1));
        assert_eq!(clock.shows_ms(now + ms(9)), Some(10));
        assert_eq!(OwnClock::new(now + ms(1)).shows_ms(now), None);
    }
}
