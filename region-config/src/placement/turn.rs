//! Whose turn it is: spreads groups over the nodes of a region, and over neighbourhoods that are equally good.
//!
//! Rendezvous hashing: every (group, place) pair has a fixed random-looking score and the highest wins. Unlike counting
//! round, it does not follow patterns in the numbers (every second show in Europe), a node that goes leaves the turns
//! of the others alone, and a node that comes takes only its own share.
//!
//! Owns: the scores. Must never: change; every placement in the world would move.

use crate::ids::{GroupId, NodeId, RegionId};

/// How much it is this node's turn to carry the group.
pub(super) const fn of_node(group: GroupId, node: NodeId) -> u64 {
    scramble(scramble(group.get()) ^ scramble(node.get().wrapping_add(1)))
}

/// How much it is this region's turn to carry the group, among regions that are equally far.
pub(super) fn of_region(group: GroupId, region: &RegionId) -> u64 {
    // FNV-1a: one number for the name.
    let name = region
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    scramble(scramble(group.get()) ^ scramble(name))
}

/// The finisher of splitmix64: every bit of the answer hangs on every bit of `x`.
const fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `groups` have each of `nodes` first.
    fn firsts(groups: impl Iterator<Item = u64>, nodes: &[u64]) -> Vec<usize> {
        let mut counts = vec![0; nodes.len()];
        for group in groups {
            let score = |at: &usize| of_node(GroupId::new(group), NodeId::new(nodes[*at]));
            let first = (0..nodes.len()).max_by_key(score).unwrap();
            counts[first] += 1;
        }
        counts
    }

    #[test]
    fn ten_thousand_groups_load_nodes_within_five_percent_whatever_the_pattern_of_their_numbers() {
        for step in [1, 2, 3, 4, 100] {
            let counts = firsts((1..=10_000).map(|n| n * step), &[1, 2, 3]);
            let fair = 10_000.0 / 3.0;
            for count in &counts {
                let share = f64::from(u32::try_from(*count).unwrap()) / fair;
                assert!((0.95..=1.05).contains(&share), "step {step}: {counts:?}");
            }
        }
    }

    #[test]
    fn the_groups_of_a_lost_node_are_shared_by_all_the_others() {
        let led_by_two = (1..=10_000_u64).filter(|group| {
            let score = |node: u64| of_node(GroupId::new(*group), NodeId::new(node));
            score(2) > score(1) && score(2) > score(3)
        });
        let counts = firsts(led_by_two, &[1, 3]);
        assert!(counts.iter().all(|count| *count > 1_500), "{counts:?}");
    }

    #[test]
    fn scores_stay_as_they_are() {
        // A change here would move every group of every cluster.
        let (group, region) = (GroupId::new(7), RegionId::new("westeurope").unwrap());
        assert_eq!(of_node(group, NodeId::new(3)), 8_498_319_673_030_426_786);
        assert_eq!(of_region(group, &region), 4_068_212_981_221_457_154);
    }
}
