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

/// States of a map as octets, as letters; `None` when they are not what docs/live-maps.md says.
pub(super) fn unpacked(octets: &[u8]) -> Option<String> {
    const HEAD_BYTES: usize = 12;
    let rest = octets.strip_prefix(b"HFS1")?;
    let count = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
    let seat = |seat: usize| {
        let byte = octets.get(HEAD_BYTES + seat / 4)?;
        let state = (byte >> (2 * (seat % 4))) & 3;
        Some(['a', 'h', 's', 'b'][usize::from(state)])
    };
    (0..usize::try_from(count).ok()?).map(seat).collect()
}

/// The 128 bits behind a buyer's name: unpadded base64 for addresses.
pub(super) fn unnamed(name: &str) -> Option<u128> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const NAME_CHARS: usize = 22;
    let digits = name
        .chars()
        .map(|c| DIGITS.find(c))
        .collect::<Option<Vec<_>>>()?;
    let (last, rest) = digits.split_last()?;
    // 21 digits of six bits; the last one carries the two that are left, in its upper end.
    let high = rest
        .iter()
        .fold(0_u128, |sum, digit| sum << 6 | *digit as u128);
    (digits.len() == NAME_CHARS).then_some(high << 2 | (last >> 4) as u128)
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
        now_ms: as_of["time_ms"]
            .as_u64()
            .unwrap_or_else(|| number("now_ms")),
        index: as_of["index"].as_u64().unwrap_or_else(|| number("index")),
        age_ms: as_of["age_ms"].as_u64(),
        total_minor: body["total_minor"].as_u64(),
        tickets: texts(&body["tickets"]),
        ..history::Answer::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buyers_name_is_its_bytes() {
        assert_eq!(unnamed("AAAAAAAAAAAAAAAAAAAAAA"), Some(0));
        assert_eq!(
            unnamed("AQIDBAUGBwgJCgsMDQ4PEA"),
            Some(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)
        );
        assert_eq!(unnamed("short"), None);
    }

    #[test]
    fn octets_are_unpacked_four_seats_a_byte() {
        let octets = b"HFS1\x05\0\0\0\0\0\0\0\x39\x02";
        assert_eq!(unpacked(octets).as_deref(), Some("hsbas"));
        assert_eq!(unpacked(&octets[..13]), None, "a byte is missing");
        assert_eq!(unpacked(b"HFS2"), None);
    }
}
