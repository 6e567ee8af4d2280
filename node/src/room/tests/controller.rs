//! Whole sales in discrete time: three regions, a leader, the real state machine, one step a second, everything from a seed.
//!
//! `HOLDFAST_ROOM_SIM_SCALE=5 cargo test -p holdfast-node room -- --nocapture` plays them with 10,000 tickets and prints the
//! table of `docs/waiting-room.md`; without it a fifth of that is played.

#[path = "sale.rs"]
mod sale;

use holdfast_inventory::room::{RoomConfig, RoomView};
use holdfast_node_api::queue::{LATE_START, Line};

use self::sale::{Sale, Story, played};
use super::*;

/// The rows of the table: replication delay, share that never claims, share whose owners are gone.
const ROWS: [(u64, f64, f64); 5] = [
    (0, 0.0, 0.0),
    (5, 0.0, 0.0),
    (120, 0.0, 0.0),
    (120, 0.2, 0.0),
    (120, 0.0, 0.9),
];

#[test]
fn never_over_the_cap_whatever_the_delay_and_nobody_absent_holds_the_line_up() {
    let scale = std::env::var("HOLDFAST_ROOM_SIM_SCALE").map_or(1, |n| n.parse().unwrap());
    for (delay_s, no_show, dead) in ROWS {
        let story = Story {
            tickets: 2_000 * scale,
            capacity: u32::try_from(60 * scale).unwrap(),
            delay_s,
            no_show,
            dead,
            ..Story::default()
        };
        let played = played(&story);
        println!(
            "| {delay_s} s | {no_show} | {dead} | {} | {} |",
            played.inside_max, played.served
        );
        assert!(played.inside_max <= u64::from(story.capacity));
        // What the same seats would serve if the line lost no time: capacity × 7,200 s ÷ 330 s, or everybody who is there.
        let most = (f64::from(story.capacity) * 7_200.0 / 330.0).min(played.come as f64);
        let share = played.served as f64 / most;
        let expected = match (delay_s, dead > 0.0) {
            (0 | 5, _) => 0.9,
            (_, true) => 1.0,
            (_, false) => 0.35,
        };
        assert!(share >= expected, "{share} of {most} served: {played:?}");
    }
}

#[test]
fn a_partition_and_a_leader_that_forgets_everything_let_in_fewer_and_lose_nobody() {
    let story = Story {
        tickets: 4_000,
        capacity: 200,
        delay_s: 2,
        // Shorter than a claim window: whose turn came just before the cut is still in time after it.
        cut: Some((1, 600, 1_150)),
        new_leader_every_s: Some(200),
        ..Story::default()
    };
    let played = played(&story);
    assert!(played.inside_max <= 200, "{played:?}");
    // Everybody who kept asking was served in the end, those of the region that was cut off too.
    assert_eq!(played.served, 4_000, "{played:?}");
    assert_eq!(played.late, 0, "{played:?}");
}

#[test]
fn a_region_that_is_cut_off_does_not_hold_the_others_up() {
    let (from_s, to_s) = (600, 840);
    let come_in_meanwhile = |cut| {
        let mut sale = Sale::new(&Story {
            tickets: 4_000,
            capacity: 150,
            cut,
            ..Story::default()
        });
        (0..from_s).for_each(|_| sale.second());
        let before = sale.came_in().len();
        (from_s..to_s).for_each(|_| sale.second());
        sale.came_in().len() - before
    };
    let (calm, cut) = (
        come_in_meanwhile(None),
        come_in_meanwhile(Some((1, from_s, to_s))),
    );
    // Only two thirds of them, if those who are reached there went on counting.
    assert!(cut * 10 > calm * 8, "{cut} of {calm}");
}

#[test]
fn who_has_the_smaller_key_comes_in_first() {
    let story = Story {
        tickets: 3_000,
        capacity: 100,
        ..Story::default()
    };
    let mut sale = Sale::new(&story);
    for _ in 0..3_600 {
        sale.second();
    }
    let order = sale.came_in();
    let place = |at: usize| order[at];
    let mut inversions = 0_u64;
    // Nobody is overtaken by more than those who can stand at the door together.
    for at in 0..order.len().saturating_sub(400) {
        if order[at + 400..].iter().any(|later| *later < place(at)) {
            inversions += 1;
        }
    }
    assert!(order.len() > 900, "{}", order.len());
    assert_eq!(
        inversions, 0,
        "somebody came in before people far ahead of them"
    );
}

fn view() -> RoomView {
    RoomView {
        config: RoomConfig {
            opens_at_ms: 0,
            sale_at_ms: 1_000,
            capacity: 100,
            rate_per_min: 600,
            claim_window_ms: 600_000,
            pass_ttl_ms: 600_000,
        },
        commit: [0; 32],
        seed: Some(holdfast_inventory::room::RoomSeed([0; 32])),
        seq: 1,
        paused: false,
        ended: false,
        threshold: LineKey(0),
        passed: Vec::new(),
        passed_before: LineKey(0),
        stalled_until_ms: 0,
        waiting: 0,
        per_min: 0,
        line: Vec::new(),
        inside: 0,
        claimed: 0,
        waitlisted: 0,
        places_free: 1_000,
        places_held: 0,
    }
}

/// People spread evenly over the draw.
fn reported(people: u128) -> Reported {
    let keys = (0..people).map(|n| LATE_START / people * n + 1).collect();
    Reported {
        lines: [Line::of(keys, 512)].into_iter().collect(),
        undrawn: 0,
        reporters: 1,
    }
}

fn let_in(room: &RoomView, reported: &Reported, commit_ms: u64) -> f64 {
    let mut controller = Controller {
        commit_ms: commit_ms as f64,
        ..Controller::default()
    };
    let seen = Seen {
        now_ms: 20_000,
        room,
        holds_active: 0,
        reported,
    };
    let to = controller
        .step(seen)
        .map_or(room.threshold.0, |raise| raise.threshold.0);
    reported.lines.upto(to) - reported.lines.upto(room.threshold.0)
}

#[test]
fn each_bound_of_the_formula_binds() {
    let line = reported(10_000);
    let near = |room: &RoomView, people: f64| {
        let came = let_in(room, &line, 1);
        assert!((came - people).abs() < 1.5, "{came} came, {people} should");
    };
    // The rate: ten a second.
    near(&view(), 10.0);
    // Free room.
    near(
        &RoomView {
            inside: 96,
            ..view()
        },
        4.0,
    );
    near(
        &RoomView {
            inside: 100,
            ..view()
        },
        0.0,
    );
    // Places: 1.5 people for every two of four.
    near(
        &RoomView {
            places_free: 4,
            ..view()
        },
        3.0,
    );
    near(
        &RoomView {
            places_free: 0,
            ..view()
        },
        0.0,
    );
    // Nobody while it is paused, over, or not drawn.
    near(
        &RoomView {
            paused: true,
            ..view()
        },
        0.0,
    );
    near(
        &RoomView {
            ended: true,
            ..view()
        },
        0.0,
    );
    near(
        &RoomView {
            seed: None,
            ..view()
        },
        0.0,
    );
    // Health: commits of a second let in a quarter.
    let came = let_in(&view(), &line, 1_000);
    assert!((came - 2.5).abs() < 1.5, "{came}");
}

#[test]
fn those_at_the_door_count_as_inside_until_they_are_known_to_be_gone() {
    let mut room = view();
    room.config.rate_per_min = 60_000;
    let line = reported(10_000);
    room.threshold = LineKey(line.lines.after(0, 95.0));
    let came = let_in(&room, &line, 1);
    assert!((came - 5.0).abs() < 1.5, "{came}");
}

#[test]
fn the_line_waits_a_little_for_gateways_that_have_not_drawn() {
    let mut line = reported(1_000);
    line.undrawn = 10;
    let mut room = view();
    room.config.sale_at_ms = 15_000;
    assert!(let_in(&room, &line, 1) < 1.0);
    room.config.sale_at_ms = 5_000;
    assert!(let_in(&room, &line, 1) > 5.0);
}

#[test]
fn a_room_in_which_nothing_moves_writes_nothing() {
    let mut controller = Controller::default();
    let room = RoomView {
        inside: 100,
        ..view()
    };
    let line = reported(1_000);
    let mut written = 0;
    for second in 0..60 {
        let seen = Seen {
            now_ms: 20_000 + second * 1_000,
            room: &room,
            holds_active: 0,
            reported: &line,
        };
        written += u64::from(controller.step(seen).is_some());
    }
    assert!(written <= 1, "{written} entries for nothing");
}
