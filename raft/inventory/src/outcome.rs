//! What a command came to: one outcome per command, in order.
//!
//! Owns: outcomes, effects, and the views of holds and orders that callers see.
//! Must never: be the only place where a fact lives; every view can be read again from the state.

use serde::{Deserialize, Serialize};

use crate::ids::{AreaNo, BuyerId, Currency, HoldId, OrderId, SeatNo, TicketId};
pub use crate::rejection::Rejection;
use crate::room::PassView;

/// What one command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened now.
    Done(Effect),
    /// It happened before, under the same request id. This is what was said then: ids, places, price and
    /// the state and expiry of that moment. Only the clock (`now_ms`) is today's.
    Replayed(Effect),
    /// It did not happen. Asked again, it is judged anew: only effects are remembered.
    Rejected(Rejection),
}

impl Outcome {
    /// The effect, now or remembered.
    #[must_use]
    pub fn effect(&self) -> Option<&Effect> {
        match self {
            Self::Done(effect) | Self::Replayed(effect) => Some(effect),
            Self::Rejected(_) => None,
        }
    }

    /// The rejection, if it is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Done(_) | Self::Replayed(_) => None,
        }
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The show is sellable.
    ShowSetUp,
    /// The hold as it is after the command.
    Hold(HoldView),
    /// The order as it is after the command.
    Order(OrderView),
    /// These seats were blocked or unblocked, in ascending order.
    SeatsChanged(Vec<SeatNo>),
    /// The clock moved.
    Ticked {
        /// Holds and orders that this entry expired before its first command.
        expired: u32,
    },
    /// Outbox records were taken off.
    Acknowledged {
        /// Records that were still there.
        removed: u32,
    },
    /// The waiting room is as was asked.
    Room {
        /// Its number of changes.
        seq: u64,
    },
    /// The caller's pass: a new one, or the one that they have.
    Pass(PassView),
    /// The caller is on the waitlist.
    Waitlisted {
        /// Their place in the order of asking, from 1.
        place: u64,
    },
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldState {
    /// The places are set aside.
    Active,
    /// Given back by the buyer.
    Released,
    /// Its time ran out.
    Expired,
    /// An order was opened from it; the order owns the places.
    Ordered,
}

/// Where an order stands.
///
/// ```text
///          PayOrder           Authorised          Captured
///   Open ───────────► Paying ────────────► Paid ───────────► Confirmed
///    ▲ │ ◄───────────── │ ▲                  │
///    │ │  Declined,     │ │ Authorised,      │ CaptureFailed
///    │ │  TimedOut      │ │ seats free again ▼
///    │ ├── cancel ──────┼─┼────────────► Cancelled
///    │ └── time is up ──┴─┴─► Expired
/// ```
/// (A late authorisation takes an expired order to Paid when its places are still free.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderState {
    /// Waiting for payment; the places are set aside.
    Open,
    /// Authorisation is asked for; the places are set aside.
    Paying,
    /// Authorised, the places are sold; capture is under way.
    Paid,
    /// Captured; tickets are issued.
    Confirmed,
    /// Given up by the buyer, or capture failed for good; the places are free.
    Cancelled,
    /// Its time ran out; the places are free.
    Expired,
}

/// Why the last payment attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentProblem {
    /// The provider said no.
    Declined,
    /// The provider did not answer in time.
    ProviderTimeout,
    /// The authorisation came after the order had expired, and the places were gone.
    SeatsGone,
    /// The money was set aside but could not be moved.
    CaptureFailed,
}

impl PaymentProblem {
    /// The stable name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::ProviderTimeout => "provider_timeout",
            Self::SeatsGone => "seats_gone",
            Self::CaptureFailed => "capture_failed",
        }
    }
}

/// A hold as its buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// Its id.
    pub hold: HoldId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// Where it stands.
    pub state: HoldState,
    /// Its numbered seats; empty for general admission.
    pub seats: Vec<SeatNo>,
    /// Its area; `None` for numbered seats.
    pub area: Option<AreaNo>,
    /// How many places.
    pub quantity: u32,
    /// When it ends, ms since the Unix epoch.
    pub expires_at_ms: u64,
    /// No extension goes beyond this, ms since the Unix epoch.
    pub expires_at_max_ms: u64,
    /// Price of all places, minor units.
    pub total_minor: u64,
    /// Currency of the price.
    pub currency: Currency,
    /// The order opened from it.
    pub order: Option<OrderId>,
    /// The shard's clock when this was said: a countdown is `expires_at_ms - now_ms`.
    pub now_ms: u64,
    /// The seats are side by side in one unbroken run (general admission: always true).
    pub contiguous: bool,
}

/// An order as its buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Its id.
    pub order: OrderId,
    /// The hold that it was opened from.
    pub hold: HoldId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// Where it stands.
    pub state: OrderState,
    /// Its numbered seats; empty for general admission.
    pub seats: Vec<SeatNo>,
    /// Its area; `None` for numbered seats.
    pub area: Option<AreaNo>,
    /// How many places.
    pub quantity: u32,
    /// Price of all places, minor units.
    pub total_minor: u64,
    /// Currency of the price.
    pub currency: Currency,
    /// When it lapses unless paid, ms since the Unix epoch.
    pub expires_at_ms: u64,
    /// Why the last payment attempt came to nothing.
    pub payment_problem: Option<PaymentProblem>,
    /// One ticket per place, in the order of `seats`; empty until confirmed.
    pub tickets: Vec<TicketId>,
    /// The shard's clock when this was said.
    pub now_ms: u64,
}
