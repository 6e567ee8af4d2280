//! Figures of rooms that went well, and of each way in which one can go wrong.

use holdfast_node_api::queue::hex;
use serde_json::json;

use super::*;

const SECOND: u64 = 1_000_000_000;
const SPEC: RoomSpec = RoomSpec {
    capacity: 2,
    rate_per_min: 60,
    prequeue_s: 5.0,
    claim_window_s: 10,
    absent_percent: 0,
};

/// Inside from second to second.
fn person(from_s: u64, to_s: u64) -> Person {
    Person {
        inside_ns: Some(from_s * SECOND),
        paying_ns: Some(to_s * SECOND),
        ..Person::default()
    }
}

#[test]
fn only_who_is_inside_for_certain_is_counted() {
    let mut people = vec![person(1, 4), person(2, 5), person(4, 9)];
    assert_eq!(most_at_once(&people), 2);
    people.push(person(3, 6));
    assert_eq!(most_at_once(&people), 3);
    let seen = RoomSeen {
        most_inside_said: 1,
        ..figures(SPEC, &people, 20.0)
    };
    assert_eq!(seen.over_capacity(), 1);
    people[3].paying_ns = None;
    assert_eq!(most_at_once(&people), 2);
}

#[test]
fn whoever_stays_and_does_not_get_in_is_unserved() {
    let absent = Person {
        absent: true,
        ..Person::default()
    };
    let waits = Person {
        joined_ns: SECOND,
        ..Person::default()
    };
    let seen = figures(SPEC, &[person(1, 2), absent, waits], 31.0);
    assert_eq!((seen.unserved, seen.absent, seen.came_in), (1, 1, 1));
    assert_eq!(seen.standstill_s, Some(30.0));
}

#[test]
fn nobody_to_let_in_is_no_standstill() {
    let mut last = person(50, 51);
    last.joined_ns = 49 * SECOND;
    let mut people = vec![person(1, 2), person(3, 4), last];
    assert_eq!(standstill_s(&people, 60.0), Some(2.0));
    people[2].joined_ns = SECOND;
    assert_eq!(standstill_s(&people, 60.0), Some(47.0));
}

#[test]
fn ranks_agree_or_do_not() {
    let up: Vec<(f64, f64)> = (0..20).map(|n| (f64::from(n), f64::from(n * n))).collect();
    assert_eq!(rank_correlation(&up), Some(1.0));
    let down: Vec<(f64, f64)> = (0..20).map(|n| (f64::from(n), -f64::from(n))).collect();
    assert_eq!(rank_correlation(&down), Some(-1.0));
    assert_eq!(rank_correlation(&up[..9]), None);
}

#[test]
fn an_even_draw_has_a_small_chi_square_and_a_crowded_one_has_not() {
    let even: Vec<u128> = (0..60).map(|n| LATE_START / 60 * n + 5).collect();
    let (small, degrees) = chi_square(&even);
    assert!(
        small.is_some_and(|small| small < 0.5) && degrees == 5,
        "{small:?}"
    );
    let crowded = vec![7_u128; 60];
    assert_eq!(chi_square(&crowded), (Some(300.0), 5));
    assert_eq!(chi_square(&even[..29]), (None, 0));
}

#[test]
fn a_wrong_key_and_a_broken_promise_are_found() {
    let (seed, qid) = ([3_u8; 32], [9_u8; 16]);
    let honest = Person {
        early: true,
        qid,
        drawn: Some(draw_key(&seed, &qid)),
        ..Person::default()
    };
    let promised = hex(&commit(&seed));
    let proof = json!({"commit": promised, "seed": hex(&seed)});
    let people = [honest.clone()];
    assert_eq!(unproven(&promised, Some(&proof), &people), 0);
    let wrong = [Person {
        drawn: Some(5),
        ..honest
    }];
    assert_eq!(unproven(&promised, Some(&proof), &wrong), 1);
    assert_eq!(unproven(&hex(&[1; 32]), Some(&proof), &people), 1);
    assert_eq!(unproven(&promised, None, &people), 1);
    let other = json!({"commit": promised, "seed": hex(&[4_u8; 32])});
    assert_eq!(unproven(&promised, Some(&other), &people), 2);
}
