//! The number line of a waiting room: what gateways, leaders and whoever checks the draw must compute alike.
//!
//! Owns: the arithmetic of `docs/waiting-room.md`. Must never: know who somebody is, or read a clock.

mod key;
mod line;
mod wire;

pub use key::{
    Commit, LATE_START, ParseHexError, Qid, Seed, commit, draw_key, hex, late_key, parse_hex,
    parse_key, show_key,
};
pub use line::{Line, Lines, people};

/// Points in one gateway's summary of its line, at most: with ten gateways still a few thousand for the leader to add up.
pub const REPORT_POINTS_MAX: usize = 512;
/// A ticket that nobody asked about for so long does not count as waiting. Longer than any pause between two questions.
pub const GRACE_MS: u64 = 300_000;

#[cfg(test)]
#[path = "queue/tests.rs"]
mod tests;
