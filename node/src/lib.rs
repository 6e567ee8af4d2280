//! One replica server of Holdfast, and the operator's tool.
//!
//! Read in this order: [`server`] (start and stop), [`grpc`] (what the outside sees), [`propose`] (commands to log
//! entries), [`leader_scope`] (when workers exist), [`workers`] (what they do).
//!
//! Owns: the process. Must never: decide what a seat is (`holdfast-inventory`) or what is committed (`holdfast-raft`).

pub mod backlog;
pub mod buyer_index;
pub mod config;
pub mod ctl;
pub mod debug;
pub mod directory_client;
pub mod fault_door;
pub mod grpc;
pub mod leader_scope;
pub mod leaders;
pub mod metrics;
pub mod plan;
pub mod propose;
pub mod proposers;
pub mod reload;
pub mod room;
#[cfg(feature = "sabotage")]
pub mod sabotage;
pub mod server;
pub mod submission;
pub mod workers;
