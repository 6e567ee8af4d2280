//! Everything one shard knows: the replicated state, and the only moves that change it.
//!
//! Owns: the tables and what each means. Must never: read a clock, iterate a hash map, or hold anything
//! that two replicas at the same log position could disagree on.
//!
//! ```text
//!              hold                 authorised
//! Available ──────────► Held(hold) ────────────► Sold(order)
//!     ▲ ▲  release, expiry,  │                       │
//!     │ └────── cancel ──────┘                       │
//!     └──────────────── capture failed ──────────────┘
//!     ▲ │ block
//!     │ ▼
//!   Blocked
//! ```

mod derive;
pub(crate) mod expiry;
pub(crate) mod lookup;
mod ownership;
pub(crate) mod places;
pub(crate) mod room;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::idempotency::Idempotency;
use crate::ids::{
    AreaNo, AttemptNo, BuyerId, HoldId, OrderId, OutboxSeq, PassId, SeatNo, TicketId,
};
use crate::layout::Layout;
use crate::ledger::Ledger;
use crate::limits;
use crate::outbox::Outbox;
use crate::outcome::{OrderState, PaymentProblem};
use room::{Room, RoomIndex};

/// The state of one show's inventory. A replica's copy changes only through [`crate::apply`].
#[derive(Clone, Debug)]
pub struct InventoryState {
    /// Bounds of the tables, the same on every replica.
    pub(crate) bounds: Bounds,
    /// The shard's clock, ms since the Unix epoch. Never goes back (INV-CLOCK-1).
    pub(crate) clock_ms: u64,
    /// Entries applied since the show began.
    pub(crate) entries_applied: u64,
    /// `None` until the show is set up.
    pub(crate) layout: Option<Arc<Layout>>,
    /// By seat number. Moved by `places` only.
    pub(crate) seats: Vec<SeatState>,
    /// By area number. Moved by `places` only.
    pub(crate) areas: Vec<AreaUse>,
    /// Every hold on record, active and ended.
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    /// The id of the next hold.
    pub(crate) hold_next: HoldId,
    /// Every order on record.
    pub(crate) orders: BTreeMap<OrderId, Order>,
    /// The id of the next order.
    pub(crate) order_next: OrderId,
    /// The id of the next ticket.
    pub(crate) ticket_next: TicketId,
    /// Holds and orders that came to nothing, oldest first, to be forgotten in time.
    pub(crate) ended: VecDeque<(u64, Expiring)>,
    /// Requests and what became of them.
    pub(crate) idempotency: Idempotency,
    /// Work for the workers.
    pub(crate) outbox: Outbox,
    /// The waiting room before the sale; `None` for a show without. Moved by `room` and `apply::queue` only.
    pub(crate) room: Option<Box<Room>>,
    /// What can be rebuilt from the rest.
    pub(crate) derived: Derived,
}

/// Indexes over the state; not in snapshots, rebuilt from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Derived {
    /// Active holds, unpaid orders and unspent passes by the time they lapse.
    pub(crate) expiring: BTreeSet<(u64, Expiring)>,
    /// Places per buyer; buyers without any are absent.
    pub(crate) buyers: BTreeMap<BuyerId, BuyerUse>,
    /// Seats by state.
    pub(crate) counts: SeatCounts,
    /// Active holds.
    pub(crate) holds_active: u64,
    /// Who is inside the waiting room.
    pub(crate) room: RoomIndex,
}

/// Bounds of the tables. They are part of the replicated state: all replicas of a show must start with
/// the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// See [`limits::REMEMBERED_MAX`].
    pub remembered_max: usize,
    /// See [`limits::HOLDS_MAX`].
    pub holds_max: usize,
    /// See [`limits::ORDERS_MAX`].
    pub orders_max: usize,
    /// See [`limits::OUTBOX_OPEN_MAX`].
    pub outbox_open_max: usize,
    /// See [`limits::EXPIRED_PER_ENTRY_MAX`].
    pub expired_per_entry_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            remembered_max: limits::REMEMBERED_MAX,
            holds_max: limits::HOLDS_MAX,
            orders_max: limits::ORDERS_MAX,
            outbox_open_max: limits::OUTBOX_OPEN_MAX,
            expired_per_entry_max: limits::EXPIRED_PER_ENTRY_MAX,
        }
    }
}

/// Who has a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SeatState {
    /// Nobody.
    #[default]
    Available,
    /// A hold, or the unpaid order opened from it.
    Held(HoldId),
    /// A paid order.
    Sold(OrderId),
    /// Off sale.
    Blocked,
}

/// Places taken in an area. The rest of its capacity is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AreaUse {
    pub(crate) held: u32,
    pub(crate) sold: u32,
}

/// Seats by state; they add up to the layout's seats (INV-SEAT-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeatCounts {
    /// Free to hold.
    pub available: u64,
    /// Set aside by holds and unpaid orders.
    pub held: u64,
    /// Sold.
    pub sold: u64,
    /// Off sale.
    pub blocked: u64,
}

/// Places of one buyer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuyerUse {
    pub(crate) held: u64,
    pub(crate) sold: u64,
}

/// Places of a hold or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Places {
    /// Numbered seats, ascending.
    Seats(Box<[SeatNo]>),
    /// A number of places in an area.
    Area { area: AreaNo, quantity: u32 },
}

impl Places {
    /// How many places.
    pub(crate) fn quantity(&self) -> u32 {
        match self {
            Self::Seats(seats) => u32::try_from(seats.len()).unwrap_or(u32::MAX),
            Self::Area { quantity, .. } => *quantity,
        }
    }

    /// The numbered seats; none for an area.
    pub(crate) fn seats(&self) -> &[SeatNo] {
        match self {
            Self::Seats(seats) => seats,
            Self::Area { .. } => &[],
        }
    }

    /// The area; none for numbered seats.
    pub(crate) fn area(&self) -> Option<AreaNo> {
        match self {
            Self::Seats(_) => None,
            Self::Area { area, .. } => Some(*area),
        }
    }
}

/// A hold on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) buyer: BuyerId,
    pub(crate) places: Places,
    pub(crate) ttl_ms: u64,
    pub(crate) expires_at_ms: u64,
    pub(crate) expires_at_max_ms: u64,
    pub(crate) total_minor: u64,
    pub(crate) contiguous: bool,
    pub(crate) standing: HoldStanding,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HoldStanding {
    Active,
    Released,
    Expired,
    Ordered(OrderId),
}

/// An order on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) buyer: BuyerId,
    pub(crate) hold: HoldId,
    pub(crate) places: Places,
    pub(crate) total_minor: u64,
    pub(crate) expires_at_ms: u64,
    pub(crate) state: OrderState,
    /// The number of the current attempt; 0 before the first.
    pub(crate) attempt: AttemptNo,
    pub(crate) attempt_state: AttemptState,
    /// The outbox record that will move the attempt on; `None` when it is settled.
    pub(crate) job: Option<OutboxSeq>,
    pub(crate) problem: Option<PaymentProblem>,
    pub(crate) ledger: Ledger,
    /// First of as many tickets as places; `None` until confirmed.
    pub(crate) ticket_first: Option<TicketId>,
}

/// Where the current payment attempt of an order stands. Each state but the final ones has exactly one
/// outbox record that will move it on (INV-OUTBOX-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AttemptState {
    /// No attempt yet.
    None,
    /// Waiting for the provider to set money aside.
    Authorising,
    /// Money is set aside; waiting for it to move.
    Capturing,
    /// Money may be set aside; waiting for it to be let go.
    Voiding,
    /// The provider said no.
    Declined,
    /// The money has been let go.
    Voided,
    /// The money has moved.
    Captured,
}

impl AttemptState {
    /// Whether the provider still owes an answer.
    pub(crate) const fn is_unsettled(self) -> bool {
        match self {
            Self::Authorising | Self::Capturing | Self::Voiding => true,
            Self::None | Self::Declined | Self::Voided | Self::Captured => false,
        }
    }
}

/// A hold, an order or an unspent pass, in the tables ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Expiring {
    Hold(HoldId),
    Order(OrderId),
    Pass(PassId),
}

impl Default for InventoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl InventoryState {
    /// The state before the first entry: no layout, the clock at 0, the usual bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::with_bounds(Bounds::default())
    }

    /// The state before the first entry with other bounds; for tests and small machines. Every replica of
    /// the show must use the same.
    #[must_use]
    pub fn with_bounds(bounds: Bounds) -> Self {
        Self {
            bounds,
            clock_ms: 0,
            entries_applied: 0,
            layout: None,
            seats: Vec::new(),
            areas: Vec::new(),
            holds: BTreeMap::new(),
            hold_next: HoldId(1),
            orders: BTreeMap::new(),
            order_next: OrderId(1),
            ticket_next: TicketId(1),
            ended: VecDeque::new(),
            idempotency: Idempotency::default(),
            outbox: Outbox::default(),
            room: None,
            derived: Derived::default(),
        }
    }

    /// Moves the clock to `now_ms`, or leaves it where it is when that lies in the past.
    pub(crate) fn advance_clock(&mut self, now_ms: u64) -> u64 {
        self.clock_ms = self.clock_ms.max(now_ms);
        self.clock_ms
    }
}
