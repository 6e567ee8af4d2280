//! The promises: goal, jurisdiction, home, order, spread.

use std::collections::BTreeSet;

use holdfast_region_config::placement::{VOTERS_MAX, commit_floor};
use holdfast_region_config::{
    GroupId, NodeId, PlacementError, PlacementRequest, RegionId, SurvivalGoal, Topology, place,
    place_for,
};
use proptest::prelude::*;

use crate::drawn::{cases, fate, laws, majority_left, region_of, topologies};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_loss_that_the_goal_names_leaves_a_majority((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        prop_assert_eq!(placement.goal, request.goal);
        match request.goal {
            SurvivalGoal::Region => for lost in &topology.regions {
                prop_assert!(majority_left(&placement.voters, |id| region_of(&topology, id) == lost.id));
            },
            SurvivalGoal::Zone => for lost in &topology.nodes {
                let lost = fate(&topology, lost.id);
                prop_assert!(majority_left(&placement.voters, |id| fate(&topology, id) == lost));
            },
            SurvivalGoal::Nothing => prop_assert!(!placement.voters.is_empty()),
        }
    }

    #[test]
    fn voters_are_distinct_usable_bounded_and_odd((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        let voters: BTreeSet<_> = placement.voters.iter().copied().collect();
        prop_assert_eq!(voters.len(), placement.voters.len());
        prop_assert!(voters.len() <= VOTERS_MAX);
        let odd_or_single_machines = voters.len() % 2 == 1 || request.goal == SurvivalGoal::Nothing;
        prop_assert!(odd_or_single_machines);
        let learners: BTreeSet<_> = placement.learners.iter().copied().collect();
        prop_assert!(voters.is_disjoint(&learners));
        prop_assert!(voters.union(&learners).all(|id| !request.unavailable.contains(id)));
        prop_assert!(voters.iter().all(|id| topology.region(&region_of(&topology, *id)).unwrap().voting));
        let preferred: BTreeSet<_> = placement.leader_preference.iter().copied().collect();
        prop_assert_eq!(preferred, voters);
    }

    #[test]
    fn no_replica_is_outside_the_jurisdiction((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        let replicas = placement.voters.iter().chain(&placement.learners).copied();
        for law in laws(&topology, replicas) {
            prop_assert!(request.allows(law.as_ref()), "{law:?}");
        }
    }

    #[test]
    fn every_allowed_region_that_can_has_exactly_its_share((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        for region in &topology.regions {
            let here = |id: &&NodeId| region_of(&topology, **id) == region.id;
            let voters = placement.voters.iter().filter(here).count();
            let learners = placement.learners.iter().filter(here).count();
            let usable = topology.nodes_in(&region.id).any(|node| !request.unavailable.contains(&node.id));
            let due = usable && request.allows(region.jurisdiction.as_ref()) && voters == 0;
            prop_assert_eq!(learners, usize::from(due), "{}", &region.id);
        }
    }

    #[test]
    fn the_leader_is_at_home_and_successors_follow_by_nearness_then_floor((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        let leader = placement.leader().unwrap();
        let led_from = region_of(&topology, leader);
        let home_usable = topology.nodes_in(&request.home).any(|node| !request.unavailable.contains(&node.id));
        if home_usable {
            prop_assert_eq!(&led_from, &request.home);
        }
        prop_assert_eq!(placement.commit_floor, commit_floor(&topology, leader, &placement.voters));
        let away = |id: &NodeId| region_of(&topology, *id) != led_from;
        // Beside the leader first, without a gap.
        let sides: Vec<bool> = placement.leader_preference.iter().map(away).collect();
        prop_assert!(sides.is_sorted());
        // Both ends' figures count alike, or the faster one would be whoever measured first.
        let mean = |from: &RegionId, to: &RegionId| {
            (topology.rtt.between(from, to) + topology.rtt.between(to, from)) / 2
        };
        let floors: Vec<_> = placement.leader_preference.iter().filter(|id| away(id))
            .map(|id| {
                let others = placement.voters.iter().filter(|other| *other != id);
                let mut trips: Vec<_> = others
                    .map(|other| mean(&region_of(&topology, *id), &region_of(&topology, *other))).collect();
                trips.sort_unstable();
                trips[placement.voters.len() / 2 - 1]
            }).collect();
        prop_assert!(floors.is_sorted());
        if placement.voters.len() == VOTERS_MAX {
            prop_assert_eq!(region_of(&topology, placement.secondary().unwrap()), led_from);
        }
    }

    #[test]
    fn the_same_question_gets_the_same_answer_whatever_the_order_of_the_file((topology, request) in cases(7, 4)) {
        let placement = place_for(&topology, &request);
        prop_assert_eq!(&placement, &place_for(&topology, &request));
        let mut shuffled = topology.clone();
        shuffled.regions.reverse();
        shuffled.nodes.reverse();
        prop_assert_eq!(&placement, &place_for(&shuffled, &request));
    }

    #[test]
    fn a_goal_is_refused_only_where_it_cannot_be_kept((topology, request) in cases(7, 4)) {
        let usable = |region: &&holdfast_region_config::Region| {
            region.voting && request.allows(region.jurisdiction.as_ref())
                && topology.nodes_in(&region.id).any(|node| !request.unavailable.contains(&node.id))
        };
        let regions: Vec<_> = topology.regions.iter().filter(usable).collect();
        let fates: BTreeSet<_> = regions.iter().flat_map(|region| topology.nodes_in(&region.id))
            .filter(|node| !request.unavailable.contains(&node.id)).map(|node| fate(&topology, node.id)).collect();
        let reachable = match request.goal {
            SurvivalGoal::Region => regions.len() >= 3,
            SurvivalGoal::Zone => fates.len() >= 3,
            SurvivalGoal::Nothing => {
                let lawful = |region: &&holdfast_region_config::Region| {
                    region.voting && request.allows(region.jurisdiction.as_ref())
                };
                let all = topology.regions.iter().filter(lawful).flat_map(|region| topology.nodes_in(&region.id));
                let (out, left): (Vec<_>, Vec<_>) = all.partition(|node| request.unavailable.contains(&node.id));
                left.len() >= (out.len() + left.len()).min(3)
            }
        };
        match place_for(&topology, &request) {
            Ok(_) => prop_assert!(reachable),
            Err(PlacementError::GoalOutOfReach { available, needed, .. }) => {
                prop_assert!(!reachable);
                prop_assert!(available < needed);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn without_a_request_the_strongest_goal_is_kept(topology in topologies(7, 4)) {
        for home in topology.regions.iter().filter(|region| region.voting) {
            let placement = place(&topology, &home.id, GroupId::new(1)).unwrap();
            let voting = topology.regions.iter().filter(|region| region.voting).count();
            prop_assert_eq!(placement.goal == SurvivalGoal::Region, voting >= 3);
        }
    }

    #[test]
    fn a_topology_survives_its_text_form(topology in topologies(7, 4)) {
        prop_assert_eq!(Topology::parse(&topology.to_toml()).unwrap(), topology);
    }
}

#[test]
fn ten_thousand_shows_load_the_nodes_of_a_region_evenly() {
    let topology = Topology::preset("eight-regions").unwrap();
    let home: RegionId = "westeurope".parse().unwrap();
    let mut led = std::collections::BTreeMap::new();
    let mut carried = std::collections::BTreeMap::new();
    for group in 1..=10_000 {
        let request = PlacementRequest::new(home.clone(), GroupId::new(group));
        let placement = place_for(&topology, &request).unwrap();
        *led.entry(placement.leader().unwrap()).or_insert(0_u32) += 1;
        for node in placement.voters.iter().chain(&placement.learners) {
            *carried.entry(*node).or_insert(0_u32) += 1;
        }
    }
    // Three nodes at home: a third of the leaders and two thirds of the replicas each.
    assert_eq!(led.len(), 3);
    let fair = |count: u32, share: f64| (f64::from(count) / (10_000.0 * share) - 1.0).abs() < 0.05;
    assert!(led.values().all(|n| fair(*n, 1.0 / 3.0)), "{led:?}");
    for node in topology.nodes_in(&home) {
        assert!(fair(carried[&node.id], 2.0 / 3.0), "{carried:?}");
    }
    // Dublin has two nodes and one voter, Virginia two nodes and one learner.
    for region in ["northeurope", "eastus"] {
        for node in topology.nodes_in(&region.parse().unwrap()) {
            assert!(fair(carried[&node.id], 0.5), "{region}: {carried:?}");
        }
    }
}

#[test]
fn equally_near_regions_share_the_load() {
    let mut text = "cluster = \"even\"\n[rtt]\nsource = \"typed\"\n".to_owned();
    for from in 0..4 {
        text += &format!("[rtt.ms.r{from}]\n");
        for to in (0..4).filter(|to| *to != from) {
            text += &format!("r{to} = 20.0\n");
        }
    }
    for n in 0..4 {
        text += &format!("[[region]]\nid = \"r{n}\"\nname = \"R\"\nlat = 0.0\nlon = 0.0\n");
        text += &format!(
            "[[node]]\nid = {}\nregion = \"r{n}\"\naddr = \"h:{}\"\n",
            n + 1,
            n + 1
        );
    }
    let topology = Topology::parse(&text).unwrap();
    let mut voted = [0_u32; 5];
    for group in 1..=3_000 {
        let placement = place(&topology, &"r0".parse().unwrap(), GroupId::new(group)).unwrap();
        for node in &placement.voters {
            voted[usize::try_from(node.get()).unwrap()] += 1;
        }
    }
    assert_eq!(voted[1], 3_000);
    assert!(
        voted[2..].iter().all(|n| (1_800..2_200).contains(n)),
        "{voted:?}"
    );
}

#[test]
fn faults_of_the_home_are_named() {
    let topology = Topology::preset("eight-regions").unwrap();
    let refuse = |home: &str, law: &str| {
        let jurisdictions = [law.parse().unwrap()].into();
        let request = PlacementRequest::new(home.parse().unwrap(), GroupId::new(1));
        let request = PlacementRequest {
            jurisdictions,
            ..request
        };
        place_for(&topology, &request).unwrap_err().to_string()
    };
    assert_eq!(refuse("mars", "EU"), "there is no region mars");
    assert_eq!(
        refuse("eastus", "EU"),
        "region eastus is outside EU, where every replica must be"
    );
    assert_eq!(
        refuse("eastus", "US"),
        "goal region needs 3 voting regions with usable nodes inside US, there are 2"
    );
}
