//! What breaks Holdfast, and what it is run with on one machine. Sees the system only from outside: real processes,
//! HTTP and gRPC.
//!
//! | module | holds |
//! |---|---|
//! | [`wan`] | the wide-area network: delays, partitions, a control API |
//! | [`cluster`] | real node and gateway processes on free ports |
//! | [`season`] | the sample season and its loader |
//! | [`demo`] | `holdfast-chaos demo` |
//! | [`buyer`] | one buyer over HTTP, for workloads and tests |
//! | [`fault`] | what a drill breaks: each with a start and a heal |
//! | [`history`] | what buyers asked and were answered |
//! | [`checker`] | what must be true of a history |
//! | [`bench`] | `holdfast-chaos bench` |
//! | [`runbook`] | `holdfast-chaos runbook` |
//!
//! Must never: import the code under test. Only the contract (`holdfast-node-api`) and the topology.

pub mod bench;
pub mod buyer;
pub mod checker;
pub mod cluster;
pub mod demo;
pub mod fault;
pub mod history;
pub mod lab;
pub mod runbook;
pub mod season;
pub mod wan;
pub mod workload;
