//! Reasons for leader changes.

use super::*;

fn change(at_s: f64, from: u64, to: u64) -> Change {
    Change {
        at_s,
        show_id: 1,
        from,
        to,
        term: 3,
    }
}

fn because(change: Change, commands: &[CommandRun]) -> String {
    let topology = Topology::preset("five-regions").unwrap();
    let topology = topology.with_first_regions(3).unwrap();
    let faults = [FaultSpan {
        text: "n1 killed".into(),
        from_s: 10.0,
        on_s: 10.1,
        to_s: 20.0,
        regions: vec!["eastus".into()],
        nodes: vec!["n1".into()],
    }];
    let stalls = [Stall {
        show: "s1".into(),
        kind: "hot".into(),
        home: "eastus".into(),
        seats: Vec::new(),
        probe_seats: Vec::new(),
        hold_ttl_ms: 0,
        idle: false,
        room: None,
    }];
    let seen = Seen {
        changes: vec![change],
        ..Seen::default()
    };
    let reasons = reasons(&seen, &faults, commands, &stalls, &topology);
    reasons[0].because.clone()
}

#[test]
fn a_leader_that_is_hit_has_a_reason_and_one_elsewhere_has_none() {
    assert_eq!(because(change(12.0, 1, 2), &[]), "n1 killed");
    assert_eq!(because(change(12.0, 2, 3), &[]), "");
    assert_eq!(because(change(5.0, 1, 2), &[]), "", "before the fault");
    assert_eq!(because(change(60.0, 1, 2), &[]), "", "long after it");
}

#[test]
fn going_home_is_a_reason_and_being_elected_again_at_home_is_none() {
    assert_eq!(
        because(change(25.0, 2, 1), &[]),
        "return to the home region"
    );
    assert_eq!(because(change(60.0, 1, 1), &[]), "");
}

#[test]
fn a_command_explains_what_happens_while_it_runs() {
    let run = CommandRun {
        text: "holdfastctl region evacuate eastus".into(),
        at_s: 50.0,
        took_s: 3.0,
        exit: Some(0),
    };
    assert_eq!(
        because(change(52.0, 3, 2), &[run]),
        "holdfastctl region evacuate eastus"
    );
}

#[test]
fn a_wait_is_put_down_to_the_newest_fault_or_heal_that_can_have_caused_it() {
    let fault = |from_s, to_s| FaultSpan {
        text: String::new(),
        from_s,
        on_s: from_s,
        to_s,
        regions: Vec::new(),
        nodes: Vec::new(),
    };
    let faults = [fault(10.0, 20.0), fault(50.0, 60.0)];
    let behind = |began_s, end_s| turn_behind(&faults, began_s, end_s);
    assert_eq!(behind(5.0, 6.0), None, "before anything happened");
    assert_eq!(behind(12.0, 13.0), Some(10.0));
    assert_eq!(behind(19.0, 21.0), Some(10.0), "the heal ended it");
    assert_eq!(behind(26.0, 28.0), Some(20.0), "leaders went home");
    assert_eq!(behind(48.0, 51.5), Some(50.0), "hit on its way");
}
