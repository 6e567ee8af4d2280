//! What a seat is: a pure state machine, one for each show.
//!
//! [`apply`] takes the replicated [`InventoryState`] and one committed [`Entry`] and gives one [`Outcome`]
//! per command. It is total and deterministic: no clock, no I/O, no `async`, no randomness, no floats, no
//! hash order. Time is a field of the entry. What must happen outside (money to move, mail to send) is
//! written into the state as outbox records, for the leader's workers to carry out and report back on.
//!
//! Read in this order: [`command`], [`outcome`], `state.rs`, `apply.rs` and the families under it,
//! [`invariants`], [`codec`].
//!
//! ```
//! use holdfast_inventory::{apply, Outcome, InventoryState};
//! use holdfast_inventory::command::{Command, Entry, Envelope};
//! use holdfast_inventory::ids::RequestId;
//!
//! let mut state = InventoryState::new();
//! let tick = Envelope { request: RequestId::internal("tick", 1), command: Command::Tick };
//! let outcomes = apply(&mut state, &Entry { now_ms: 1_000, commands: vec![tick] });
//! assert!(matches!(outcomes.as_slice(), [Outcome::Done(_)]));
//! assert_eq!(state.clock_ms(), 1_000);
//! ```
#![deny(
    clippy::iter_over_hash_type,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::integer_division,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

pub mod codec;
pub mod command;
pub mod ids;
#[macro_use]
pub mod invariants;
pub mod layout;
pub mod ledger;
pub mod limits;
pub mod outbox;
pub mod outcome;
pub mod read;
pub mod room;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod show;
pub mod spread;
pub mod state;

mod apply;
mod choose;
mod idempotency;
mod rejection;

pub use apply::apply;
pub use command::{Command, Entry, Envelope};
pub use outcome::{Effect, Outcome, Rejection};
pub use state::InventoryState;
