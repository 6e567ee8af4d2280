//! What must hold of every placement, whatever the topology: tried on random ones, compared with brute force on small
//! ones, pinned on the real ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod brute_force;
mod directory;
mod drawn;
mod explanation;
mod goals;
mod goldens;
mod moves;
mod timing;
