//! The sample season and how it gets into a cluster.
//!
//! `season/season.toml` names plans, events and shows; plans are files beside it, in pretix's seating plan format.
//! Loading is idempotent: everything is created by slug, and what is there already is left alone.
//!
//! Owns: the season's file form. Must never: change what a cluster already has.

mod file;
mod grid;
pub(crate) mod load;

pub use file::{EventEntry, PlanEntry, Season, SeasonError, ShowEntry};
pub use grid::GridShow;
pub use load::{LoadError, LoadedShow, load};
