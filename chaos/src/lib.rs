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
//! | [`dns_client`] | one DNS question |
//! | [`fault`] | what a drill breaks: each with a start and a heal |
//! | [`workload`] | what buyers do meanwhile |
//! | [`drill`] | hypothesis, faults, workloads, expectations, verdict: `holdfast-chaos drill` |
//! | [`report`] | what a drill found, for people and machines; the scorecard |
//! | [`history`] | what buyers asked and were answered |
//! | [`check_command`], [`history_command`] | `holdfast-chaos check`, `holdfast-chaos history` |
//! | [`checker`] | what must be true of a history |
//! | [`bench`] | `holdfast-chaos bench` |
//! | [`runbook`] | `holdfast-chaos runbook` |
//!
//! Must never: import the code under test. Only the contract (`holdfast-node-api`) and the topology.

pub mod bench;
pub mod buyer;
pub mod check_command;
pub mod checker;
pub mod cluster;
pub mod demo;
pub mod dns_client;
pub mod drill;
pub mod fault;
pub mod history;
pub mod history_command;
pub mod lab;
mod operator;
pub mod queue_command;
pub mod report;
pub mod runbook;
pub mod season;
pub mod wan;
pub mod workload;
