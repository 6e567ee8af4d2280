//! One real single-node server in this process, driven over gRPC and HTTP as gateways and operators do.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it is"
)]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod journey;
mod my_orders;
mod node;
mod payments;
mod restart;
mod set_up;
mod watch;
mod wrong_input;
