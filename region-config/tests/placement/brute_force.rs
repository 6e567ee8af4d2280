//! The neighbourhood that wins is the best of all sets of nodes, not only of those that the code lists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_region_config::placement::floor_without;
use holdfast_region_config::{
    NodeId, PlacementRequest, RegionId, Replicas, SurvivalGoal, Topology, place_for, replace,
};
use proptest::prelude::*;

use crate::drawn::{cases, fate, majority_left, region_of};

/// Every set of `count` of `nodes`.
fn sets(nodes: &[NodeId], count: usize) -> Vec<Vec<NodeId>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for (at, first) in nodes.iter().enumerate() {
        for mut rest in sets(&nodes[at + 1..], count - 1) {
            rest.push(*first);
            found.push(rest);
        }
    }
    found
}

fn usable(topology: &Topology, request: &PlacementRequest) -> Vec<NodeId> {
    let may_vote = |id: &RegionId| {
        let region = topology.region(id).unwrap();
        region.voting && request.allows(region.jurisdiction.as_ref())
    };
    let nodes = topology.nodes.iter().filter(|node| may_vote(&node.region));
    nodes
        .map(|node| node.id)
        .filter(|id| !request.unavailable.contains(id))
        .collect()
}

/// Every set of voters that keeps the goal and has one at home, of any shape at all.
fn lawful(topology: &Topology, request: &PlacementRequest) -> Vec<Vec<NodeId>> {
    let nodes = usable(topology, request);
    let counts: &[usize] = if request.goal == SurvivalGoal::Region {
        &[3, 5]
    } else {
        &[3]
    };
    let all = counts.iter().flat_map(|count| sets(&nodes, *count));
    let lost_together = |id: NodeId| match request.goal {
        SurvivalGoal::Region => region_of(topology, id).to_string(),
        _ => fate(topology, id),
    };
    all.filter(|voters| {
        let at_home = |id: &NodeId| region_of(topology, *id) == request.home;
        let fates: BTreeSet<_> = voters.iter().map(|id| lost_together(*id)).collect();
        let survives = |lost: &String| majority_left(voters, |id| lost_together(id) == *lost);
        voters.iter().any(at_home) && fates.iter().all(survives)
    })
    .collect()
}

/// The floor at home, and the floor after the worst loss that leaves a leader at home.
fn figures(
    topology: &Topology,
    request: &PlacementRequest,
    voters: &[NodeId],
) -> (Duration, Duration) {
    let mut order = voters.to_vec();
    order.sort_by_key(|id| region_of(topology, *id) != request.home);
    let floor = |lost: &dyn Fn(NodeId) -> bool| {
        floor_without(topology, &order, lost).map_or(Duration::MAX, |(_, floor)| floor)
    };
    let leader = order[0];
    let losses = order[1..].iter().filter(|id| {
        request.goal != SurvivalGoal::Region || region_of(topology, **id) != request.home
    });
    let after = losses.map(|gone| match request.goal {
        SurvivalGoal::Region => floor(&|id| region_of(topology, id) == region_of(topology, *gone)),
        _ => floor(&|id| id == *gone && id != leader),
    });
    (floor(&|_| false), after.max().unwrap_or(Duration::MAX))
}

/// How many voters each region has, by size; `None` when the shape is not one that placements have.
fn shape(topology: &Topology, request: &PlacementRequest, voters: &[NodeId]) -> Option<()> {
    let mut counts: BTreeMap<RegionId, usize> = BTreeMap::new();
    for id in voters {
        *counts.entry(region_of(topology, *id)).or_default() += 1;
    }
    let at_home = counts.get(&request.home).copied();
    let lawful = match (request.goal, voters.len()) {
        (SurvivalGoal::Region, 5) => counts.len() == 3 && at_home == Some(2),
        (SurvivalGoal::Region, _) => counts.len() == 3,
        _ => true,
    };
    lawful.then_some(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_else_commits_faster((topology, request) in cases(5, 3)) {
        prop_assume!(request.goal != SurvivalGoal::Nothing);
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        let ours = figures(&topology, &request, &placement.voters);
        // A home without nodes is led from elsewhere; that is tested below.
        prop_assume!(region_of(&topology, placement.leader().unwrap()) == request.home);
        let best = lawful(&topology, &request).iter().map(|set| figures(&topology, &request, set)).min();
        prop_assert_eq!(Some(ours), best);
    }

    #[test]
    fn a_replacement_keeps_as_many_voters_as_can_be_kept((topology, request) in cases(5, 3)) {
        prop_assume!(request.goal != SurvivalGoal::Nothing);
        let whole = PlacementRequest { unavailable: BTreeSet::new(), ..request.clone() };
        let Ok(before) = place_for(&topology, &whole) else { return Ok(()) };
        let current = Replicas { voters: &before.voters, learners: &before.learners };
        let Ok(after) = replace(&topology, &request, current) else { return Ok(()) };
        prop_assume!(region_of(&topology, after.leader().unwrap()) == request.home);
        let cost = |voters: &[NodeId]| {
            let kept = voters.iter().filter(|id| before.voters.contains(id)).count();
            (std::cmp::Reverse(kept), voters.len() - kept)
        };
        let all = lawful(&topology, &request);
        let ours = cost(&after.voters);
        let best = all.iter().filter(|set| shape(&topology, &request, set).is_some()).map(|set| cost(set)).min();
        prop_assert_eq!(Some(ours), best);
        // And no more come than have gone.
        let gone = before.voters.iter().filter(|id| request.unavailable.contains(id)).count();
        prop_assert!(ours.1 <= gone);
    }
}
