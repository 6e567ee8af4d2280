//! What happened in waiting rooms.
//!
//! Owns: that table. Must never: call a draw fair; it says what was measured.

use super::page::section as headed;
use super::table::{seconds, table};
use crate::drill::result::{DrillResult, RoomSeen};

/// The whole section; nothing for a drill without a room.
pub(super) fn section(result: &DrillResult) -> String {
    let rooms: String = result.rooms.iter().map(room).collect();
    if rooms.is_empty() {
        return rooms;
    }
    headed("Waiting room", &rooms)
}

fn room(room: &RoomSeen) -> String {
    let figure = |value: Option<f64>| {
        value.map_or_else(
            || "too few people".to_owned(),
            |value| format!("{value:.3}"),
        )
    };
    let rows = [
        (
            "People before the sale, after its start",
            format!("{}, {}", room.early, room.late),
        ),
        ("Of them, never came back", room.absent.to_string()),
        (
            "Of them, missed their turn and joined again",
            room.missed.to_string(),
        ),
        ("Got in; paid", format!("{}; {}", room.came_in, room.bought)),
        ("Stayed and did not get in", room.unserved.to_string()),
        ("Capacity", room.capacity.to_string()),
        (
            "Most inside, as gateways said",
            room.most_inside_said.to_string(),
        ),
        (
            "Most inside for certain, by people's own word",
            room.most_inside_sure.to_string(),
        ),
        (
            "χ² of the draw, degrees of freedom",
            format!("{}, {}", figure(room.draw_chi_square), room.draw_degrees),
        ),
        (
            "Rank correlation of arrival and place drawn",
            figure(room.draw_rank),
        ),
        (
            "Rank correlation of place and time of the turn",
            figure(room.order_rank),
        ),
        (
            "Answers with a lower threshold than before",
            room.threshold_falls.to_string(),
        ),
        (
            "Places that the published seed does not make",
            room.unproven.to_string(),
        ),
        (
            "Longest time somebody waited and nobody got in",
            seconds(room.standstill_s),
        ),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    table(
        &format!("The room of {}", room.show),
        &["What", "Figure"],
        &rows,
    )
}
