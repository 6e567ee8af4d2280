//! What can be asked of a shard: one entry carries a batch of commands.
//!
//! Owns: the shape of entries and commands, as they are written to the log.
//! Must never: change the meaning or the order of a variant once released; new ones go to the end.

use serde::{Deserialize, Serialize};

use crate::ids::{
    AreaNo, AttemptNo, CategoryNo, HoldId, OrderId, OutboxSeq, PassId, RequestId, SeatNo,
};
use crate::room::{ClaimPass, OpenRoom, Raise, RoomChange};
use crate::show::ShowSetUp;

/// One Raft entry: commands that were waiting together, with the leader's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Stamped once by the proposing leader, ms since the Unix epoch. Applying clamps it, so that the
    /// shard's clock never runs backwards.
    pub now_ms: u64,
    /// Applied in this order; one outcome each.
    pub commands: Vec<Envelope>,
}

/// A command and the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who asks, and the name of the request: a repeat gets the first effect.
    pub request: RequestId,
    /// What is asked.
    pub command: Command,
}

/// What is asked. The buyer of a hold or an order is the request's caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Makes the show sellable. The same set-up again is fine; another is refused.
    SetUpShow(Box<ShowSetUp>),
    /// Sets places aside for the caller, all or nothing.
    PlaceHold(PlaceHold),
    /// Starts the hold's time anew, up to its cap.
    ExtendHold {
        /// The caller's hold.
        hold: HoldId,
    },
    /// Gives the places back.
    ReleaseHold {
        /// The caller's hold.
        hold: HoldId,
    },
    /// Begins to buy what the hold holds.
    OpenOrder {
        /// The caller's hold.
        hold: HoldId,
    },
    /// Asks for the money. An order that costs nothing is confirmed at once.
    PayOrder {
        /// The caller's order.
        order: OrderId,
        /// One-time opaque token of the payment provider. Never a card number.
        payment_token: String,
    },
    /// A worker reports what the payment provider said.
    RecordPayment(RecordPayment),
    /// Gives an unpaid order up.
    CancelOrder {
        /// The caller's order.
        order: OrderId,
    },
    /// An operator takes seats off sale, all or nothing.
    BlockSeats {
        /// Free seats.
        seats: Vec<SeatNo>,
        /// Why, for the record.
        reason: String,
    },
    /// An operator puts seats back on sale, all or nothing.
    UnblockSeats {
        /// Blocked seats.
        seats: Vec<SeatNo>,
    },
    /// Moves the clock: expires what is due, forgets what is old.
    Tick,
    /// A worker has delivered these records. Records of money are settled by
    /// [`Command::RecordPayment`] instead, and cannot be acknowledged.
    AcknowledgeOutbox {
        /// Records delivered; those already gone are no error.
        seqs: Vec<OutboxSeq>,
    },
    /// An operator puts a waiting room before the sale. The same room again is fine; another is refused.
    OpenRoom(Box<OpenRoom>),
    /// An operator changes how the room is run.
    ChangeRoom(RoomChange),
    /// The leader's controller: the draw is made, everybody may know the seed.
    RevealSeed,
    /// The leader's controller: how far the line may come.
    RaiseThreshold(Raise),
    /// The caller's place in the line was reached.
    ClaimPass(ClaimPass),
    /// As [`Command::PlaceHold`], for a show with a waiting room.
    PlaceHoldWithPass {
        /// Which places.
        hold: PlaceHold,
        /// The caller's pass.
        pass: PassId,
    },
    /// The caller wants to hear of places that come back. Asked again, it gives the same place.
    JoinWaitlist,
}

impl Command {
    /// Whether its effect is remembered under the request id.
    ///
    /// What buyers and operators ask is. Set-up, payment facts, ticks and acknowledgements are not: they
    /// come from the system itself, and a repeat of one finds its work done and changes nothing. What concerns a waiting
    /// room but a hold is the same by nature when it is repeated.
    #[must_use]
    pub const fn is_remembered(&self) -> bool {
        match self {
            Self::PlaceHold(_)
            | Self::PlaceHoldWithPass { .. }
            | Self::ExtendHold { .. }
            | Self::ReleaseHold { .. }
            | Self::OpenOrder { .. }
            | Self::PayOrder { .. }
            | Self::CancelOrder { .. }
            | Self::BlockSeats { .. }
            | Self::UnblockSeats { .. } => true,
            Self::SetUpShow(_)
            | Self::RecordPayment(_)
            | Self::Tick
            | Self::AcknowledgeOutbox { .. }
            | Self::OpenRoom(_)
            | Self::ChangeRoom(_)
            | Self::RevealSeed
            | Self::RaiseThreshold(_)
            | Self::ClaimPass(_)
            | Self::JoinWaitlist => false,
        }
    }

    /// The format version of entries that first knew it: a release that cannot read it says so, instead of finding
    /// damage.
    #[must_use]
    pub(crate) const fn entry_version(&self) -> u16 {
        match self {
            Self::SetUpShow(_)
            | Self::PlaceHold(_)
            | Self::ExtendHold { .. }
            | Self::ReleaseHold { .. }
            | Self::OpenOrder { .. }
            | Self::PayOrder { .. }
            | Self::RecordPayment(_)
            | Self::CancelOrder { .. }
            | Self::BlockSeats { .. }
            | Self::UnblockSeats { .. }
            | Self::Tick
            | Self::AcknowledgeOutbox { .. } => 1,
            Self::OpenRoom(_)
            | Self::ChangeRoom(_)
            | Self::RevealSeed
            | Self::RaiseThreshold(_)
            | Self::ClaimPass(_)
            | Self::PlaceHoldWithPass { .. }
            | Self::JoinWaitlist => 2,
        }
    }

    /// Its family's name, for metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SetUpShow(_) => "set_up_show",
            Self::PlaceHold(_) => "place_hold",
            Self::ExtendHold { .. } => "extend_hold",
            Self::ReleaseHold { .. } => "release_hold",
            Self::OpenOrder { .. } => "open_order",
            Self::PayOrder { .. } => "pay_order",
            Self::RecordPayment(_) => "record_payment",
            Self::CancelOrder { .. } => "cancel_order",
            Self::BlockSeats { .. } => "block_seats",
            Self::UnblockSeats { .. } => "unblock_seats",
            Self::Tick => "tick",
            Self::AcknowledgeOutbox { .. } => "acknowledge_outbox",
            Self::OpenRoom(_) => "open_room",
            Self::ChangeRoom(_) => "change_room",
            Self::RevealSeed => "reveal_seed",
            Self::RaiseThreshold(_) => "raise_threshold",
            Self::ClaimPass(_) => "claim_pass",
            Self::PlaceHoldWithPass { .. } => "place_hold_with_pass",
            Self::JoinWaitlist => "join_waitlist",
        }
    }
}

/// A hold, as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceHold {
    /// Which places.
    pub what: Wanted,
    /// How long, ms; 0 = the show's default. Clamped to the show's cap.
    pub ttl_ms: u64,
}

/// Which places a hold is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// These seats and no others.
    Named(Vec<SeatNo>),
    /// Whatever is best: side by side if possible, near the front and the middle.
    BestAvailable {
        /// How many seats.
        quantity: u32,
        /// Only of this category; `None` = any.
        category: Option<CategoryNo>,
        /// How many of them must be accessible seats; the rest are preferably their companion seats.
        accessible: u32,
    },
    /// Places in an area without numbered seats.
    GeneralAdmission {
        /// The area.
        area: AreaNo,
        /// How many places.
        quantity: u32,
    },
}

/// What the payment provider said about one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPayment {
    /// The order being paid.
    pub order: OrderId,
    /// Which attempt, as in the outbox record that asked for it.
    pub attempt: AttemptNo,
    /// What happened.
    pub fact: PaymentFact,
}

/// A fact about a payment attempt. Facts of refunds and disputes will follow at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentFact {
    /// The provider has set the money aside.
    Authorised,
    /// The provider said no; no money is set aside.
    Declined,
    /// The provider did not answer in time: money may be set aside, so it is voided.
    TimedOut,
    /// The money has moved.
    Captured,
    /// The money cannot be moved, for good.
    CaptureFailed,
    /// Whatever was set aside has been let go.
    Voided,
}
