//! What a seat is.
#![deny(
    clippy::iter_over_hash_type,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::integer_division,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]
pub mod command;
pub mod ids;
pub mod limits;
pub mod outbox;
pub mod outcome;
mod rejection;
pub mod show;
