//! What an answer says, in the words of a history.
//!
//! Owns: reading the members of a gateway's JSON. Must never: add what was not said.

use std::collections::HashMap;

use holdfast_node_api::refs::OrderRef;
use serde_json::Value;

use super::Answer;
use crate::history;

/// The path of a read that must have seen a log index.
pub(super) fn floored(path: String, at_least: u64) -> String {
    match at_least {
        0 => path,
        index => format!("{path}?at_least={index}"),
    }
}

pub(super) fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// States of a full seat map as letters, in the order of `seats`.
pub(super) fn letters(body: &Value, seats: &[String]) -> String {
    let listed = body["seats"].as_array().into_iter().flatten();
    let states: HashMap<&str, &str> = listed
        .filter_map(|seat| Some((seat["id"].as_str()?, seat["state"].as_str()?)))
        .collect();
    let letter = |seat: &String| {
        states
            .get(seat.as_str())
            .and_then(|state| state.chars().next())
    };
    seats
        .iter()
        .map(|seat| letter(seat).unwrap_or('?'))
        .collect()
}

/// What an answer says, for the history.
pub(super) fn said(answer: &Answer) -> history::Answer {
    let body = &answer.body;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| body[key].as_u64().unwrap_or(0);
    let (id, as_of) = (text("id"), &body["as_of"]);
    // A hold names its order, an order its hold.
    let (hold, order) = if id.parse::<OrderRef>().is_ok() {
        (text("hold"), id)
    } else {
        (id, text("order"))
    };
    history::Answer {
        code: text("code"),
        why: text("detail"),
        replayed: answer.replayed,
        hold,
        order,
        state: text("state"),
        seats: texts(&body["seats"]),
        expires_ms: number("expires_at_ms"),
        now_ms: number("now_ms"),
        index: as_of["index"].as_u64().unwrap_or_else(|| number("index")),
        age_ms: as_of["age_ms"].as_u64(),
        total_minor: body["total_minor"].as_u64(),
        tickets: texts(&body["tickets"]),
        ..history::Answer::default()
    }
}
