//! "My orders": which orders each buyer has, one small state machine for each jurisdiction.
//!
//! Owns: opaque ids of buyers, each with the shows and numbers of their orders, what the last event said, and when. Pure like
//! the inventory: no clock, no I/O, no hash order. Must never: hold anything personal, or anything that cannot be told again
//! from the shows: the truth about an order is in its show.
//!
//! An event that comes twice, or after a later one of its order, changes nothing. Whatever the order in which events come, the
//! state is the same in the end, also where bounds drop some: those drop the oldest, and what is older than what was dropped
//! would have been dropped too. That is what lets many shows feed one index at least once, without any order between them.
//!
//! Read in this order: [`record`] (what is kept), [`state`] (what an entry does), `codec` (bytes). The reasons are in ADR 0030.

mod codec;
pub mod record;
pub mod state;

pub use codec::IndexCodecError;
pub use record::{IndexEntry, LastState, OrderEvent, OrderSeen, Place, Recorded};
pub use state::BuyerIndexState;

pub(crate) use codec::{decode_entry, decode_snapshot, encode_entry, encode_snapshot};

/// Orders kept for one buyer; the oldest is dropped first.
pub const ORDERS_PER_BUYER_MAX: usize = 200;
/// Orders kept in one index, of all its buyers; the oldest is dropped first.
pub const ORDERS_MAX: usize = 2_000_000;
/// Orders are dropped this long after their last event, ms: 400 days, as long as browsers keep a cookie.
pub const KEPT_MS: u64 = 400 * 24 * 3_600 * 1_000;
/// Events in one entry.
pub const EVENTS_PER_ENTRY_MAX: usize = 1_024;
/// Orders dropped for their age in one entry: more than it can bring, so that dropping keeps up.
pub const DROPPED_PER_ENTRY_MAX: usize = 4_096;
/// Indexes of one cluster: one for each jurisdiction, and one for regions that name none.
pub const INDEXES_MAX: usize = 64;

/// The most that one order takes in a snapshot: five numbers of at most ten bytes, its state, and its buyer when it is the
/// only order.
const ORDER_BYTES_MAX: usize = 4 * 10 + 1 + 18;

const _: () = assert!(
    ORDERS_MAX * ORDER_BYTES_MAX < crate::snapshot_store::SNAPSHOT_BYTES_MAX,
    "a full index fits in a snapshot"
);
const _: () = assert!(
    DROPPED_PER_ENTRY_MAX > EVENTS_PER_ENTRY_MAX,
    "dropping keeps up"
);

#[cfg(test)]
mod tests;
