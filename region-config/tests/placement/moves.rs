//! Re-replication: what stays, what moves, what must not be given up.

use std::collections::BTreeSet;

use holdfast_region_config::{
    GroupId, NodeId, Placement, PlacementError, PlacementRequest, Replicas, SurvivalGoal, Topology,
    place_for, replace,
};
use proptest::prelude::*;

use crate::drawn::{cases, fate, laws, majority_left, region_of};

fn replicas(placement: &Placement) -> Replicas<'_> {
    Replicas {
        voters: &placement.voters,
        learners: &placement.learners,
    }
}

fn set(nodes: &[NodeId]) -> BTreeSet<NodeId> {
    nodes.iter().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_placement_without_fault_stays((topology, request) in cases(7, 4)) {
        let Ok(before) = place_for(&topology, &request) else { return Ok(()) };
        prop_assert_eq!(replace(&topology, &request, replicas(&before)), Ok(before));
    }

    #[test]
    fn a_replacement_keeps_the_goal_and_uses_no_node_that_is_out((topology, request) in cases(7, 4)) {
        let whole = PlacementRequest { unavailable: BTreeSet::new(), ..request.clone() };
        let Ok(before) = place_for(&topology, &whole) else { return Ok(()) };
        let after = replace(&topology, &request, replicas(&before));
        prop_assert_eq!(after.is_ok(), place_for(&topology, &request).is_ok());
        let Ok(after) = after else { return Ok(()) };
        let replicas = after.voters.iter().chain(&after.learners);
        prop_assert!(replicas.into_iter().all(|id| !request.unavailable.contains(id)));
        if request.goal == SurvivalGoal::Region {
            for lost in &topology.regions {
                prop_assert!(majority_left(&after.voters, |id| region_of(&topology, id) == lost.id));
            }
        }
    }

    #[test]
    fn whatever_a_group_had_before_the_goal_holds_after(
        (topology, request) in cases(5, 4), votes in prop::collection::vec(prop::bool::weighted(0.3), 20)
    ) {
        let voters: Vec<NodeId> = topology.nodes.iter().zip(votes).filter(|(_, v)| *v).map(|(n, _)| n.id).collect();
        let current = Replicas { voters: &voters, learners: &[] };
        let Ok(after) = replace(&topology, &request, current) else { return Ok(()) };
        let replicas = after.voters.iter().chain(&after.learners).copied();
        prop_assert!(laws(&topology, replicas).iter().all(|law| request.allows(law.as_ref())));
        let lost_with = |id| match request.goal {
            SurvivalGoal::Region => region_of(&topology, id).to_string(),
            _ => fate(&topology, id),
        };
        if request.goal != SurvivalGoal::Nothing {
            for lost in &after.voters {
                prop_assert!(majority_left(&after.voters, |id| lost_with(id) == lost_with(*lost)));
            }
        }
    }

    #[test]
    fn one_lost_node_costs_at_most_one_new_voter((topology, request) in cases(7, 4)) {
        let whole = PlacementRequest { unavailable: BTreeSet::new(), ..request };
        let Ok(before) = place_for(&topology, &whole) else { return Ok(()) };
        for lost in &before.voters {
            let request = PlacementRequest { unavailable: [*lost].into(), ..whole.clone() };
            let Ok(after) = replace(&topology, &request, replicas(&before)) else { continue };
            let added = set(&after.voters).difference(&set(&before.voters)).count();
            prop_assert!(added <= 1);
        }
    }
}

fn eight(home: &str, goal: SurvivalGoal) -> (Topology, PlacementRequest) {
    let topology = Topology::preset("eight-regions").unwrap();
    let request = PlacementRequest {
        goal,
        ..PlacementRequest::new(home.parse().unwrap(), GroupId::new(3))
    };
    (topology, request)
}

#[test]
fn a_dead_node_is_replaced_by_its_neighbour() {
    let (topology, mut request) = eight("westeurope", SurvivalGoal::Region);
    let before = place_for(&topology, &request).unwrap();
    let dead = before.leader().unwrap();
    request.unavailable = [dead].into();
    let after = replace(&topology, &request, replicas(&before)).unwrap();
    let came: Vec<_> = set(&after.voters)
        .difference(&set(&before.voters))
        .copied()
        .collect();
    assert_eq!(came.len(), 1);
    assert_eq!(region_of(&topology, came[0]), request.home);
    assert_eq!(after.learners, before.learners);
}

#[test]
fn a_region_without_a_spare_node_gives_its_vote_to_the_next_region() {
    let (topology, mut request) = eight("eastasia", SurvivalGoal::Region);
    let before = place_for(&topology, &request).unwrap();
    request.unavailable = topology
        .nodes_in(&"japaneast".parse().unwrap())
        .map(|n| n.id)
        .collect();
    let after = replace(&topology, &request, replicas(&before)).unwrap();
    let came: Vec<_> = set(&after.voters)
        .difference(&set(&before.voters))
        .copied()
        .collect();
    assert_eq!(came.len(), 1);
    // From Hong Kong, Iowa (183) is the nearest after Singapore and Tokyo; the learner there already has the data.
    assert_eq!(region_of(&topology, came[0]).as_str(), "centralus");
    assert!(before.learners.contains(&came[0]));
}

#[test]
fn a_lost_home_is_led_from_the_nearest_region_and_one_voter_comes() {
    let (topology, mut request) = eight("centralus", SurvivalGoal::Region);
    let before = place_for(&topology, &request).unwrap();
    request.unavailable = topology.nodes_in(&request.home).map(|n| n.id).collect();
    let after = replace(&topology, &request, replicas(&before)).unwrap();
    assert_eq!(
        region_of(&topology, after.leader().unwrap()).as_str(),
        "eastus"
    );
    let kept = set(&after.voters)
        .intersection(&set(&before.voters))
        .count();
    assert_eq!(kept, 2);
}

#[test]
fn too_few_regions_left_is_an_error_and_not_a_weaker_promise() {
    let topology = Topology::preset("three-regions").unwrap();
    let request = PlacementRequest::new("eastus".parse().unwrap(), GroupId::new(1));
    let before = place_for(&topology, &request).unwrap();
    let request = PlacementRequest {
        unavailable: [NodeId::new(3)].into(),
        ..request
    };
    assert_eq!(
        replace(&topology, &request, replicas(&before)),
        Err(PlacementError::GoalOutOfReach {
            goal: SurvivalGoal::Region,
            needed: 3,
            available: 2,
            demanded: Vec::new(),
        })
    );
}

#[test]
fn a_show_that_gets_a_jurisdiction_later_leaves_everywhere_else() {
    let (topology, request) = eight("northeurope", SurvivalGoal::Region);
    let before = place_for(&topology, &request).unwrap();
    let bound = PlacementRequest {
        jurisdictions: ["EU".parse().unwrap()].into(),
        ..request
    };
    let after = replace(&topology, &bound, replicas(&before)).unwrap();
    assert_eq!(after.voters, before.voters);
    assert!(after.learners.is_empty(), "{after:?}");
}

#[test]
fn voters_that_share_a_zone_are_parted_when_zones_are_the_goal() {
    let (mut topology, request) = eight("westeurope", SurvivalGoal::Zone);
    let a = topology.nodes[2].zone.clone();
    topology.nodes[3].zone = a;
    let voters = [3, 4, 7].map(NodeId::new);
    let current = Replicas {
        voters: &voters,
        learners: &[],
    };
    let after = replace(&topology, &request, current).unwrap();
    // Two zones at home now: one of n3 and n4 stays, n5 comes, and Frankfurt keeps its vote.
    assert!(after.voters.contains(&NodeId::new(5)) && after.voters.contains(&NodeId::new(7)));
    let parted = after.voters.iter().filter(|id| [3, 4].contains(&id.get()));
    assert_eq!(parted.count(), 1);
    // For goal region a voter that stays is cheaper than a better zone.
    let (_, request) = eight("westeurope", SurvivalGoal::Region);
    let voters = [3, 4, 7, 8, 9].map(NodeId::new);
    let current = Replicas {
        voters: &voters,
        learners: &[],
    };
    let after = replace(&topology, &request, current).unwrap();
    assert_eq!(set(&after.voters), set(&voters));
}
