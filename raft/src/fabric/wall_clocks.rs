//! Wall clocks of the other nodes, and the bound that they put on this node's own.
//!
//! Owns: what each peer's clock may show now, and the time that entries are stamped with. Must never: set a clock, or follow one
//! peer: only what a majority of all clocks bears out moves the time of a shard.
//!
//! ```text
//!   peers' clocks, by what each answer to a ping proves:   [──a──]  [───b───]
//!   this node's clock is used as it is from here ...  <──B─┤              ├─B──>  ... to here, else the nearer end
//! ```
//!
//! A shard's time never goes back, so a leader whose clock is minutes ahead would end every hold of its shows early, and its
//! successors would stand still for as long. Clocks are compared over the monotonic clock of this process, so a jump of its
//! own wall clock is seen at once, not with the next ping.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_region_config::NodeId;
use tokio::time::Instant;

use crate::clock::Clock;

/// How far a node's clock may be from the others' before it is not used as it is, ms. Well kept clocks differ by a few ms, badly
/// kept ones by some tens; holds last minutes.
pub const CLOCK_BOUND_MS: u64 = 500;

/// Fewer other clocks cannot say which of two is wrong.
const PEERS_MIN: usize = 2;

/// A reading, as ms by which a wall clock is ahead of this process's monotonic one: at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lead {
    least: i64,
    most: i64,
}

/// What is known of the others' clocks.
#[derive(Debug)]
struct PeerClocks {
    /// Where this process's monotonic time begins.
    began: Instant,
    leads: Mutex<BTreeMap<NodeId, Lead>>,
    /// The least and the most lead that the others bear out; the extremes while too few are known. Two values read one after
    /// the other may be of two pings: each is right by itself.
    least: AtomicI64,
    most: AtomicI64,
}

impl PeerClocks {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            leads: Mutex::default(),
            least: AtomicI64::new(i64::MIN),
            most: AtomicI64::new(i64::MAX),
        }
    }

    /// `node` read `clock_ms` some time between `sent` and `received`. 0 is no reading.
    fn note(&self, node: NodeId, clock_ms: u64, sent: Instant, received: Instant) {
        if clock_ms == 0 {
            return;
        }
        let clock_ms = i64::try_from(clock_ms).unwrap_or(i64::MAX);
        let lead = Lead {
            least: clock_ms.saturating_sub(self.monotonic_ms(received)),
            most: clock_ms.saturating_sub(self.monotonic_ms(sent)),
        };
        let mut leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        leads.insert(node, lead);
        self.judge(&leads);
    }

    /// A node that is no more says nothing about the time. One that is only silent still does: clocks drift slowly.
    fn forget(&self, node: NodeId) {
        let mut leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        leads.remove(&node);
        self.judge(&leads);
    }

    /// With this node's own clock somewhere among them, the middle one of all lies between the two middle ones of the others.
    fn judge(&self, leads: &BTreeMap<NodeId, Lead>) {
        let (mut least, mut most) = (i64::MIN, i64::MAX);
        if leads.len() >= PEERS_MIN {
            let sorted = |of: fn(&Lead) -> i64| {
                let mut all: Vec<i64> = leads.values().map(of).collect();
                all.sort_unstable();
                all
            };
            least = sorted(|lead| lead.least)[(leads.len() - 1) / 2];
            most = sorted(|lead| lead.most)[leads.len() / 2];
        }
        self.least.store(least, Ordering::Relaxed);
        self.most.store(most, Ordering::Relaxed);
    }

    fn monotonic_ms(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.began);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// `own_ms`, read at `now`, as far as the others bear it out.
    fn bounded(&self, own_ms: u64, now: Instant) -> u64 {
        let bound = i64::try_from(CLOCK_BOUND_MS).unwrap_or(i64::MAX);
        let monotonic = self.monotonic_ms(now);
        let least = self.least.load(Ordering::Relaxed).saturating_sub(bound);
        let most = self.most.load(Ordering::Relaxed).saturating_add(bound);
        let own = i64::try_from(own_ms).unwrap_or(i64::MAX);
        let lead = own.saturating_sub(monotonic);
        // Not `clamp`, which would panic on ends from two pings that cross.
        let used = lead.max(least).min(most).saturating_add(monotonic);
        if lead == used.saturating_sub(monotonic) {
            return own_ms;
        }
        u64::try_from(used).unwrap_or(0)
    }
}

/// This node's clock, within what the others bear out. What entries are stamped with.
pub struct BoundedClock {
    own: Arc<dyn Clock>,
    peers: PeerClocks,
    /// Whether it was said that the clock is off.
    said: AtomicBool,
}

impl fmt::Debug for BoundedClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("BoundedClock");
        text.field("peers", &self.peers).finish_non_exhaustive()
    }
}

impl BoundedClock {
    pub(crate) fn new(own: Arc<dyn Clock>, now: Instant) -> Self {
        Self {
            own,
            peers: PeerClocks::new(now),
            said: AtomicBool::new(false),
        }
    }

    /// What this machine's clock shows, right or wrong: what the others are told.
    pub(crate) fn own_ms(&self) -> u64 {
        self.own.now_ms()
    }

    /// `node` read `wall_ms` some time between `sent` and `received`. 0 is no reading.
    pub(crate) fn note(&self, node: NodeId, wall_ms: u64, sent: Instant, received: Instant) {
        self.peers.note(node, wall_ms, sent, received);
    }

    /// The node is no more.
    pub(crate) fn forget(&self, node: NodeId) {
        self.peers.forget(node);
    }

    /// How far this machine's clock is ahead of the time that is used instead, ms; 0 while it is used as it is, below 0 when
    /// it is behind.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        let own_ms = self.own.now_ms();
        let used_ms = self.peers.bounded(own_ms, Instant::now());
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(own_ms) - signed(used_ms)
    }

    fn say(&self, own_ms: u64, used_ms: u64) {
        let is_off = own_ms != used_ms;
        if self.said.swap(is_off, Ordering::Relaxed) == is_off {
            return;
        }
        if is_off {
            tracing::error!(
                own_ms,
                used_ms,
                "this machine's clock differs from the other nodes', the time they agree on is used"
            );
        } else {
            tracing::info!("this machine's clock agrees with the other nodes' again");
        }
    }
}

impl Clock for BoundedClock {
    fn now_ms(&self) -> u64 {
        let own_ms = self.own.now_ms();
        let used_ms = self.peers.bounded(own_ms, Instant::now());
        if own_ms != used_ms || self.said.load(Ordering::Relaxed) {
            self.say(own_ms, used_ms);
        }
        used_ms
    }
}

/// The longest that a shard's time may be off when at most a minority of clocks is: the bound, and the round trip within which
/// an answer's reading is uncertain.
#[must_use]
pub const fn clock_error_max(rtt_max: Duration) -> Duration {
    rtt_max.saturating_add(Duration::from_millis(CLOCK_BOUND_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const NOW_MS: u64 = 1_700_000_000_000;
    const RTT: Duration = Duration::from_millis(80);

    /// Peers whose clocks are off by so many ms, heard with a round trip of 80 ms that ends at `now`.
    fn heard(offsets_ms: &[i64], now: Instant) -> PeerClocks {
        let clocks = PeerClocks::new(now - Duration::from_secs(1));
        for (node, offset_ms) in (2..).zip(offsets_ms) {
            let reading = NOW_MS.saturating_add_signed(*offset_ms) - 40;
            clocks.note(NodeId::new(node), reading, now - RTT, now);
        }
        clocks
    }

    fn used(offsets_ms: &[i64], own_offset_ms: i64) -> i64 {
        let now = Instant::now();
        let own_ms = NOW_MS.saturating_add_signed(own_offset_ms);
        let used_ms = heard(offsets_ms, now).bounded(own_ms, now);
        i64::try_from(used_ms).unwrap() - i64::try_from(NOW_MS).unwrap()
    }

    #[test]
    fn a_clock_that_agrees_is_used_as_it_is() {
        for own in [-400, 0, 400] {
            assert_eq!(used(&[0, 0], own), own);
            assert_eq!(used(&[0, 0, 0, 0], own), own);
        }
    }

    #[test]
    fn a_clock_far_off_is_held_within_the_bound_and_the_round_trip() {
        let error_max_ms = i64::try_from(clock_error_max(RTT).as_millis()).unwrap();
        for own in [600_000, -600_000] {
            for peers in [&[0, 0][..], &[0, 0, 0], &[0, 0, 0, 0]] {
                let used = used(peers, own);
                assert_eq!(used.signum(), own.signum());
                assert!(used.abs() <= error_max_ms, "{peers:?} {own}: {used}");
            }
        }
    }

    #[test]
    fn a_peer_that_is_wrong_moves_nobody() {
        for peers in [
            &[600_000, 0][..],
            &[0, -600_000],
            &[0, 0, 600_000],
            &[-9_000, 0, 0, 9_000],
        ] {
            assert_eq!(used(peers, 0), 0, "{peers:?}");
        }
    }

    #[test]
    fn two_nodes_alone_do_not_know_who_is_wrong() {
        assert_eq!(used(&[600_000], 0), 0);
        assert_eq!(used(&[], 600_000), 600_000);
    }

    #[test]
    fn a_jump_between_two_pings_is_seen_at_once() {
        let own = Arc::new(ManualClock::at(NOW_MS));
        let now = Instant::now();
        let clock = BoundedClock::new(Arc::clone(&own) as Arc<dyn Clock>, now);
        for node in [2, 3] {
            clock.note(NodeId::new(node), NOW_MS, now, now);
        }
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (NOW_MS, 0));
        own.advance(3_600_000);
        // A bound against a slow machine, far below the jump.
        assert!(clock.now_ms() < NOW_MS + 60_000);
        assert!(clock.ahead_ms() > 3_500_000);
        own.set(NOW_MS);
        assert_eq!(clock.now_ms(), NOW_MS);
    }

    #[test]
    fn a_removed_peer_bears_nothing_out() {
        let now = Instant::now();
        let clocks = heard(&[0, 0], now);
        clocks.forget(NodeId::new(2));
        assert_eq!(clocks.bounded(NOW_MS + 600_000, now), NOW_MS + 600_000);
    }
}
