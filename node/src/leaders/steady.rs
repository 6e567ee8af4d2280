//! For how long a node has been heard, and when that is long enough.
//!
//! ```text
//!  silent ──heard──► fresh ──(hold-down)──► steady ──not heard──► silent, and the hold-down doubles
//! ```
//!
//! Owns: the patience with which leaders return. A node that comes and goes is waited for longer each time, so that a region
//! that flaps keeps nothing it would lose again at once. Must never: read a clock.

use std::{collections::BTreeMap, time::Duration};

use holdfast_region_config::NodeId;
use tokio::time::Instant;

use super::conditions::Reach;

/// A node is trusted after this long: three looks of the old once-a-second kind, longer than it takes to be found dead again.
pub const HOLD_DOWN_MIN: Duration = Duration::from_secs(3);
/// And after this long at most.
pub const HOLD_DOWN_MAX: Duration = Duration::from_secs(60);
/// A node heard for this long without a break starts anew with the shortest hold-down.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

const _: () = assert!(
    HOLD_DOWN_MIN.as_millis() < HOLD_DOWN_MAX.as_millis()
        && HOLD_DOWN_MAX.as_millis() < FORGIVEN_AFTER.as_millis(),
    "or no flap would ever count"
);

#[derive(Debug, Clone, Copy)]
struct Track {
    heard_since: Option<Instant>,
    hold_down: Duration,
}

/// All nodes that were ever looked at.
#[derive(Debug, Default)]
pub struct Steadiness {
    tracks: BTreeMap<NodeId, Track>,
}

impl Steadiness {
    /// Takes in whether `node` is heard now.
    pub fn look(&mut self, now: Instant, node: NodeId, heard: bool) {
        let track = self.tracks.entry(node).or_insert(Track {
            heard_since: None,
            hold_down: HOLD_DOWN_MIN,
        });
        match (track.heard_since, heard) {
            (None, true) => track.heard_since = Some(now),
            (Some(since), false) => {
                track.heard_since = None;
                track.hold_down = if now.duration_since(since) >= FORGIVEN_AFTER {
                    HOLD_DOWN_MIN
                } else {
                    (track.hold_down * 2).min(HOLD_DOWN_MAX)
                };
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// How far `node` can be trusted at `now`.
    #[must_use]
    pub fn reach(&self, now: Instant, node: NodeId) -> Reach {
        let track = self.tracks.get(&node);
        match track.and_then(|track| Some((track.heard_since?, track.hold_down))) {
            None => Reach::Silent,
            Some((since, hold_down)) if now.duration_since(since) >= hold_down => Reach::Steady,
            Some(_) => Reach::Fresh,
        }
    }

    /// When the next node becomes steady, if nothing happens before.
    #[must_use]
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        let due = |track: &Track| Some(track.heard_since? + track.hold_down);
        let dues = self.tracks.values().filter_map(due);
        dues.filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::new(4);

    #[test]
    fn a_node_is_trusted_after_a_while_and_not_before() {
        let (mut nodes, start) = (Steadiness::default(), Instant::now());
        assert_eq!(nodes.reach(start, NODE), Reach::Silent);
        nodes.look(start, NODE, true);
        assert_eq!(nodes.reach(start, NODE), Reach::Fresh);
        assert_eq!(nodes.next_change(start), Some(start + HOLD_DOWN_MIN));
        assert_eq!(nodes.reach(start + HOLD_DOWN_MIN, NODE), Reach::Steady);
        assert_eq!(nodes.next_change(start + HOLD_DOWN_MIN), None);
    }

    #[test]
    fn a_node_that_flaps_is_waited_for_longer_each_time() {
        let (mut nodes, mut now) = (Steadiness::default(), Instant::now());
        for _ in 0..3 {
            nodes.look(now, NODE, true);
            now += Duration::from_secs(1);
            nodes.look(now, NODE, false);
        }
        nodes.look(now, NODE, true);
        assert_eq!(nodes.reach(now + HOLD_DOWN_MIN * 8, NODE), Reach::Steady);
        let before = HOLD_DOWN_MIN * 8 - Duration::from_millis(1);
        assert_eq!(nodes.reach(now + before, NODE), Reach::Fresh);
    }

    #[test]
    fn a_long_quiet_time_forgives() {
        let (mut nodes, mut now) = (Steadiness::default(), Instant::now());
        for up in [1, 1, 1, FORGIVEN_AFTER.as_secs()] {
            nodes.look(now, NODE, true);
            now += Duration::from_secs(up);
            nodes.look(now, NODE, false);
        }
        nodes.look(now, NODE, true);
        assert_eq!(nodes.reach(now + HOLD_DOWN_MIN, NODE), Reach::Steady);
    }
}
