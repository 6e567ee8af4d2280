//! What must hold of every placement, whatever the topology: tried on random ones, printed by proptest when broken.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use holdfast_region_config::placement::{VOTERS_MAX, commit_floor};
use holdfast_region_config::{GroupId, NodeId, Placement, Topology, place, place_directory};
use proptest::prelude::*;

/// Up to eight regions with one to four nodes each and believable round trips.
fn topologies() -> impl Strategy<Value = Topology> {
    (1_usize..=8).prop_flat_map(|regions| {
        let nodes = prop::collection::vec(1_usize..=4, regions);
        let trips = prop::collection::vec(100.0_f64..400.0, regions * regions);
        (nodes, trips).prop_map(move |(nodes, trips)| build(&nodes, &trips))
    })
}

fn build(nodes: &[usize], trips: &[f64]) -> Topology {
    let mut text = "cluster = \"random\"\n[rtt]\nsource = \"drawn\"\n".to_owned();
    for from in 0..nodes.len() {
        writeln!(text, "[rtt.ms.r{from}]").unwrap();
        for to in (0..nodes.len()).filter(|to| *to != from) {
            writeln!(text, "r{to} = {:.1}", trips[from * nodes.len() + to]).unwrap();
        }
    }
    let mut number = 0;
    for (region, count) in nodes.iter().enumerate() {
        writeln!(
            text,
            "[[region]]\nid = \"r{region}\"\nname = \"R\"\nlat = 0.0\nlon = 0.0"
        )
        .unwrap();
        for _ in 0..*count {
            number += 1;
            let addr = format!("10.0.0.{number}:1");
            writeln!(
                text,
                "[[node]]\nid = {number}\nregion = \"r{region}\"\naddr = \"{addr}\""
            )
            .unwrap();
        }
    }
    Topology::parse(&text).unwrap()
}

fn placements(topology: &Topology, groups: u64) -> Vec<(usize, Placement)> {
    let homes = topology.regions.iter().enumerate();
    homes
        .flat_map(|(at, home)| {
            (1..=groups).map(move |g| (at, place(topology, &home.id, GroupId::new(g)).unwrap()))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn voters_are_odd_distinct_and_bounded(topology in topologies()) {
        for (_, placement) in placements(&topology, 5) {
            let distinct: BTreeSet<_> = placement.voters.iter().collect();
            prop_assert_eq!(distinct.len(), placement.voters.len());
            prop_assert!(placement.voters.len() <= VOTERS_MAX);
            let two_single_nodes = topology.regions.len() == 2 && placement.voters.len() == 2;
            prop_assert!(placement.voters.len() % 2 == 1 || two_single_nodes);
            prop_assert!(placement.learners.iter().all(|id| !distinct.contains(id)));
        }
    }

    #[test]
    fn any_region_may_be_lost_where_there_are_three(topology in topologies()) {
        prop_assume!(topology.regions.len() >= 3);
        for (_, placement) in placements(&topology, 3) {
            for lost in &topology.regions {
                let left = placement.voters.iter().filter(|id| topology.region_of(**id) != Some(&lost.id));
                prop_assert!(left.count() * 2 > placement.voters.len());
            }
        }
    }

    #[test]
    fn every_region_can_read_a_show_from_its_own_replica(topology in topologies()) {
        for (_, placement) in placements(&topology, 3) {
            let replicas = placement.voters.iter().chain(&placement.learners);
            let regions: BTreeSet<_> = replicas.filter_map(|id| topology.region_of(*id)).collect();
            prop_assert_eq!(regions.len(), topology.regions.len());
        }
    }

    #[test]
    fn the_leader_is_at_home_and_its_successors_come_by_floor(topology in topologies()) {
        for (home, placement) in placements(&topology, 3) {
            let leader = placement.leader_preference[0];
            prop_assert_eq!(topology.region_of(leader), Some(&topology.regions[home].id));
            prop_assert_eq!(placement.commit_floor, commit_floor(&topology, leader, &placement.voters));
            let away = placement.leader_preference.iter()
                .filter(|id| topology.region_of(**id) != topology.region_of(leader));
            let floors: Vec<_> = away.map(|id| commit_floor(&topology, *id, &placement.voters)).collect();
            prop_assert!(floors.is_sorted());
        }
    }

    #[test]
    fn no_other_choice_of_regions_commits_faster_for_home(topology in topologies()) {
        for (home, placement) in placements(&topology, 1) {
            let home = &topology.regions[home].id;
            let mut trips: Vec<_> = topology.regions.iter()
                .filter(|region| region.id != *home)
                .map(|region| topology.rtt.between(home, &region.id))
                .collect();
            trips.sort_unstable();
            let needed = placement.voters.len() / 2;
            if topology.regions.len() > 2 {
                prop_assert_eq!(placement.commit_floor, trips[needed - 1]);
            }
        }
    }

    #[test]
    fn consecutive_groups_load_the_nodes_of_a_region_evenly(topology in topologies()) {
        prop_assume!(topology.regions.len() != 2);
        // 12 is a multiple of every node count drawn, so the shares must be exactly equal.
        let home = &topology.regions[0].id;
        let groups: Vec<_> = (1..=12).map(|g| place(&topology, home, GroupId::new(g)).unwrap()).collect();
        for region in &topology.regions {
            let carried = |node: NodeId| groups.iter()
                .filter(|p| p.voters.contains(&node) || p.learners.contains(&node)).count();
            let loads: BTreeSet<_> = topology.nodes_in(&region.id).map(|node| carried(node.id)).collect();
            prop_assert_eq!(loads.len(), 1, "{:?}", loads);
        }
    }

    #[test]
    fn the_directory_reaches_every_node(topology in topologies()) {
        let placement = place_directory(&topology);
        let reached: BTreeSet<_> = placement.voters.iter().chain(&placement.learners).collect();
        prop_assert_eq!(reached.len(), topology.nodes.len());
        prop_assert_eq!(placement, place_directory(&topology));
    }

    #[test]
    fn a_topology_survives_its_text_form(topology in topologies()) {
        prop_assert_eq!(Topology::parse(&topology.to_toml()).unwrap(), topology);
    }
}

#[test]
fn four_regions_vote_with_the_three_that_commit_fastest() {
    let topology = Topology::preset("five-regions")
        .unwrap()
        .with_first_regions(4)
        .unwrap();
    let home = topology.regions[3].id.clone();
    let placement = place(&topology, &home, GroupId::new(1)).unwrap();
    // Sao Paulo: Virginia (121) and Amsterdam (191) are nearer than Singapore (337).
    assert_eq!(placement.voters.len(), 3);
    assert_eq!(placement.learners, [NodeId::new(3)]);
    assert_eq!(placement.commit_floor.as_millis(), 121);
}

#[test]
fn a_home_that_does_not_exist_is_named() {
    let topology = Topology::preset("three-regions").unwrap();
    let error = place(&topology, &"mars".parse().unwrap(), GroupId::new(1)).unwrap_err();
    assert_eq!(error.to_string(), "there is no region mars");
}
