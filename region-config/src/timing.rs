//! How long a group waits before it believes that its leader is gone.
//!
//! Owns: heartbeat and election times as a function of the voters' round trips. Must never: read a clock.
//!
//! The reasoning, with R the longest round trip between two voters:
//!
//! ```text
//! heartbeat = max(5/4·R + 20, 50)  openraft gives a heartbeat's answer one interval and counts a later one as lost, so the
//!                                  interval must exceed the longest round trip with some room for jitter and disk
//! min       = max(3·heartbeat, 500)  two heartbeats may be lost and the third still arrives in time; a fsync or a
//!                                  scheduler may stall for some hundred ms, and that is not a dead leader
//! max       = min + max(R, 250)    the draw must be as wide as a vote's round trip or two followers keep splitting; no
//!                                  wider, because `max` is also how long a voter shields a silent leader (its lease)
//! ```
//!
//! For the real trio R = 229 ms: heartbeat 306, election 918 to 1,168 ms. A lost leader is shielded for `max`, then one draw
//! passes, then a pre-vote and a vote go to the nearer survivor (2 x 91 to 2 x 182 ms): led again in about 2.3 to 2.8 s.

use std::time::Duration;

use crate::ids::NodeId;
use crate::topology::Topology;

/// Shortest heartbeat interval, ms: twenty messages a second are enough for anyone.
pub const HEARTBEAT_INTERVAL_FLOOR_MS: u64 = 50;
/// Shortest election time-out, ms: longer than a stalled fsync or a busy scheduler.
pub const ELECTION_TIMEOUT_FLOOR_MS: u64 = 500;
/// What a heartbeat's answer may take beyond 5/4 of the round trip, ms.
pub const HEARTBEAT_SLACK_MS: u64 = 20;
/// Narrowest draw of election time-outs, ms: wide enough for a vote to be written and answered.
pub const ELECTION_SPREAD_FLOOR_MS: u64 = 250;

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
        let heartbeat_interval_ms =
            (rtt_ms + rtt_ms / 4 + HEARTBEAT_SLACK_MS).max(HEARTBEAT_INTERVAL_FLOOR_MS);
        let election_timeout_min_ms = (3 * heartbeat_interval_ms).max(ELECTION_TIMEOUT_FLOOR_MS);
        Self {
            heartbeat_interval_ms,
            election_timeout_min_ms,
            election_timeout_max_ms: election_timeout_min_ms + rtt_ms.max(ELECTION_SPREAD_FLOOR_MS),
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
        assert_eq!(timing.heartbeat_interval_ms, 306);
        assert_eq!(timing.election_timeout_min_ms, 918);
        assert_eq!(timing.election_timeout_max_ms, 1_168);
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
            assert!(timing.election_timeout_max_ms - timing.election_timeout_min_ms >= ms);
            assert!(timing.heartbeat_interval_ms > ms);
            assert!(timing.election_timeout_min_ms >= before.election_timeout_min_ms);
            before = timing;
        }
    }
}
