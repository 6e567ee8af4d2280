//! Where the directory goes.

use std::collections::BTreeSet;

use holdfast_region_config::placement::{
    DIRECTORY_VOTERS_MAX, commit_floor, place_directory_without,
};
use holdfast_region_config::{Node, NodeId, SurvivalGoal, Topology, place_directory};
use proptest::prelude::*;

use crate::drawn::{majority_left, region_of, topologies};

fn voting(topology: &Topology) -> usize {
    topology
        .regions
        .iter()
        .filter(|region| region.voting)
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_directory_reaches_every_node(topology in topologies(12, 3)) {
        let placement = place_directory(&topology);
        let reached: BTreeSet<_> = placement.voters.iter().chain(&placement.learners).collect();
        prop_assert_eq!(reached.len(), topology.nodes.len());
        prop_assert_eq!(placement.voters.len() + placement.learners.len(), topology.nodes.len());
        prop_assert_eq!(&placement, &place_directory(&topology));
    }

    #[test]
    fn an_odd_number_of_regions_all_vote_and_an_even_number_all_but_one(topology in topologies(9, 3)) {
        let count = voting(&topology);
        prop_assume!(count >= 3);
        let placement = place_directory(&topology);
        prop_assert_eq!(placement.voters.len(), count - usize::from(count.is_multiple_of(2)));
        let regions: BTreeSet<_> = placement.voters.iter().map(|id| region_of(&topology, *id)).collect();
        prop_assert_eq!(regions.len(), placement.voters.len());
        prop_assert!(regions.iter().all(|id| topology.region(id).unwrap().voting));
        for lost in &topology.regions {
            prop_assert!(majority_left(&placement.voters, |id| region_of(&topology, id) == lost.id));
        }
    }

    #[test]
    fn no_other_region_left_out_would_make_it_faster(topology in topologies(8, 1)) {
        let all: Vec<NodeId> = topology.nodes.iter()
            .filter(|node| topology.region(&node.region).unwrap().voting).map(|node| node.id).collect();
        prop_assume!(all.len() >= 4 && all.len().is_multiple_of(2));
        let fastest = |voters: &[NodeId]| voters.iter().map(|id| commit_floor(&topology, *id, voters)).min();
        let best = (0..all.len()).filter_map(|out| {
            let mut voters = all.clone();
            voters.remove(out);
            fastest(&voters)
        }).min();
        prop_assert_eq!(Some(place_directory(&topology).commit_floor), best);
    }

    #[test]
    fn a_node_that_is_out_moves_only_its_own_vote(topology in topologies(9, 3)) {
        let before = place_directory(&topology);
        let alone = |node: &&Node| topology.nodes_in(&node.region).count() == 1;
        for out in topology.nodes.iter().filter(|node| !alone(node)) {
            let after = place_directory_without(&topology, &[out.id].into());
            let alone = topology.nodes_in(&out.region).count() == 1;
            let votes = topology.region(&out.region).unwrap().voting;
            let left = voting(&topology) - usize::from(alone && votes);
            if voting(&topology) >= 3 && left >= 3 {
                prop_assert_eq!(after.voters.len(), left - usize::from(left.is_multiple_of(2)));
                prop_assert!(!after.voters.contains(&out.id));
            } else {
                prop_assert_eq!(after.voters.len(), before.voters.len());
            }
            let came = after.voters.iter().filter(|id| !before.voters.contains(id)).count();
            prop_assert!(came <= 1);
            prop_assert!(!after.learners.contains(&out.id));
        }
    }
}

#[test]
fn a_region_that_is_given_up_does_not_keep_its_vote_while_three_others_have_nodes() {
    let four = Topology::preset("five-regions")
        .unwrap()
        .with_first_regions(4)
        .unwrap();
    for out in &four.nodes {
        let voters = place_directory_without(&four, &[out.id].into()).voters;
        assert_eq!(voters.len(), 3);
        assert!(!voters.contains(&out.id));
    }
    let three = four.with_first_regions(3).unwrap();
    let stays = three.nodes[1].id;
    let voters = place_directory_without(&three, &[stays].into()).voters;
    assert!(voters.contains(&stays), "two regions keep no directory");
}

#[test]
fn beyond_nine_regions_the_nine_fastest_vote() {
    let mut text = "cluster = \"ring\"\n[rtt]\nsource = \"typed\"\n".to_owned();
    for from in 0..12_i32 {
        text += &format!("[rtt.ms.r{from}]\n");
        for to in (0..12).filter(|to| *to != from) {
            text += &format!("r{to} = {}.0\n", 10 * (from - to).abs());
        }
    }
    for n in 0..12 {
        text += &format!("[[region]]\nid = \"r{n}\"\nname = \"R\"\nlat = 0.0\nlon = 0.0\n");
        text += &format!(
            "[[node]]\nid = {}\nregion = \"r{n}\"\naddr = \"h:{}\"\n",
            n + 1,
            n + 1
        );
    }
    let placement = place_directory(&Topology::parse(&text).unwrap());
    assert_eq!(placement.voters.len(), DIRECTORY_VOTERS_MAX);
    // From the middle of a line four others are at most two steps away.
    assert_eq!(placement.commit_floor.as_millis(), 20);
}

#[test]
fn one_region_with_three_nodes_survives_a_node() {
    let topology = Topology::preset("local")
        .unwrap()
        .with_nodes_per_region(3)
        .unwrap();
    let placement = place_directory(&topology);
    assert_eq!(placement.goal, SurvivalGoal::Zone);
    assert_eq!(placement.voters.len(), 3);
}

#[test]
fn a_single_node_is_its_own_directory() {
    let placement = place_directory(&Topology::preset("local").unwrap());
    assert_eq!(placement.voters, [NodeId::new(1)]);
    assert_eq!(placement.goal, SurvivalGoal::Nothing);
}

#[test]
fn a_region_that_is_out_as_a_whole_votes_no_more_while_three_others_can() {
    let five = Topology::preset("five-regions").unwrap();
    let four = five.with_first_regions(4).unwrap();
    for node in &four.nodes {
        let placement = place_directory_without(&four, &BTreeSet::from([node.id]));
        assert_eq!(placement.voters.len(), 3);
        assert!(!placement.voters.contains(&node.id), "{}", node.id);
    }
    let three = five.with_first_regions(3).unwrap();
    let all = place_directory(&three).voters;
    let placement = place_directory_without(&three, &BTreeSet::from([three.nodes[0].id]));
    assert_eq!(placement.voters, all, "nobody could vote in its place");
}
