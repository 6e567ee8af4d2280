//! The leader's part of a waiting room: what gateways report, and how far the line may come.
//!
//! ```text
//!  gateways ── reports, every few seconds ──► [reports] ──► [controller] ── one decision a second ──► the show's log
//! ```
//!
//! Everything here is an estimate in memory: a new leader begins with none and has them again after the next reports. What
//! must be true is in the shard (`holdfast_inventory`, INV-ROOM-1). Must never: let anybody in; the shard does that.

pub mod controller;
pub mod reports;

use holdfast_inventory::room::{OpenRoom, RoomConfig, RoomSeed};
use holdfast_node_api::queue;

/// A room with a seed of its own: made here, from the operating system's randomness, and told to nobody but the log.
#[must_use]
pub fn with_seed(config: RoomConfig) -> OpenRoom {
    // Never seeded: a draw that could be computed beforehand would be none.
    let seed: [u8; 32] = rand::random();
    OpenRoom {
        config,
        commit: queue::commit(&seed),
        seed: RoomSeed(seed),
    }
}
