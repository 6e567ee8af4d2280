//! The contract between a node and everything that talks to it.
//!
//! | module | holds |
//! |---|---|
//! | [`v1`] | the generated protobuf types, services and clients |
//! | [`refs`] | how ids are written for people: `s7`, `h7-12`, … |
//! | [`codes`] | every public error code, what it means, whether to try again |
//! | [`client`] | lazily connected channels to one node |
//! | [`print`] | 32 bits of a request's id, to tell which requests have had an effect |
//! | [`discovery`] | where nodes are: a topology file, and SRV records |
//! | [`pipe`] | many commands in flight on one stream, answers matched by tag |
//! | [`telemetry`] | logs and traces, set up the same way in every process |
//!
//! Owns: the wire form and the client side of it. Must never: know how a node answers.

pub mod client;
pub mod codes;
pub mod discovery;
pub mod pipe;
pub mod print;
pub mod queue;
pub mod refs;
pub mod telemetry;

/// Generated from `proto/holdfast/v1/*.proto`; the proto files are the documentation.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; documented in the proto files"
)]
pub mod v1 {
    tonic::include_proto!("holdfast.v1");
}
