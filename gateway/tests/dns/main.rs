//! The DNS server from outside: real sockets, other people's clients, and packets that nobody should send.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod dig;
mod discovery;
mod mutated;
mod oracle;
mod packets;
mod server;
