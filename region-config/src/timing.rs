//! How long a group waits before it believes that its leader is gone.
//!
//! Owns: heartbeat and election times as a function of the voters' round trips. Must never: read a clock.
//!
//! The reasoning, with R the longest round trip between two voters and r a voter's rank (0 = preferred leader):
//!
//! ```text
//! heartbeat = max(5/4·R + 20, 200)   openraft gives a heartbeat's answer one interval and counts a later one as lost, so
//!                                    the interval must exceed the longest round trip with room for jitter and disk
//! min       = max(5/2·heartbeat, 750) + r·(R + 50)
//! max       = min + 50
//! ```
//!
//! A voter shields a silent leader for `max` (its lease) and then waits a draw from `min..max` before it stands. So rank r
//! stands about 2·min after the last sign of life: five lost heartbeats, or a disk and a scheduler stalled for a second and a half. The
//! next rank stands 2·(R + 50) later, time enough for a pre-vote and a vote of the rank before it. A random draw
//! alone would have to be several round trips wide to keep two survivors from splitting the vote again and again.
//!
//! For the real trio R = 229 ms: heartbeat 306; the ranks stand after about 1.6, 2.1 and 2.7 s. A lost home region's shows are
//! led again by their second region after 2.1 s and two round trips to the third (2 x 182 ms): about 2.5 s.
//!
//! The rank is the place in the leader preference, so it is unique also where voters share a region:
//!
//! ```text
//!                     R   rank 0      1      2      3      4   stands after about, ms
//! zone, 3 at home     1    1,575  1,677  1,779                 1 and 2: beside the leader
//! Europe 2-2-1       29    1,575  1,733  1,891  2,049  2,207   1: beside the leader; 2 and 3: the next region; 4: the third
//! trio 1-1-1        229    1,605  2,163  2,721
//! ```
//!
//! These are the times of a group left to itself. The liveness fabric knows of a dead node earlier and has its groups elect at
//! once, in the same order; then these times only bound what happens when the fabric is wrong. That is why near neighbours need no
//! shorter ones: a thousand groups that a lost node leaves behind are all awake for a moment, and with a heartbeat each 50 ms
//! they kept two processors so busy with heartbeats that their elections ran out of time.

use std::time::Duration;

use crate::ids::NodeId;
use crate::topology::Topology;

/// Shortest heartbeat interval, ms: five messages a second are enough for a second line of defence.
pub const HEARTBEAT_INTERVAL_FLOOR_MS: u64 = 200;
/// Shortest election time-out, ms: longer than a stalled fsync or a busy scheduler.
pub const ELECTION_TIMEOUT_FLOOR_MS: u64 = 750;
/// What a heartbeat's answer may take beyond 5/4 of the round trip, ms.
pub const HEARTBEAT_SLACK_MS: u64 = 20;
/// Width of the draw of election time-outs, ms. Ranks keep voters apart, so it need not be wide.
pub const ELECTION_SPREAD_MS: u64 = 50;
/// What a vote may take beyond its round trip, ms: it is written to disk before it is answered.
pub const VOTE_SLACK_MS: u64 = 50;

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
    /// Times of the voter of rank `rank` in a group with these voters. Voters that the topology does not know are left out.
    #[must_use]
    pub fn for_voters(topology: &Topology, voters: &[NodeId], rank: usize) -> Self {
        let regions = voters.iter().filter_map(|id| topology.region_of(*id));
        Self::for_longest_rtt(topology.rtt.longest(regions), rank)
    }

    /// Times of `node` in a group with this leader preference. A node that does not vote (yet) comes after all voters, so that
    /// a learner that is made a voter does not stand before those who were there.
    ///
    /// ```
    /// use holdfast_region_config::{GroupId, GroupTiming, Topology, place};
    ///
    /// let topology = Topology::preset("eight-regions").expect("a preset of this crate");
    /// let placement = place(&topology, &"westeurope".parse()?, GroupId::new(7))?;
    /// let of = |node| GroupTiming::for_replica(&topology, &placement.leader_preference, node);
    /// let (leader, beside) = (placement.leader().unwrap(), placement.secondary().unwrap());
    /// assert!(of(leader).election_timeout_max_ms < of(beside).election_timeout_min_ms);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn for_replica(topology: &Topology, preference: &[NodeId], node: NodeId) -> Self {
        let rank = preference.iter().position(|voter| *voter == node);
        Self::for_voters(topology, preference, rank.unwrap_or(preference.len()))
    }

    /// Times of the voter of rank `rank` in a group whose voters are at most this round trip apart.
    #[must_use]
    pub fn for_longest_rtt(longest: Duration, rank: usize) -> Self {
        // Validation bounds a round trip to seconds and the voters to a handful, so nothing here can overflow.
        let rtt_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX / 64);
        let heartbeat_interval_ms =
            (rtt_ms + rtt_ms / 4 + HEARTBEAT_SLACK_MS).max(HEARTBEAT_INTERVAL_FLOOR_MS);
        let patience_ms = (heartbeat_interval_ms * 5 / 2).max(ELECTION_TIMEOUT_FLOOR_MS);
        let election_timeout_min_ms = patience_ms + rank as u64 * (rtt_ms + VOTE_SLACK_MS);
        Self {
            heartbeat_interval_ms,
            election_timeout_min_ms,
            election_timeout_max_ms: election_timeout_min_ms + ELECTION_SPREAD_MS,
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
        let voters = place_directory(&topology).voters;
        let second = GroupTiming::for_voters(&topology, &voters, 1);
        assert_eq!(second.heartbeat_interval_ms, 306);
        assert_eq!(second.election_timeout_min_ms, 1_044);
        assert_eq!(second.election_timeout_max_ms, 1_094);
    }

    #[test]
    fn voters_side_by_side_do_not_elect_at_every_hiccup() {
        let timing = GroupTiming::for_longest_rtt(Duration::from_millis(1), 0);
        assert_eq!(timing.heartbeat_interval_ms, HEARTBEAT_INTERVAL_FLOOR_MS);
        assert_eq!(timing.election_timeout_min_ms, ELECTION_TIMEOUT_FLOOR_MS);
    }

    #[test]
    fn next_rank_leaves_time_for_two_rounds_of_votes() {
        for ms in [0, 1, 20, 80, 200, 400, 2_000] {
            let at = |rank| GroupTiming::for_longest_rtt(Duration::from_millis(ms), rank);
            for rank in 0..crate::placement::VOTERS_MAX {
                let (this, next) = (at(rank), at(rank + 1));
                let stands_at_the_latest = 2 * this.election_timeout_max_ms;
                let next_stands = next.election_timeout_max_ms + next.election_timeout_min_ms;
                assert!(next_stands >= stands_at_the_latest + 2 * ms, "{ms} {rank}");
                // And the next rank must not shield the lost leader when this one asks for its vote.
                let asks = this.election_timeout_max_ms + this.election_timeout_min_ms;
                assert!(next.election_timeout_max_ms < asks, "{ms} {rank}");
            }
        }
    }

    #[test]
    fn times_grow_with_distance_and_keep_their_order() {
        let mut before = GroupTiming::for_longest_rtt(Duration::ZERO, 0);
        for ms in [1, 20, 80, 200, 400, 2_000] {
            let timing = GroupTiming::for_longest_rtt(Duration::from_millis(ms), 0);
            assert!(timing.heartbeat_interval_ms > ms);
            assert!(timing.heartbeat_interval_ms * 2 <= timing.election_timeout_min_ms);
            assert!(timing.election_timeout_min_ms < timing.election_timeout_max_ms);
            assert!(timing.election_timeout_min_ms >= before.election_timeout_min_ms);
            before = timing;
        }
    }
}
