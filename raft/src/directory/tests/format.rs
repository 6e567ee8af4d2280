//! Bytes: what is written is read back, what an older release wrote is understood, garbage is named.

use super::nodes::registration;
use super::*;

const ENTRY_V1: &[u8] = include_bytes!("../../../tests/golden/directory-v1-entry.bin");
const SNAPSHOT_V1: &[u8] = include_bytes!("../../../tests/golden/directory-v1-snapshot.bin");
const ENTRY_V2: &[u8] = include_bytes!("../../../tests/golden/directory-v2-entry.bin");
const SNAPSHOT_V2: &[u8] = include_bytes!("../../../tests/golden/directory-v2-snapshot.bin");
const ENTRY_V3: &[u8] = include_bytes!("../../../tests/golden/directory-v3-entry.bin");
const SNAPSHOT_V3: &[u8] = include_bytes!("../../../tests/golden/directory-v3-snapshot.bin");

#[test]
fn bytes_survive_and_damage_is_named() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    state.apply(DirectoryCommand::RegisterNode {
        node: NodeId::new(1),
        registered: registration(7),
    });
    let region = RegionId::new("westeurope").expect("a region id");
    state.apply(DirectoryCommand::SetRegionState {
        region,
        state: RegionState::Evacuated,
        expected: Some(0),
    });
    state.apply(DirectoryCommand::SetFollowBuyers { follow: true });
    let bytes = encode_snapshot(&state).expect("encodes");
    assert_eq!(decode_snapshot(&bytes), Ok(state));
    assert_eq!(decode_commands(&bytes), Err(DirectoryCodecError::Magic));
    let mut damaged = bytes.to_vec();
    *damaged.last_mut().expect("not empty") ^= 1;
    assert_eq!(
        decode_snapshot(&damaged),
        Err(DirectoryCodecError::Checksum)
    );
    let mut newer = bytes.to_vec();
    newer[4] = 4;
    assert_eq!(
        decode_snapshot(&newer),
        Err(DirectoryCodecError::NewerVersion { found: 4 })
    );
    for cut in 0..14 {
        assert!(decode_snapshot(&bytes[..cut]).is_err(), "{cut} bytes");
    }
}

fn ids<const N: usize>(numbers: [u64; N]) -> Vec<NodeId> {
    numbers.map(NodeId::new).to_vec()
}

#[test]
fn what_the_first_release_wrote_means_the_same_by_log_and_by_snapshot() {
    let mut replayed = furnished();
    for command in decode_commands(ENTRY_V1).expect("format 1 is read") {
        let outcome = replayed.apply(command);
        assert!(
            !matches!(outcome, DirectoryOutcome::Rejected(_)),
            "{outcome:?}"
        );
    }
    let loaded = decode_snapshot(SNAPSHOT_V1).expect("format 1 is read");
    let record = &loaded.shows()[&ShowId(1)];
    assert_eq!(record.voters, ids([1, 2, 3]));
    assert_eq!(record.settled_voters, record.voters);
    assert_eq!(record.learners, ids([4]));
    assert_eq!(record.leader_preference, ids([2, 1, 3]));
    assert!(!record.is_settled() && loaded.unsettled().contains(&ShowId(1)));
    assert_eq!(loaded.version(), replayed.version());
    // All but the versions of single records, which format 1 did not keep.
    let mut alike = loaded.shows()[&ShowId(1)].as_ref().clone();
    alike.changed = replayed.shows()[&ShowId(1)].changed;
    assert_eq!(alike, *replayed.shows()[&ShowId(1)].as_ref());
    assert_eq!(
        loaded.nodes()[&NodeId::new(2)].registered,
        replayed.nodes()[&NodeId::new(2)].registered
    );
    assert_eq!(loaded.changes_since(loaded.version() - 1).count(), 4);
}

/// One of each command of format 2, in the order in which they do something.
fn one_of_each_v2() -> Vec<DirectoryCommand> {
    let (node, show_id) = (NodeId::new(9), ShowId(1));
    let region = RegionId::new("westeurope").expect("a region id");
    let event = NewEvent {
        slug: "ebb".to_owned(),
        name: "Ebb".to_owned(),
        category: "concert".to_owned(),
        description: "Low water".to_owned(),
    };
    vec![
        DirectoryCommand::RegisterNode {
            node,
            registered: registration(7),
        },
        DirectoryCommand::ImportPlan(Box::new(plan("quay"))),
        DirectoryCommand::CreateEvent(event),
        create_show(NewShow {
            goal: SurvivalGoal::Zone,
            jurisdictions: [Jurisdiction::new("EU").expect("a jurisdiction")].into(),
            ..show("tides-1")
        }),
        DirectoryCommand::SetNodeState {
            node,
            state: NodeState::Draining,
            expected: Some(1),
        },
        DirectoryCommand::SetRegionState {
            region,
            state: RegionState::Evacuated,
            expected: None,
        },
        DirectoryCommand::SetReplicas {
            show: show_id,
            expected: 1,
            voters: ids([1, 2, 4]),
            learners: ids([5]),
            leader_preference: ids([2, 1]),
        },
        DirectoryCommand::ReplicasSettled {
            show: show_id,
            generation: 2,
        },
        DirectoryCommand::ReplicasGone {
            node: NodeId::new(8),
            shows: vec![show_id],
        },
        DirectoryCommand::PinLeader {
            show: show_id,
            leader: Some(NodeId::new(1)),
        },
        DirectoryCommand::SetFollowBuyers { follow: true },
        DirectoryCommand::SetShowFollowsBuyers {
            show: show_id,
            follow: Some(false),
        },
    ]
}

fn applied(commands: &[DirectoryCommand]) -> DirectoryState {
    let mut state = furnished();
    for command in commands {
        let outcome = state.apply(command.clone());
        assert!(
            !matches!(outcome, DirectoryOutcome::Rejected(_)),
            "{outcome:?}"
        );
    }
    state
}

#[test]
fn what_format_2_wrote_means_the_same() {
    let commands = one_of_each_v2();
    let state = applied(&commands);
    assert_eq!(decode_commands(ENTRY_V2), Ok(commands));
    assert_eq!(decode_snapshot(SNAPSHOT_V2), Ok(state));
}

/// One of each command.
fn one_of_each() -> Vec<DirectoryCommand> {
    let region = RegionId::new("westeurope").expect("a region id");
    let new = |key, break_glass| NewSteering {
        key,
        region: region.clone(),
        asked_at_ms: 1_000,
        for_ms: 60_000,
        break_glass,
    };
    let named = SteeringKey::Pin("tickets.example.".to_owned());
    let mut commands = one_of_each_v2();
    commands.extend([
        DirectoryCommand::SetSteering(new(named.clone(), false)),
        DirectoryCommand::SetSteering(new(SteeringKey::PinAll, false)),
        DirectoryCommand::SetSteering(new(SteeringKey::Drain(region.clone()), true)),
        DirectoryCommand::ClearSteering { key: Some(named) },
    ]);
    commands
}

#[test]
fn this_releases_bytes_are_as_they_were_when_it_was_published() {
    let commands = one_of_each();
    let state = applied(&commands);
    assert_eq!(decode_commands(ENTRY_V3), Ok(commands.clone()));
    assert_eq!(decode_snapshot(SNAPSHOT_V3), Ok(state.clone()));
    assert_eq!(encode_commands(&commands).expect("encodes"), ENTRY_V3);
    assert_eq!(encode_snapshot(&state).expect("encodes"), SNAPSHOT_V3);
}
