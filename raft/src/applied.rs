//! What applying one Raft entry answers to whoever proposed it.
//!
//! Owns: the closed set of answers. Must never: carry an error; a "no" is a value inside the outcome.

/// The answer of one applied entry, by kind of group.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Applied {
    /// Nothing to say: blank and membership entries.
    #[default]
    Nothing,
}
