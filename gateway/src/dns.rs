//! The authoritative DNS server: which gateways a user is sent to, before any request of theirs exists.
//!
//! ```text
//! packet ─► wire (right form? whose subnet?) ─► rate_limit, cookie ─► answer (zone × steering × geography) ─► packet
//!                                                                        ▲
//!                            directory, observations of all regions ─► steering
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | what an operator says |
//! | [`zone`] | the names and their records |
//! | [`geography`] | which regions are near an address, and for how wide a network that holds |
//! | [`steering`] | which regions may be answered now |
//! | [`answer`] | question in, answer out: pure |
//! | [`wire`], [`cookie`], [`rate_limit`] | what a packet must be like, and who may ask how often |
//! | [`responder`] | one packet to one packet |
//! | [`listen`] | sockets and their limits |
//! | [`connections`] | who may have a TCP connection |
//! | [`service`] | all of it in a running gateway |
//!
//! Must never: fail closed. If nobody looks healthy, everybody is answered; consensus decides what may be sold, not DNS.

pub mod answer;
pub mod config;
pub mod connections;
pub mod cookie;
pub mod geography;
pub mod listen;
pub mod rate_limit;
pub mod responder;
pub mod service;
pub mod steering;
pub mod wire;
pub mod zone;
