//! Placement: generations, what is kept until it is safe to delete, and when a deleted replica may return.

use super::*;

fn ids(numbers: &[u64]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId::new).collect()
}

fn placed() -> DirectoryState {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    state
}

fn place(
    state: &mut DirectoryState,
    expected: u64,
    voters: &[u64],
    learners: &[u64],
) -> Result<u64, DirectoryRejection> {
    let outcome = state.apply(DirectoryCommand::SetReplicas {
        show: ShowId(1),
        expected,
        voters: ids(voters),
        learners: ids(learners),
        leader_preference: ids(&voters[..1]),
    });
    match outcome {
        DirectoryOutcome::Set { generation, .. } => Ok(generation),
        DirectoryOutcome::Rejected(rejection) => Err(rejection),
        other => panic!("{other:?}"),
    }
}

fn settle(state: &mut DirectoryState, generation: u64) -> DirectoryOutcome {
    let show = ShowId(1);
    state.apply(DirectoryCommand::ReplicasSettled { show, generation })
}

fn gone(state: &mut DirectoryState, node: u64) {
    state.apply(DirectoryCommand::ReplicasGone {
        node: NodeId::new(node),
        shows: vec![ShowId(1)],
    });
}

fn record(state: &DirectoryState) -> &ShowRecord {
    &state.shows()[&ShowId(1)]
}

#[test]
fn placement_changes_only_for_who_knows_the_last_one() {
    let mut state = placed();
    assert_eq!(place(&mut state, 1, &[1, 2, 4], &[]), Ok(2));
    assert_eq!(place(&mut state, 1, &[1, 2, 4], &[]), Ok(2), "a repeat");
    let stale = place(&mut state, 1, &[1, 2, 5], &[]).map_err(|r| r.code());
    assert_eq!(stale, Err("stale_generation"));
    assert_eq!(
        settle(&mut state, 1),
        DirectoryOutcome::Rejected(DirectoryRejection::StaleGeneration {
            expected: 1,
            found: 2
        })
    );
    assert!(state.unsettled().contains(&ShowId(1)));
    settle(&mut state, 2);
    assert!(state.unsettled().is_empty() && record(&state).is_settled());
}

#[test]
fn nonsense_is_refused() {
    let mut state = placed();
    for (voters, learners) in [(&[1, 1, 2][..], &[][..]), (&[1, 2, 3], &[3])] {
        let refused = place(&mut state, 1, voters, learners).map_err(|r| r.code());
        assert_eq!(refused, Err("invalid"), "{voters:?} {learners:?}");
    }
}

#[test]
fn replica_is_kept_until_the_group_has_let_go_of_it() {
    let mut state = placed();
    place(&mut state, 1, &[1, 2, 4], &[]).expect("placed");
    let out = NodeId::new(3);
    assert!(record(&state).keeps_replica(out) && !record(&state).has_replica(out));
    assert!(!record(&state).is_released(out));
    settle(&mut state, 2);
    assert!(!record(&state).keeps_replica(out) && record(&state).is_released(out));
    gone(&mut state, 3);
    assert!(record(&state).leaving.is_empty());
    assert_eq!(
        place(&mut state, 2, &[1, 2, 3], &[]),
        Ok(3),
        "it may return"
    );
}

#[test]
fn replica_that_has_not_been_released_may_be_taken_back() {
    let mut state = placed();
    place(&mut state, 1, &[1, 2, 4], &[]).expect("placed");
    assert_eq!(place(&mut state, 2, &[1, 2, 3], &[]), Ok(3));
    let leaving = &record(&state).leaving;
    assert_eq!(leaving.len(), 1);
    assert_eq!(leaving[0].node, NodeId::new(4));
}

#[test]
fn deleted_replica_returns_only_when_no_stale_one_is_left() {
    let mut state = placed();
    place(&mut state, 1, &[1, 4, 5], &[]).expect("placed");
    settle(&mut state, 2);
    gone(&mut state, 2);
    // Node 3 is dead: its replica still believes that nodes 1, 2 and 3 vote. An empty node 2 could make it leader.
    let refused = place(&mut state, 2, &[1, 4, 2], &[5]).map_err(|r| r.code());
    assert_eq!(refused, Err("replica_leaving"));
    gone(&mut state, 3);
    assert_eq!(place(&mut state, 2, &[1, 4, 2], &[5]), Ok(3));
}

#[test]
fn removing_a_dead_node_counts_its_replicas_as_gone() {
    let mut state = placed();
    state.apply(DirectoryCommand::RegisterNode {
        node: NodeId::new(3),
        registered: super::nodes::registration(3),
    });
    place(&mut state, 1, &[1, 2, 4], &[]).expect("placed");
    let remove = DirectoryCommand::SetNodeState {
        node: NodeId::new(3),
        state: NodeState::Removed,
        expected: None,
    };
    let DirectoryOutcome::Rejected(early) = state.apply(remove.clone()) else {
        panic!("the group may still count on it")
    };
    assert_eq!(early.code(), "node_in_use");
    settle(&mut state, 2);
    state.apply(remove);
    assert!(record(&state).leaving.is_empty());
    let refused = place(&mut state, 2, &[1, 2, 3], &[]).map_err(|r| r.code());
    assert_eq!(refused, Err("node_removed"));
}

#[test]
fn only_a_group_that_was_never_seen_to_run_may_be_initialised() {
    let mut state = placed();
    let may = |state: &DirectoryState, node| record(state).may_initialise(NodeId::new(node));
    place(&mut state, 1, &[1, 2, 4], &[]).expect("placed");
    assert!(
        may(&state, 1) && may(&state, 3),
        "the first membership stays"
    );
    assert!(!may(&state, 4), "a newcomer never starts the group");
    settle(&mut state, 2);
    assert!(!may(&state, 1) && !may(&state, 3));
}

#[test]
fn pin_goes_with_the_voter() {
    let mut state = placed();
    let (show, leader) = (ShowId(1), Some(NodeId::new(3)));
    state.apply(DirectoryCommand::PinLeader { show, leader });
    place(&mut state, 1, &[3, 2, 4], &[]).expect("placed");
    assert_eq!(record(&state).leader_pin, leader);
    place(&mut state, 2, &[1, 2, 4], &[]).expect("placed");
    assert_eq!(record(&state).leader_pin, None);
}

#[test]
fn ten_thousand_shows_are_a_few_megabytes_and_a_change_names_one_of_them() {
    let mut state = furnished();
    for number in 1..=10_000 {
        state.apply(create_show(show(&format!("tides-{number}"))));
        let (show, generation) = (ShowId(number), 1);
        state.apply(DirectoryCommand::ReplicasSettled { show, generation });
    }
    let bytes = encode_snapshot(&state).expect("encodes");
    assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    assert_eq!(decode_snapshot(&bytes).as_ref(), Ok(&state));
    assert!(state.unsettled().is_empty());
    let seen = state.version();
    place(&mut state, 1, &[1, 2, 4], &[]).expect("placed");
    assert_eq!(state.shows_changed_since(seen).len(), 1);
    assert_eq!(state.unsettled().len(), 1);
    // A copy for a snapshot shares the records.
    let copy = state.clone();
    let (ours, theirs) = (&state.shows()[&ShowId(2)], &copy.shows()[&ShowId(2)]);
    assert!(std::sync::Arc::ptr_eq(ours, theirs));
}
