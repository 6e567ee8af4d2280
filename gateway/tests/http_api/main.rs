//! The gateway's HTTP API against scripted nodes.
//!
//! Owns: what a client may rely on. Must never: reach into the gateway other than through its socket.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up must fail loudly"
)]

mod browser;
mod document;
mod fake_index;
mod fake_node;
mod fake_show;
mod fake_watch;
mod harness;
mod idempotency;
mod journey;
mod limits;
mod live;
mod local;
mod my_orders;
mod pages;
mod queue;
mod retry;
mod routing;
mod sessions;
mod show_health;
mod turned_away;
mod validation;
