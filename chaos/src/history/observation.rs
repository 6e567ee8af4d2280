//! What was seen without asking as a buyer: replicas, money, notices, and what was done to the system.
//!
//! Owns: their fields. Must never: hold what only the inside of a process knows.

use serde::{Deserialize, Serialize};

/// What one replica said of itself, read without waiting for any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// When the answer came, ns since the origin.
    pub t_ns: u64,
    /// Which show.
    pub show: String,
    /// Which node.
    pub node: u64,
    /// Last applied log index.
    pub index: u64,
    /// Hash of the whole replicated state at that index, hexadecimal.
    pub hash: String,
    /// Seats in each state at that index.
    pub available: u64,
    /// See `available`.
    pub held: u64,
    /// See `available`.
    pub sold: u64,
    /// See `available`.
    pub blocked: u64,
    /// Outbox records not yet delivered.
    pub outbox_pending: u64,
    /// Broken invariants that the replica has counted since it started.
    pub invariant_violations: u64,
}

/// Which way money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Money {
    /// Set aside.
    Authorised,
    /// Taken.
    Captured,
    /// What was set aside is let go.
    Voided,
    /// What was taken is given back.
    Refunded,
}

/// Money that a payment provider moved. A provider drops repeats, so each movement is here once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoneyMoved {
    /// When, ns since the origin.
    pub t_ns: u64,
    /// Which show.
    pub show: String,
    /// For which order.
    pub order: String,
    /// Number of the payment attempt.
    pub attempt: u32,
    /// Which way.
    pub moved: Money,
    /// How much, minor units.
    pub amount_minor: u64,
}

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// The order is paid and has its tickets.
    OrderConfirmed,
    /// The order was sold and then cancelled.
    OrderCancelled,
    /// Money that came too late was let go.
    PaymentReturned,
}

/// A notice that arrived at its far side. It may arrive more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// When, ns since the origin.
    pub t_ns: u64,
    /// Which show.
    pub show: String,
    /// About which order.
    pub order: String,
    /// Number of the outbox record.
    pub seq: u64,
    /// What it says.
    pub kind: NoticeKind,
}

/// Something that was done to the system, or a phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// When, ns since the origin.
    pub t_ns: u64,
    /// What: `kill n2`, `heal n2`, `quiet`.
    pub what: String,
    /// Until when, ns since the origin; 0 = a moment.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub until_ns: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}
