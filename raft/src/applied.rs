//! What applying one Raft entry answers to whoever proposed it.
//!
//! Owns: the closed set of answers. Must never: carry an error; a "no" is a value inside the outcome.

use holdfast_inventory::outcome::Outcome;

use crate::buyer_index::Recorded;
use crate::directory::DirectoryOutcome;

/// The answer of one applied entry, by kind of group.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Applied {
    /// Nothing to say: blank and membership entries.
    #[default]
    Nothing,
    /// One outcome per command of a show's entry, in order.
    Show(Vec<Outcome>),
    /// One outcome per command of a directory entry, in order.
    Directory(Vec<DirectoryOutcome>),
    /// What an entry of a buyer index came to.
    BuyerIndex(Recorded),
}
