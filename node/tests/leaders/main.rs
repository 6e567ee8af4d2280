//! Three nodes in this process: leaders that are lost, that move on purpose, and that sleep.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it is"
)]

mod change;
mod cluster;
mod members;
mod moves;
mod sleep;
