//! The waiting room, as a gateway runs it: tickets and passes, who is waiting here, the room as last heard.
//!
//! ```text
//!  join ─► ticket, signed ─► [crowd]: heard of ──summary──► the show's leader
//!  ask  ─► key ≤ threshold? ◄── [room] ◄──every second── nearest replica
//!  claim ─► pass, signed ◄── the shard: is there room?
//! ```
//!
//! Owns: everything a gateway keeps of it, all of it in memory and none of it needed by anybody else: a ticket says by itself
//! where its owner stands. Must never: let in; it compares two numbers and asks the shard.

pub mod crowd;
pub mod room;
pub mod rooms;
pub mod token;

pub use rooms::Rooms;
