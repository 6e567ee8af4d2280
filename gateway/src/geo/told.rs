//! What a gateway tells others of the round trips that it measured.
//!
//! Owns: the form of it on the wire. Must never: have a place for an address: networks are told.

use std::fmt;
use std::str::FromStr;

use holdfast_region_config::ids::RegionId;
use serde::{Deserialize, Serialize};

use crate::network::Network;

/// Networks told in one answer.
pub const TOLD_MAX: usize = 512;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Who measured.
    pub region: RegionId,
    /// What to ask with next time, to hear only of what is new by then.
    pub next: Cursor,
    /// At most [`TOLD_MAX`], in the order in which they changed.
    pub round_trips: Vec<RoundTrip>,
}

/// The way from the gateway that tells it to one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// An IPv4 /24 or an IPv6 /56.
    pub network: Network,
    /// The least that was measured, µs.
    pub round_trip_us: u64,
    /// For how long it may be believed, ms.
    pub good_for_ms: u64,
}

/// How far somebody has heard of what one process measured: `00c0ffee00c0ffee-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// The process: another one counts its changes anew.
    pub instance: u64,
    /// Its last change that was told, from 1; 0 = nothing was.
    pub change: u64,
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be what an answer said as `next`")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.instance, self.change)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (instance, change) = text.split_once('-').ok_or(BadCursor)?;
        Ok(Self {
            instance: u64::from_str_radix(instance, 16).map_err(|_| BadCursor)?,
            change: change.parse().map_err(|_| BadCursor)?,
        })
    }
}

impl TryFrom<String> for Cursor {
    type Error = BadCursor;

    fn try_from(text: String) -> Result<Self, BadCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given() {
        let cursor = Cursor {
            instance: 0xc0ffee,
            change: 17,
        };
        assert_eq!(cursor.to_string(), "0000000000c0ffee-17");
        assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        for bad in ["", "-", "1", "1-", "-1", "x-1", "1-x", "1--1", "1-2-3"] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }

    #[test]
    fn a_full_answer_is_as_large_as_it_is_read_at_most() {
        let longest = RoundTrip {
            network: "ffff:ffff:ffff:ff00::/56".parse().unwrap(),
            round_trip_us: 2_000_000,
            good_for_ms: 86_400_000,
        };
        let told = Told {
            region: RegionId::new("a".repeat(40)).unwrap(),
            next: Cursor {
                instance: u64::MAX,
                change: u64::MAX,
            },
            round_trips: vec![longest; TOLD_MAX],
        };
        let text = serde_json::to_string(&told).unwrap();
        assert!(
            text.len() <= super::super::exchange::ANSWER_BYTES_MAX,
            "{}",
            text.len()
        );
        assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told);
    }
}
