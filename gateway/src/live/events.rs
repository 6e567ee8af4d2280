//! The events of the stream as text, made once for all viewers of a show.
//!
//! Owns: their names and members (docs/live-maps.md). Must never: be made per viewer, but for the first snapshot and the pause.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::AreaState;
use serde_json::json;

use super::seats::{Seats, State};

/// ms of a duration; what nobody knows is as old as can be said exactly in JSON.
#[must_use]
pub fn ms(age: Duration) -> u64 {
    const MS_MAX: u64 = 1 << 53;
    u64::try_from(age.as_millis()).map_or(MS_MAX, |ms| ms.min(MS_MAX))
}

/// `as_of` of a state with an age.
#[must_use]
pub fn as_of(state: &State, age: Duration) -> serde_json::Value {
    json!({ "index": state.index, "time_ms": state.time_ms, "age_ms": ms(age) })
}

fn area(area: &AreaState) -> [u32; 4] {
    [area.available, area.held, area.sold, area.blocked]
}

/// Everything.
#[must_use]
pub fn snapshot(show_id: u64, layout_version: &str, state: &State, age: Duration) -> Bytes {
    let seats = &state.seats;
    let mut text = String::with_capacity(seats.base64().len() + 512);
    let areas: Vec<[u32; 4]> = seats.areas.iter().map(area).collect();
    // Written by hand around the long member, which needs no escaping.
    let _ = write!(
        text,
        "event: snapshot\nid: {}\ndata: {{\"show\":\"{}\",\"layout\":\"{layout_version}\",\"as_of\":{},\"count\":{},\"seats\":\"",
        seats.changed_index,
        ShowRef(show_id),
        as_of(state, age),
        seats.states.len(),
    );
    text.push_str(seats.base64());
    let _ = write!(
        text,
        "\",\"areas\":{},\"left\":{}}}\n\n",
        json!(areas),
        json!(seats.left)
    );
    text.into()
}

/// What is different from `before`; `None` when nothing is.
#[must_use]
pub fn delta(before: &Seats, state: &State, age: Duration) -> Option<Bytes> {
    let now = &state.seats;
    let changed = before.states.iter().zip(&now.states).zip(0_u32..);
    let seats: Vec<[u32; 2]> = changed
        .filter(|((before, now), _)| before != now)
        .map(|((_, now), seat)| [seat, u32::from(*now)])
        .collect();
    let changed = before.areas.iter().zip(&now.areas).zip(0_u32..);
    let areas: Vec<[u32; 5]> = changed
        .filter(|((before, now), _)| before != now)
        .map(|((_, now), no)| {
            let [available, held, sold, blocked] = area(now);
            [no, available, held, sold, blocked]
        })
        .collect();
    if seats.is_empty() && areas.is_empty() {
        return None;
    }
    let mut data = json!({ "as_of": as_of(state, age) });
    if !seats.is_empty() {
        data["seats"] = json!(seats);
    }
    if !areas.is_empty() {
        data["areas"] = json!(areas);
    }
    if before.left != now.left {
        data["left"] = json!(now.left);
    }
    Some(format!("event: delta\nid: {}\ndata: {data}\n\n", now.changed_index).into())
}

/// The copy is current (`age`), or nothing has been heard for too long (`stale`).
#[must_use]
pub fn pulse(state: &State, age: Duration, stale: bool) -> Bytes {
    let event = if stale { "stale" } else { "age" };
    let data = json!({ "as_of": as_of(state, age) });
    format!("event: {event}\ndata: {data}\n\n").into()
}

/// How long the browser waits before it comes back.
#[must_use]
pub fn retry(pause: Duration) -> Bytes {
    format!("retry: {}\n\n", ms(pause)).into()
}

/// The last event of a gateway that is about to stop.
#[must_use]
pub fn bye(pause: Duration) -> Bytes {
    let pause = ms(pause);
    format!("event: bye\nretry: {pause}\ndata: {{\"reason\":\"draining\"}}\n\n").into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::super::seats::tests::seats;
    use super::*;

    fn state(index: u64, states: &[u8], places: u32) -> State {
        State {
            index: index + 2,
            time_ms: 1_000,
            seats: Arc::new(seats(index, states, places)),
        }
    }

    fn data(event: &[u8]) -> Value {
        let text = std::str::from_utf8(event).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(line.unwrap()).unwrap()
    }

    #[test]
    fn a_snapshot_says_everything_and_its_id_is_the_last_change() {
        let event = snapshot(7, "v", &state(5, &[1, 0], 9), Duration::from_millis(3));
        assert!(event.starts_with(b"event: snapshot\nid: 5\n") && event.ends_with(b"\n\n"));
        let data = data(&event);
        assert_eq!(
            data["as_of"],
            json!({"index": 7, "time_ms": 1_000, "age_ms": 3})
        );
        assert_eq!(
            (&data["show"], &data["seats"]),
            (&json!("s7"), &json!("AQ=="))
        );
        assert_eq!(data["areas"], json!([[9, 0, 0, 0]]));
        assert_eq!(data["left"], json!([10]));
    }

    #[test]
    fn a_delta_names_what_differs_and_leaves_out_what_would_be_empty() {
        let before = seats(5, &[0, 1, 2], 9);
        let event = delta(&before, &state(6, &[1, 1, 0], 9), Duration::ZERO).unwrap();
        let told = data(&event);
        assert_eq!(told["seats"], json!([[0, 1], [2, 0]]));
        assert!(told.get("areas").is_none() && told.get("left").is_none());
        let fewer = delta(&before, &state(6, &[0, 1, 2], 8), Duration::ZERO).unwrap();
        assert_eq!(data(&fewer)["areas"], json!([[0, 8, 0, 0, 0]]));
        assert_eq!(data(&fewer)["left"], json!([9]));
        assert!(delta(&before, &state(6, &[0, 1, 2], 9), Duration::ZERO).is_none());
    }

    #[test]
    fn an_unknown_age_is_a_number_that_every_reader_can_hold() {
        assert_eq!(ms(Duration::MAX), 1 << 53);
    }
}
