//! Bounds, slow start, pauses.

use std::collections::BTreeSet;

use super::*;

fn wish(group: u64, reason: Reason) -> Wish {
    Wish {
        group: GroupId::new(group),
        to: NodeId::new(2),
        reason,
    }
}

fn start_all(moves: &mut Moves, now: Instant) -> Vec<Wish> {
    std::iter::from_fn(|| moves.start(now)).collect()
}

#[test]
fn urgent_moves_run_wide_and_never_twice_for_one_group() {
    let (mut moves, now) = (Moves::default(), Instant::now());
    let all: Vec<_> = (1..=1_000).map(|g| wish(g, Reason::Evacuated)).collect();
    moves.wish(all.clone());
    let first = start_all(&mut moves, now);
    assert_eq!(first.len(), URGENT_MAX);
    // The same look again, with those still under way in it.
    moves.wish(all);
    assert_eq!(start_all(&mut moves, now), []);
    moves.ended(now, first[0], true);
    let next = start_all(&mut moves, now);
    assert_eq!(next.len(), 1);
    let groups: BTreeSet<_> = first.iter().chain(&next).map(|w| w.group).collect();
    assert_eq!(groups.len(), URGENT_MAX + 1);
}

#[test]
fn gentle_moves_start_slowly_and_speed_up_while_all_goes_well() {
    let (mut moves, now) = (Moves::default(), Instant::now());
    moves.wish((1..=1_000).map(|g| wish(g, Reason::Home)));
    let mut widths = Vec::new();
    let mut under_way = start_all(&mut moves, now);
    while !under_way.is_empty() {
        widths.push(under_way.len());
        for wish in std::mem::take(&mut under_way) {
            moves.ended(now, wish, true);
        }
        under_way = start_all(&mut moves, now);
    }
    assert_eq!(widths[..5], [2, 4, 8, 16, 32]);
    assert_eq!(widths.iter().max(), Some(&GENTLE_MAX));
    assert!(widths.len() < 25, "{widths:?}");
    assert!(moves.is_empty());
}

#[test]
fn a_gentle_move_that_fails_halves_the_pace_and_waits() {
    let (mut moves, mut now) = (Moves::default(), Instant::now());
    moves.gentle_max = 8;
    moves.wish((1..=8).map(|g| wish(g, Reason::Home)));
    assert_eq!(start_all(&mut moves, now).len(), 8);
    for group in 1..=8 {
        moves.ended(now, wish(group, Reason::Home), false);
    }
    assert_eq!(moves.len(), 8, "they are still to be moved");
    moves.wish((1..=8).map(|g| wish(g, Reason::Home)));
    assert_eq!(start_all(&mut moves, now), []);
    assert_eq!(moves.next_try(now), Some(now + PAUSE_MIN));
    now += PAUSE_MIN;
    assert_eq!(start_all(&mut moves, now).len(), 1);
}

#[test]
fn pauses_grow_and_end_with_the_wish() {
    let (mut moves, mut now) = (Moves::default(), Instant::now());
    let one = wish(1, Reason::Draining);
    for expected in [250, 500, 1_000, 2_000, 2_000] {
        moves.wish([one]);
        assert_eq!(moves.start(now), Some(one));
        moves.ended(now, one, false);
        assert_eq!((moves.len(), moves.is_idle()), (1, true));
        moves.wish([one]);
        let wait = moves.next_try(now).unwrap().duration_since(now);
        assert_eq!(wait, Duration::from_millis(expected));
        now += wait;
    }
    moves.wish([]);
    assert_eq!(moves.next_try(now - PAUSE_URGENT_MAX), None);
}

#[test]
fn what_somebody_waits_for_overtakes_what_only_tidies_up() {
    let (mut moves, now) = (Moves::default(), Instant::now());
    let (home, pinned) = (wish(1, Reason::Home), wish(2, Reason::Pinned));
    moves.wish([home, pinned]);
    assert_eq!(start_all(&mut moves, now), [pinned, home]);
}
