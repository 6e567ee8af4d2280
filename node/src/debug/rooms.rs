//! Waiting rooms as metrics show them: those of the shows that this node leads and has in memory, added up.
//!
//! Owns: when a room stands. Must never: wait for a group, or change it.

use holdfast_inventory::room::RoomView;
use holdfast_node_api::queue::LATE_START;
use holdfast_raft::Host;

use crate::metrics::RoomSample;

/// A line that has not moved for so long stands, if it could move: at two people a minute it moves as often.
const STANDS_MS: u64 = 30_000;

/// All rooms of this node at `now_ms`.
pub(super) fn rooms(host: &Host, now_ms: u64) -> RoomSample {
    let mut all = RoomSample {
        passed_percent: 100,
        ..RoomSample::default()
    };
    for group in host.loaded_shows() {
        if host.leader_of(group.show_id()) != Some(host.node()) {
            continue;
        }
        // A copy of the room is a few kilobytes, and nearly no show has one.
        let room = group.peek(|state| state.room_to_run().and_then(|_| state.room_view()));
        if let Some(room) = room {
            add(&mut all, &room, now_ms);
        }
    }
    if all.open == 0 {
        all.passed_percent = 0;
    }
    all
}

fn add(all: &mut RoomSample, room: &RoomView, now_ms: u64) {
    let drawn = room.seed.is_some();
    all.open += 1;
    all.inside += room.inside;
    all.capacity += u64::from(room.config.capacity);
    all.admitted += room.claimed;
    if drawn {
        all.waiting += room.waiting;
    } else {
        all.undrawn += room.waiting;
    }
    all.passed_percent = all.passed_percent.min(passed_percent(room));
    all.standing += usize::from(drawn && stands(room, now_ms));
}

fn passed_percent(room: &RoomView) -> u64 {
    let threshold = room.threshold.0.min(LATE_START);
    u64::try_from(threshold * 100 / LATE_START).unwrap_or(100)
}

/// Whether somebody waits, there is room and a place, and the threshold has not moved for a while.
fn stands(room: &RoomView, now_ms: u64) -> bool {
    let moved_ms = room
        .passed
        .last()
        .map_or(room.config.sale_at_ms, |(at_ms, _)| *at_ms);
    room.waiting > 0
        && room.inside < u64::from(room.config.capacity)
        && room.places_free > 0
        && now_ms.saturating_sub(moved_ms) >= STANDS_MS
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::room::{LineKey, RoomConfig, RoomSeed};

    use super::*;

    fn room() -> RoomView {
        RoomView {
            config: RoomConfig {
                opens_at_ms: 0,
                sale_at_ms: 1_000,
                capacity: 10,
                rate_per_min: 60,
                claim_window_ms: 600_000,
                pass_ttl_ms: 600_000,
            },
            commit: [0; 32],
            seed: Some(RoomSeed([1; 32])),
            seq: 1,
            paused: false,
            ended: false,
            threshold: LineKey(LATE_START / 4),
            passed: vec![(50_000, LineKey(LATE_START / 4))],
            passed_before: LineKey(0),
            stalled_until_ms: 0,
            waiting: 7,
            per_min: 0,
            line: Vec::new(),
            inside: 3,
            claimed: 5,
            waitlisted: 0,
            places_free: 20,
            places_held: 0,
        }
    }

    #[test]
    fn a_line_stands_when_it_could_move_and_has_not_for_half_a_minute() {
        assert!(!stands(&room(), 79_999));
        assert!(stands(&room(), 80_000));
        let full = RoomView {
            inside: 10,
            ..room()
        };
        let nobody = RoomView {
            waiting: 0,
            ..room()
        };
        let sold_out = RoomView {
            places_free: 0,
            ..room()
        };
        for one in [full, nobody, sold_out] {
            assert!(!stands(&one, 900_000));
        }
        // Paused before anybody was let in: since the start of sale.
        let never = RoomView {
            passed: Vec::new(),
            paused: true,
            ..room()
        };
        assert!(!stands(&never, 30_999) && stands(&never, 31_000));
    }

    #[test]
    fn rooms_are_added_up_and_the_slowest_one_tells_how_far_the_line_came() {
        let mut all = RoomSample {
            passed_percent: 100,
            ..RoomSample::default()
        };
        add(&mut all, &room(), 60_000);
        let waits = RoomView {
            seed: None,
            threshold: LineKey(0),
            ..room()
        };
        add(&mut all, &waits, 60_000);
        let expected = RoomSample {
            open: 2,
            undrawn: 7,
            waiting: 7,
            inside: 6,
            capacity: 20,
            admitted: 10,
            passed_percent: 0,
            standing: 0,
        };
        assert_eq!(all, expected);
        let late = RoomView {
            threshold: LineKey(LATE_START + 9),
            ..room()
        };
        assert_eq!(passed_percent(&late), 100);
    }
}
