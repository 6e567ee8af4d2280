//! Which goal a show is placed anew for when its topology has shrunk, and who takes part in the directory.

use holdfast_region_config::GroupId;

use super::*;
use crate::directory::sample;

fn ids(numbers: &[u64]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId::new).collect()
}

/// Three regions with two nodes each, n1 and n2 in Virginia, without the nodes above `last`.
fn topology_up_to(last: u64) -> Topology {
    let trio = Topology::preset("three-regions").unwrap();
    let pairs = trio.with_nodes_per_region(2).unwrap();
    pairs.with_nodes(|node| node.get() <= last).unwrap()
}

/// A show at home in Virginia that asks for the loss of any region, as one does for which nobody named a goal.
fn show_on(voters: &[u64]) -> ShowRecord {
    let show_id = ShowId(1);
    ShowRecord {
        show_id,
        group_id: GroupId::new(1),
        voters: ids(voters),
        learners: Vec::new(),
        leader_preference: ids(voters),
        generation: 1,
        settled: 1,
        settled_voters: ids(voters),
        leaving: Vec::new(),
        leader_pin: None,
        follow_buyers: None,
        show: sample::show("tides-1", "eastus"),
        changed: 1,
    }
}

fn without(node: u64) -> BTreeSet<NodeId> {
    BTreeSet::from([NodeId::new(node)])
}

/// Asserts that there is nowhere to go, because `goal` is out of reach.
fn assert_stays(topology: &Topology, record: &ShowRecord, out: u64, goal: SurvivalGoal) {
    let again = place_again(topology, record, &without(out));
    let is_refused = matches!(
        &again,
        Err(PlacementError::GoalOutOfReach { goal: refused, .. }) if *refused == goal
    );
    assert!(is_refused, "{again:?}");
}

#[test]
fn a_show_that_survives_a_region_stays_when_its_third_region_leaves_the_topology() {
    let two_regions = topology_up_to(4);
    assert_stays(&two_regions, &show_on(&[1, 3, 5]), 5, SurvivalGoal::Region);
}

#[test]
fn a_show_that_survives_a_zone_stays_when_only_two_nodes_are_left_in_the_topology() {
    let two_nodes = topology_up_to(2);
    assert_stays(&two_nodes, &show_on(&[1, 2, 3]), 3, SurvivalGoal::Zone);
}

#[test]
fn a_goal_that_was_named_is_kept_also_where_the_topology_promises_less() {
    let mut record = show_on(&[1, 2]);
    record.show.goal = SurvivalGoal::Zone;
    assert_stays(&topology_up_to(2), &record, 2, SurvivalGoal::Zone);
}

#[test]
fn a_show_that_began_where_only_a_zone_could_be_survived_moves_within_that() {
    let two_regions = topology_up_to(4);
    let record = show_on(&[1, 2, 3]);
    let placement = place_again(&two_regions, &record, &without(3)).unwrap();
    assert_eq!(placement.goal, SurvivalGoal::Zone);
    let voters: BTreeSet<NodeId> = placement.voters.into_iter().collect();
    assert_eq!(voters, ids(&[1, 2, 4]).into_iter().collect());
}

#[test]
fn a_show_survives_a_region_again_as_soon_as_the_topology_has_three() {
    let record = show_on(&[1, 2, 3]);
    let request = request_for(&topology_up_to(6), &record, &without(3)).unwrap();
    assert_eq!(request.goal, SurvivalGoal::Region);
}

#[test]
fn the_directory_keeps_who_is_away_lets_go_of_who_is_gone_and_brings_in_who_is_heard() {
    let set = |numbers: &[u64]| ids(numbers).into_iter().collect::<BTreeSet<_>>();
    let (topology, members) = (topology_up_to(6), set(&[1, 3, 5, 6]));
    let is_heard = |node: NodeId| [1, 3, 4].contains(&node.get());
    let taking_part = |gone: &[u64]| directory_members(&topology, &members, &set(gone), is_heard);
    assert_eq!(
        taking_part(&[]),
        set(&[1, 3, 4, 5, 6]),
        "n2 is brought in when it is heard"
    );
    assert_eq!(taking_part(&[6]), set(&[1, 3, 4, 5]));
    assert_eq!(
        taking_part(&[4]),
        set(&[1, 3, 5, 6]),
        "removed, and heard all the same"
    );
}
