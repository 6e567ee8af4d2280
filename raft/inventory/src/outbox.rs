//! Effects as data: what leader-only workers are to carry out.
//!
//! Owns: the records and their numbering. Must never: carry anything out, or forget a record that is
//! neither acknowledged nor settled by a fact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{AttemptNo, BuyerId, Currency, OrderId, OutboxSeq};

/// One thing to carry out, at least once. `(show, seq)` lets the far side drop repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// Its number; records are handed out in this order.
    pub seq: OutboxSeq,
    /// The shard's clock when it was written, ms since the Unix epoch.
    pub at_ms: u64,
    /// What to do.
    pub job: Job,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Ask the provider to set money aside; report Authorised, Declined or TimedOut.
    Authorise {
        /// The order being paid.
        order: OrderId,
        /// Which attempt; `(show, order, attempt)` is the provider's idempotency key.
        attempt: AttemptNo,
        /// How much, minor units.
        amount_minor: u64,
        /// Of what.
        currency: Currency,
        /// The provider's one-time token.
        payment_token: String,
    },
    /// Ask the provider to move the money set aside; report Captured or CaptureFailed.
    Capture {
        /// The order being paid.
        order: OrderId,
        /// Which attempt.
        attempt: AttemptNo,
        /// How much, minor units.
        amount_minor: u64,
        /// Of what.
        currency: Currency,
    },
    /// Ask the provider to let the money go; report Voided.
    Void {
        /// The order that was being paid.
        order: OrderId,
        /// Which attempt.
        attempt: AttemptNo,
    },
    /// Tell the buyer; acknowledge when delivered.
    Notify {
        /// Whom.
        buyer: BuyerId,
        /// About which order.
        order: OrderId,
        /// What.
        notice: Notice,
    },
    /// Tell other systems; acknowledge when delivered.
    Publish {
        /// About which order.
        order: OrderId,
        /// What.
        notice: Notice,
    },
}

impl Job {
    /// Whether it is settled by a payment fact rather than by an acknowledgement.
    #[must_use]
    pub const fn wants_fact(&self) -> bool {
        match self {
            Self::Authorise { .. } | Self::Capture { .. } | Self::Void { .. } => true,
            Self::Notify { .. } | Self::Publish { .. } => false,
        }
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The money has moved and tickets are issued.
    OrderConfirmed,
    /// The places were sold, then the money could not be moved: the order is cancelled.
    OrderCancelled,
    /// The money was set aside too late and is let go; the order stays expired.
    PaymentReturned,
}

/// Records waiting, by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outbox {
    pub(crate) records: BTreeMap<OutboxSeq, OutboxRecord>,
    pub(crate) next: OutboxSeq,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            next: OutboxSeq(1),
        }
    }
}

impl Outbox {
    /// Writes a record and returns its number.
    pub(crate) fn push(&mut self, at_ms: u64, job: Job) -> OutboxSeq {
        let seq = self.next;
        self.next = seq.next();
        self.records.insert(seq, OutboxRecord { seq, at_ms, job });
        seq
    }

    /// Takes a record off; says whether it was there.
    pub(crate) fn remove(&mut self, seq: OutboxSeq) -> bool {
        self.records.remove(&seq).is_some()
    }
}
