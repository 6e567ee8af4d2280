//! How long a group waits before it believes that its leader is gone.
//!
//! Owns: heartbeat and election times as a function of the voters' round trips. Must never: read a clock.
//!
//! The reasoning, with R the longest round trip between two voters:
//!
//! ```text
//! heartbeat = max(R, 50)       one in flight at a time on the longest way; more would queue behind each other
//! min       = 3·heartbeat + R  two heartbeats may be lost or late and the third still arrives in time, then a
//!                              follower's answer to a slow candidate (R) must not come after its own time-out
//! min      >= 500              a fsync or a scheduler may stall for some hundred ms; that is not a dead leader
//! max       = 2·min            the draw must be wider than a vote's round trip (R) or two followers keep splitting
//! ```
//!
//! For the real trio R = 229 ms: heartbeat 229, election 916 to 1,832 ms, then two vote rounds to the nearer
//! survivor (2 x 91 to 2 x 182 ms): a lost region's groups are led again in about 1.1 to 2.2 s.

use std::time::Duration;

use crate::ids::NodeId;
use crate::topology::Topology;

/// Shortest heartbeat interval, ms: twenty messages a second are enough for anyone.
pub const HEARTBEAT_INTERVAL_FLOOR_MS: u64 = 50;
/// Shortest election time-out, ms: longer than a stalled fsync or a busy scheduler.
pub const ELECTION_TIMEOUT_FLOOR_MS: u64 = 500;

const _: () = assert!(
    ELECTION_TIMEOUT_FLOOR_MS > 3 * HEARTBEAT_INTERVAL_FLOOR_MS,
    "or two late heartbeats would depose a healthy leader"
);

/// Raft times of one group, all in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupTiming {
    /// How often a leader speaks when it has nothing to say.
    pub heartbeat_interval_ms: u64,
    /// A follower waits at least this long in silence before it stands for election.
    pub election_timeout_min_ms: u64,
    /// And at most this long; each draws a time between the two.
    pub election_timeout_max_ms: u64,
}

impl GroupTiming {
    /// Times for a group with these voters. Voters that the topology does not know are left out.
    #[must_use]
    pub fn for_voters(topology: &Topology, voters: &[NodeId]) -> Self {
        let regions = voters.iter().filter_map(|id| topology.region_of(*id));
        Self::for_longest_rtt(topology.rtt.longest(regions))
    }

    /// Times for a group whose voters are at most this round trip apart.
    #[must_use]
    pub fn for_longest_rtt(longest: Duration) -> Self {
        // Validation bounds a round trip to seconds, so the conversion cannot saturate in practice.
        let rtt_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX / 16);
        let heartbeat_interval_ms = rtt_ms.max(HEARTBEAT_INTERVAL_FLOOR_MS);
        let patience_ms = 3 * heartbeat_interval_ms + rtt_ms;
        let election_timeout_min_ms = patience_ms.max(ELECTION_TIMEOUT_FLOOR_MS);
        Self {
            heartbeat_interval_ms,
            election_timeout_min_ms,
            election_timeout_max_ms: 2 * election_timeout_min_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::place_directory;

    #[test]
    fn the_real_trio_re_elects_within_about_two_seconds() {
        let topology = Topology::preset("three-regions").unwrap();
        let timing = GroupTiming::for_voters(&topology, &place_directory(&topology).voters);
        assert_eq!(timing.heartbeat_interval_ms, 229);
        assert_eq!(timing.election_timeout_min_ms, 916);
        assert_eq!(timing.election_timeout_max_ms, 1_832);
    }

    #[test]
    fn voters_side_by_side_do_not_elect_at_every_hiccup() {
        let timing = GroupTiming::for_longest_rtt(Duration::from_millis(1));
        assert_eq!(timing.heartbeat_interval_ms, HEARTBEAT_INTERVAL_FLOOR_MS);
        assert_eq!(timing.election_timeout_min_ms, ELECTION_TIMEOUT_FLOOR_MS);
    }

    #[test]
    fn times_grow_with_distance_and_keep_their_order() {
        let mut before = GroupTiming::for_longest_rtt(Duration::ZERO);
        for ms in [1, 20, 80, 200, 400, 2_000] {
            let timing = GroupTiming::for_longest_rtt(Duration::from_millis(ms));
            assert!(timing.heartbeat_interval_ms * 3 <= timing.election_timeout_min_ms);
            assert!(timing.election_timeout_min_ms < timing.election_timeout_max_ms);
            assert!(timing.election_timeout_max_ms - timing.election_timeout_min_ms > ms);
            assert!(timing.election_timeout_min_ms >= before.election_timeout_min_ms);
            before = timing;
        }
    }
}
