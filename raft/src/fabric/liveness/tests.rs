//! The rules of silence, death and shielding, on a clock that the test moves.

use super::*;

const PING: Duration = Duration::from_millis(100);

fn node(number: u64) -> NodeId {
    NodeId::new(number)
}

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

/// Node 1 of three, which has heard both others up to `until_ms`.
fn view(start: Instant, until_ms: u64) -> Liveness {
    let mut view = Liveness::new(node(1), 11, SILENCE_FLOOR, start);
    view.add(node(2));
    view.add(node(3));
    let mut ms = 0;
    while ms <= until_ms {
        for peer in [2, 3] {
            view.answered(node(peer), at(start, ms), at(start, ms), pulse(peer));
        }
        ms += 100;
    }
    view
}

/// These voters, each to have shielded since then.
fn since(start: Instant, ms: u64, voters: &[u64]) -> Vec<(NodeId, Option<Instant>)> {
    let since = Some(at(start, ms));
    voters.iter().map(|voter| (node(*voter), since)).collect()
}

fn pulse(of: u64) -> Pulse {
    Pulse {
        incarnation: of * 10,
        ..Pulse::default()
    }
}

fn silent_for(of: u64, silent: u64) -> Pulse {
    Pulse {
        silent: BTreeSet::from([node(silent)]),
        ..pulse(of)
    }
}

#[test]
fn node_falls_silent_after_its_patience_and_is_heard_again() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    assert!(view.look(at(start, 1_600), Duration::ZERO).is_empty());
    view.answered(node(3), at(start, 1_700), at(start, 1_700), pulse(3));
    assert_eq!(
        view.look(at(start, 1_710), Duration::ZERO),
        [Change::Silent(node(2))]
    );
    assert!(!view.is_heard(node(2)) && view.is_heard(node(3)));
    let again = view.answered(node(2), at(start, 1_800), at(start, 1_800), pulse(2));
    assert_eq!(again, [Change::Heard(node(2))]);
}

#[test]
fn death_takes_a_majority_of_the_voters() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    let voters = [node(1), node(2), node(3)];
    view.answered(node(3), at(start, 1_800), at(start, 1_800), pulse(3));
    view.look(at(start, 1_800), Duration::ZERO);
    assert!(
        !view.is_dead_for(node(2), &voters),
        "only this node finds it silent"
    );
    view.pinged(node(3), 1, at(start, 1_810), silent_for(3, 2));
    assert!(view.is_dead_for(node(2), &voters));
    let five: Vec<NodeId> = (1..=5).map(node).collect();
    assert!(
        !view.is_dead_for(node(2), &five),
        "two of five are no majority"
    );
}

#[test]
fn own_stall_is_not_the_others_silence() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    let late = Duration::from_millis(2_000);
    assert!(view.look(at(start, 3_100), late).is_empty());
    assert_eq!(
        view.look(at(start, 3_900), Duration::ZERO).len(),
        2,
        "silence after the stall counts"
    );
}

#[test]
fn irregular_answers_stretch_the_patience_within_bounds() {
    let start = Instant::now();
    let mut steady = view(start, 5_000);
    assert_eq!(steady.patience(node(2)), SILENCE_FLOOR);
    let mut ms = 5_000;
    for round in 0..200u64 {
        ms += if round % 7 == 0 { 600 } else { 60 };
        steady.answered(node(2), at(start, ms), at(start, ms), pulse(2));
    }
    let patience = steady.patience(node(2));
    assert!(patience > SILENCE_FLOOR + PING, "{patience:?}");
    assert!(patience <= SILENCE_CEILING, "{patience:?}");
}

#[test]
fn another_incarnation_is_a_restart() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    let reborn = Pulse {
        incarnation: 99,
        ..pulse(2)
    };
    let changes = view.pinged(node(2), 1, at(start, 1_050), reborn);
    assert_eq!(changes, [Change::Restarted(node(2))]);
    assert!(
        !view.is_assured(&since(start, 900, &[1, 2]), at(start, 1_050)),
        "what the last process promised is void"
    );
}

#[test]
fn leader_is_assured_for_less_time_than_it_is_shielded() {
    let start = Instant::now();
    // Node 1 leads, node 2 votes; each sees the other's pings arrive at once.
    let mut leader = view(start, 1_000);
    let mut voter = Liveness::new(node(2), 20, SILENCE_FLOOR, start);
    voter.add(node(1));
    voter.pinged(node(1), 1, at(start, 900), pulse(1));
    voter.pinged(node(1), 2, at(start, 1_000), pulse(1));
    leader.look(at(start, 1_100), Duration::ZERO);
    for ms in (1_000..3_000).step_by(10) {
        let now = at(start, ms);
        let assured = leader.is_assured(&since(start, 1_000, &[1, 2]), now);
        assert!(
            !assured || voter.shields(node(1), now),
            "at {ms} ms the leader trusts a promise that the voter does not keep"
        );
    }
    assert!(leader.is_assured(&since(start, 1_600, &[1, 2]), at(start, 1_600)));
    assert!(!voter.shields(node(1), at(start, 1_701)));
}

#[test]
fn voter_that_the_leader_does_not_hear_promises_nothing() {
    let start = Instant::now();
    let mut leader = Liveness::new(node(1), 11, SILENCE_FLOOR, start);
    leader.add(node(2));
    // The ping went out while node 2 was silent for the leader, and said so.
    leader.answered(node(2), at(start, 0), at(start, 50), pulse(2));
    assert!(!leader.is_assured(&since(start, 50, &[1, 2]), at(start, 60)));
    let mut voter = Liveness::new(node(2), 20, SILENCE_FLOOR, start);
    voter.add(node(1));
    voter.pinged(node(1), 1, at(start, 2_000), silent_for(1, 2));
    assert!(!voter.shields(node(1), at(start, 2_010)));
}

#[test]
fn young_process_shields_everybody() {
    let start = Instant::now();
    let mut voter = Liveness::new(node(2), 20, SILENCE_FLOOR, start);
    voter.add(node(1));
    assert!(voter.shields(node(1), at(start, 600)));
    assert!(!voter.shields(node(1), at(start, 701)));
}

/// What node 2 says when its clock shows `clock_ms`.
fn stamped(clock_ms: u64) -> Pulse {
    Pulse {
        clock_ms,
        ..pulse(2)
    }
}

/// Up to when node 2 vouches for what it parked when its clock showed 100, alone.
fn vouched(view: &Liveness) -> Option<Instant> {
    view.assured_at(node(2), &[node(2)], 100, Instant::now())
}

#[test]
fn old_ping_that_comes_late_says_nothing() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    view.answered(node(2), at(start, 900), at(start, 900), stamped(900));
    view.pinged(node(2), 8, at(start, 1_000), stamped(1_000));
    view.pinged(node(2), 7, at(start, 1_600), stamped(1_600));
    assert_eq!(vouched(&view), Some(at(start, 999)));
}

#[test]
fn leader_vouches_for_the_moment_at_which_its_ping_left() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    view.answered(node(2), at(start, 900), at(start, 920), stamped(400));
    assert_eq!(vouched(&view), None);
    // It left when the peer's clock showed 520, and was held for three seconds.
    view.pinged(node(2), 8, at(start, 4_020), stamped(520));
    let left = vouched(&view);
    assert_eq!(left, Some(at(start, 1_019)));
    let reborn = Pulse {
        incarnation: 21,
        ..stamped(5)
    };
    view.pinged(node(2), 1, at(start, 4_100), reborn);
    assert_eq!(vouched(&view), None);
}

#[test]
fn promise_with_a_gap_assures_nothing_from_before_it() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    let voters = |ms| since(start, ms, &[1, 2, 4]);
    assert!(view.is_assured(&voters(500), at(start, 1_100)));
    // The next answer comes after the promise of the one before has run out; node 2 may have let go in between.
    view.answered(node(2), at(start, 1_500), at(start, 1_700), pulse(2));
    assert!(!view.is_assured(&voters(1_650), at(start, 1_750)));
    assert!(view.is_assured(&voters(1_700), at(start, 1_750)));
    assert_eq!(view.gaps(), 1);
    let own = [node(1), node(2), node(4)];
    let mine = |since_ms| view.assured_at(node(1), &own, since_ms, at(start, 1_750));
    assert_eq!(mine(1_650), None);
    assert_eq!(mine(1_750), Some(at(start, 1_750)));
    assert_eq!(mine(0), None);
}

#[test]
fn node_that_rests_is_silent_at_once_and_shielded_by_nobody() {
    let start = Instant::now();
    let mut view = view(start, 1_000);
    let resting = Pulse {
        resting: true,
        ..pulse(2)
    };
    let changes = view.pinged(node(2), 1, at(start, 1_010), resting.clone());
    assert_eq!(changes, [Change::Silent(node(2))]);
    assert!(!view.shields(node(2), at(start, 1_010)));
    // It is silent since it was last of use, however often it says that it still rests.
    view.pinged(node(2), 2, at(start, 1_400), resting);
    let silence = view.silence(node(2), at(start, 1_410));
    assert_eq!(silence, Some(Duration::from_millis(410)));
    let again = view.pinged(node(2), 3, at(start, 1_500), pulse(2));
    assert_eq!(again, [Change::Heard(node(2))]);
    let silence = view.silence(node(2), at(start, 1_510));
    assert_eq!(silence, Some(Duration::from_millis(10)));
}
