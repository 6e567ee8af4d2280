//! What buyers do while something is broken.
//!
//! Owns: nothing but the list. Must never: judge what they were told; that is the checker's.

pub mod sale;
