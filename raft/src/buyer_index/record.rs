//! What an index keeps, and what it is told.
//!
//! Owns: the types that entries and snapshots are made of. Must never: change their layout without a new version in `codec`, or
//! carry a name, an address or anything else about a person.

use holdfast_inventory::ids::{BuyerId, OrderId, OutboxSeq, ShowId};
use holdfast_inventory::outbox::Notice;
use serde::{Deserialize, Serialize};

/// What the last event said of an order. A new word goes to the end: its place is its number on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LastState {
    /// Paid; tickets are issued.
    Confirmed,
    /// Cancelled after it was paid for; the money goes back.
    Cancelled,
    /// It expired while its payment was under way; the money was let go.
    Expired,
}

impl LastState {
    /// Every word, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Cancelled, Self::Expired];

    /// The word of the API for it; the same that the order itself has.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// What the word says; `None` for one that is not of this release.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl From<Notice> for LastState {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::OrderConfirmed => Self::Confirmed,
            Notice::OrderCancelled => Self::Cancelled,
            Notice::PaymentReturned => Self::Expired,
        }
    }
}

/// One event of one order, as its show's outbox has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// Whose order it is.
    pub buyer: BuyerId,
    /// Its show.
    pub show: ShowId,
    /// Its number within the show.
    pub order: OrderId,
    /// Number of the event within the show: of two events of one order the higher is the later.
    pub seq: OutboxSeq,
    /// The show's clock, ms since the Unix epoch.
    pub at_ms: u64,
    /// What the event says.
    pub state: LastState,
}

/// One entry of an index's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The proposer's clock, ms since the Unix epoch; what is old is dropped by it.
    pub now_ms: u64,
    /// At most [`super::EVENTS_PER_ENTRY_MAX`].
    pub events: Vec<OrderEvent>,
}

/// An order as its buyer's index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSeen {
    /// Its show.
    pub show: ShowId,
    /// Its number within the show.
    pub order: OrderId,
    /// Number of the last event within the show.
    pub seq: OutboxSeq,
    /// When that was by the show's clock, ms since the Unix epoch.
    pub at_ms: u64,
    /// What it said.
    pub state: LastState,
}

impl OrderSeen {
    /// Its place among its buyer's orders.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place {
            at_ms: self.at_ms,
            show: self.show,
            order: self.order,
        }
    }

    /// Whether it is an order of that show with that number.
    pub(crate) fn is(&self, show: ShowId, order: OrderId) -> bool {
        self.show == show && self.order == order
    }
}

/// Where an order stands among others: by the time of its last event. No two orders share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When its last event was, ms since the Unix epoch.
    pub at_ms: u64,
    /// Its show.
    pub show: ShowId,
    /// Its number within the show.
    pub order: OrderId,
}

/// What an entry came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Events that were news. The others were repeats, or older than what is known or kept.
    pub news: u32,
}
