//! Nodes and regions: one number is one disk, and what was removed stays removed.

use super::*;

pub(super) fn registration(disk: u128) -> NodeRegistration {
    NodeRegistration {
        region: RegionId::new("westeurope").expect("a region id"),
        zone: Some("a".to_owned()),
        addr: "127.0.0.1:7101".to_owned(),
        disk: DiskId::new(disk),
        release: "0.2.0".to_owned(),
    }
}

fn register(state: &mut DirectoryState, node: u64, disk: u128) -> DirectoryOutcome {
    state.apply(DirectoryCommand::RegisterNode {
        node: NodeId::new(node),
        registered: registration(disk),
    })
}

fn set(
    state: &mut DirectoryState,
    node: u64,
    wanted: NodeState,
    expected: Option<u64>,
) -> DirectoryOutcome {
    state.apply(DirectoryCommand::SetNodeState {
        node: NodeId::new(node),
        state: wanted,
        expected,
    })
}

fn code(outcome: DirectoryOutcome) -> &'static str {
    match outcome {
        DirectoryOutcome::Rejected(rejection) => rejection.code(),
        other => panic!("{other:?}"),
    }
}

const fn done(generation: u64, changed: bool) -> DirectoryOutcome {
    DirectoryOutcome::Set {
        generation,
        changed,
    }
}

#[test]
fn number_belongs_to_the_disk_that_first_announced_itself() {
    let mut state = furnished();
    assert_eq!(register(&mut state, 1, 7), done(1, true));
    assert_eq!(register(&mut state, 1, 7), done(1, false), "it restarted");
    assert_eq!(code(register(&mut state, 1, 8)), "disk_changed");
    assert_eq!(register(&mut state, 2, 8), done(1, true));
}

#[test]
fn node_known_from_an_older_release_is_given_its_disk() {
    let mut state = furnished();
    let mut registered = registration(7);
    registered.disk = None;
    let node = NodeId::new(1);
    state.apply(DirectoryCommand::RegisterNode { node, registered });
    assert_eq!(register(&mut state, 1, 7), done(1, true));
    assert_eq!(code(register(&mut state, 1, 8)), "disk_changed");
}

#[test]
fn state_is_set_once_and_only_by_who_knows_the_last_one() {
    let mut state = furnished();
    assert_eq!(
        code(set(&mut state, 1, NodeState::Draining, None)),
        "node_unknown"
    );
    register(&mut state, 1, 7);
    assert_eq!(
        set(&mut state, 1, NodeState::Draining, Some(1)),
        done(2, true)
    );
    let version = state.version();
    assert_eq!(
        set(&mut state, 1, NodeState::Draining, Some(1)),
        done(2, false)
    );
    assert_eq!(state.version(), version, "a repeat changes nothing");
    assert_eq!(
        code(set(&mut state, 1, NodeState::Serving, Some(1))),
        "stale_generation"
    );
    assert_eq!(
        register(&mut state, 1, 7),
        done(2, false),
        "a restart keeps it"
    );
    assert_eq!(state.node_state(NodeId::new(1)), NodeState::Draining);
}

#[test]
fn removed_node_never_returns_and_a_node_with_replicas_is_not_removed() {
    let mut state = furnished();
    register(&mut state, 1, 7);
    register(&mut state, 9, 9);
    state.apply(create_show(show("tides-1")));
    assert_eq!(
        code(set(&mut state, 1, NodeState::Removed, None)),
        "node_in_use"
    );
    assert_eq!(set(&mut state, 9, NodeState::Removed, None), done(2, true));
    assert_eq!(code(register(&mut state, 9, 9)), "node_removed");
    assert_eq!(
        code(set(&mut state, 9, NodeState::Serving, None)),
        "node_removed"
    );
}

#[test]
fn region_is_evacuated_and_restored_when_somebody_lives_there() {
    let mut state = furnished();
    let region = || RegionId::new("westeurope").expect("a region id");
    let set = |state: &mut DirectoryState, wanted, expected| {
        state.apply(DirectoryCommand::SetRegionState {
            region: region(),
            state: wanted,
            expected,
        })
    };
    assert_eq!(
        code(set(&mut state, RegionState::Evacuated, None)),
        "region_unknown"
    );
    register(&mut state, 1, 7);
    assert_eq!(set(&mut state, RegionState::Serving, None), done(0, false));
    assert_eq!(
        set(&mut state, RegionState::Evacuated, Some(0)),
        done(1, true)
    );
    assert_eq!(state.region_state(&region()), RegionState::Evacuated);
    assert_eq!(
        code(set(&mut state, RegionState::Serving, Some(0))),
        "stale_generation"
    );
    assert_eq!(
        set(&mut state, RegionState::Serving, Some(1)),
        done(2, true)
    );
}
