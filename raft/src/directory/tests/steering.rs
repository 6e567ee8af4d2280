//! What DNS is told: with an end, within bounds, and never for the last region.

use super::nodes::registration;
use super::*;
use crate::directory::command::NewSteering;

fn region(text: &str) -> RegionId {
    RegionId::new(text).expect("a region id")
}

/// Two regions with a node each.
fn two_regions() -> DirectoryState {
    let mut state = DirectoryState::default();
    for (number, name) in [(1, "westeurope"), (2, "eastus")] {
        let mut registered = registration(u128::from(number));
        registered.region = region(name);
        state.apply(DirectoryCommand::RegisterNode {
            node: NodeId::new(number),
            registered,
        });
    }
    state
}

fn drain(name: &str, asked_at_ms: u64, break_glass: bool) -> DirectoryCommand {
    DirectoryCommand::SetSteering(NewSteering {
        key: SteeringKey::Drain(region(name)),
        region: region(name),
        asked_at_ms,
        for_ms: 1_000,
        break_glass,
    })
}

fn pin(key: SteeringKey, for_ms: u64) -> DirectoryCommand {
    DirectoryCommand::SetSteering(NewSteering {
        key,
        region: region("eastus"),
        asked_at_ms: 50,
        for_ms,
        break_glass: false,
    })
}

fn code(outcome: &DirectoryOutcome) -> &'static str {
    match outcome {
        DirectoryOutcome::Rejected(rejection) => rejection.code(),
        DirectoryOutcome::Set { changed: true, .. } => "changed",
        _ => "unchanged",
    }
}

#[test]
fn one_region_stays_open_unless_somebody_breaks_the_glass() {
    let mut state = two_regions();
    assert_eq!(code(&state.apply(drain("eastus", 0, false))), "changed");
    assert_eq!(
        code(&state.apply(drain("westeurope", 0, false))),
        "last_region"
    );
    assert_eq!(
        code(&state.apply(drain("eastus", 10, false))),
        "changed",
        "the same again, longer"
    );
    let broken = state.clone().apply(drain("westeurope", 0, true));
    assert_eq!(code(&broken), "changed");
    // The first drain has ended at 1,010 ms.
    assert_eq!(
        code(&state.apply(drain("westeurope", 1_010, false))),
        "changed"
    );
    let drained: Vec<&RegionId> = state.steering().drained_at(1_020).collect();
    assert_eq!(drained, [&region("westeurope")]);
    // A region that was evacuated is not open either.
    let mut state = two_regions();
    state.apply(DirectoryCommand::SetRegionState {
        region: region("eastus"),
        state: RegionState::Evacuated,
        expected: None,
    });
    assert_eq!(
        code(&state.apply(drain("westeurope", 0, false))),
        "last_region"
    );
}

#[test]
fn every_wish_has_an_end_and_a_region_that_exists() {
    let mut state = two_regions();
    assert_eq!(code(&state.apply(pin(SteeringKey::PinAll, 0))), "invalid");
    assert_eq!(
        code(&state.apply(pin(SteeringKey::PinAll, STEERING_MS_MAX + 1))),
        "invalid"
    );
    assert_eq!(
        code(&state.apply(pin(SteeringKey::Pin(String::new()), 1))),
        "invalid"
    );
    assert_eq!(code(&state.apply(drain("mars", 0, true))), "region_unknown");
    assert_eq!(code(&state.apply(pin(SteeringKey::PinAll, 1))), "changed");
    let wish = &state.steering().wishes()[&SteeringKey::PinAll];
    assert_eq!((wish.until_ms, &wish.region), (51, &region("eastus")));
}

#[test]
fn wishes_are_bounded_and_ended_ones_make_room() {
    let mut state = two_regions();
    for n in 0..STEERING_MAX {
        let key = SteeringKey::Pin(format!("n{n}.example."));
        assert_eq!(code(&state.apply(pin(key, 100))), "changed");
    }
    assert_eq!(
        code(&state.apply(pin(SteeringKey::PinAll, 100))),
        "table_full"
    );
    assert_eq!(code(&state.apply(drain("eastus", 150, false))), "changed");
    assert_eq!(state.steering().wishes().len(), 1);
}

#[test]
fn a_wish_is_taken_back_alone_or_with_all_others() {
    let mut state = two_regions();
    let named = SteeringKey::Pin("tickets.example.".to_owned());
    state.apply(pin(named.clone(), 100));
    state.apply(pin(SteeringKey::PinAll, 100));
    let version = state.version();
    let clear = |key| DirectoryCommand::ClearSteering { key };
    assert_eq!(code(&state.apply(clear(Some(named.clone())))), "changed");
    assert_eq!(state.steering().wishes().len(), 1);
    assert_eq!(code(&state.apply(clear(Some(named)))), "unchanged");
    assert_eq!(code(&state.apply(clear(None))), "changed");
    assert!(state.steering().wishes().is_empty());
    let changes: Vec<&Changed> = state.changes_since(version).map(|(_, what)| what).collect();
    assert_eq!(changes, [&Changed::Steering], "followers hear of it once");
}
