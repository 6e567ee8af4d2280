//! The business "no": definite, nothing happened.
//!
//! Owns: the closed set of reasons, their stable codes and their precedence; their texts in `text`.
//! Must never: rename or reuse a code (each has a page in `docs/errors/`), or report operating trouble.

mod text;

use serde::{Deserialize, Serialize};

use crate::ids::{HoldId, OrderId, SeatNo, ShowId};
use crate::limits;

/// Why a command had no effect.
///
/// **Precedence.** When several reasons hold at once, the one listed first here is given: what is wrong
/// with the request, then with the sale's time, then with the thing named, then with limits, then with the
/// places, then with the shard's own tables. So a buyer hears first what they alone can mend, and
/// two replicas (or two releases) never give different answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// The key was used before for another request body.
    RequestReused,
    /// The show has no layout yet.
    ShowNotSetUp,
    /// The show was set up before, differently.
    ShowAlreadySetUp {
        /// The show that is here.
        show: ShowId,
    },
    /// The set-up is not sellable.
    PlanInvalid {
        /// What is wrong and where.
        reason: String,
    },
    /// The show has another waiting room already, or had one.
    QueueExists,
    /// The waiting room cannot be run like this.
    QueueInvalid {
        /// What is wrong.
        reason: String,
    },
    /// The show has no waiting room, or it is over.
    QueueNone,
    /// The show has a waiting room, and the hold came without a pass.
    PassRequired,
    /// The pass was never given, or to somebody else.
    PassUnknown,
    /// The pass's time is up.
    PassExpired,
    /// The pass has made its hold.
    PassSpent,
    /// No places, or a number that cannot be: none at all, or more accessible ones than places.
    QuantityInvalid,
    /// A text is empty or too long.
    TextInvalid {
        /// Bytes, at most.
        bytes_max: u64,
    },
    /// A seat is named twice.
    SeatsDuplicate {
        /// The seats named more than once.
        seats: Vec<SeatNo>,
    },
    /// A seat is not in the layout.
    SeatUnknown {
        /// The unknown ones.
        seats: Vec<SeatNo>,
    },
    /// The category is not in the layout.
    CategoryUnknown,
    /// The area is not in the layout.
    AreaUnknown,
    /// More places than one order (or one operator command) may have.
    TooManySeats {
        /// Places, at most.
        limit: u32,
    },
    /// The sale has not begun.
    SaleNotOpen {
        /// When it begins, ms since the Unix epoch.
        opens_at_ms: u64,
    },
    /// The sale is over.
    SaleClosed {
        /// When it ended, ms since the Unix epoch.
        closes_at_ms: u64,
    },
    /// The line has not come so far.
    QueueNotYet,
    /// An operator holds the line up.
    QueuePaused,
    /// As many people are inside as may be.
    QueueFull {
        /// People, at most.
        limit: u32,
    },
    /// The place was not claimed in time, or its pass is over.
    QueueLate,
    /// There is no waitlist while places can still be had.
    QueueNotSoldOut,
    /// No such hold, or one that ended so long ago that it is forgotten.
    HoldUnknown {
        /// The hold asked for.
        hold: HoldId,
    },
    /// The hold is another buyer's.
    HoldNotYours {
        /// The hold asked for.
        hold: HoldId,
    },
    /// The hold was released.
    HoldReleased {
        /// The hold asked for.
        hold: HoldId,
    },
    /// The hold's time is up.
    HoldExpired {
        /// The hold asked for.
        hold: HoldId,
    },
    /// An order was opened from the hold and owns its places now.
    HoldOrdered {
        /// The hold asked for.
        hold: HoldId,
        /// The order.
        order: OrderId,
    },
    /// The hold cannot be drawn out any further.
    HoldCapReached {
        /// When it ends, ms since the Unix epoch.
        expires_at_max_ms: u64,
    },
    /// No such order, or one that ended so long ago that it is forgotten.
    OrderUnknown {
        /// The order asked for.
        order: OrderId,
    },
    /// The order is another buyer's.
    OrderNotYours {
        /// The order asked for.
        order: OrderId,
    },
    /// The order was cancelled.
    OrderCancelled {
        /// The order asked for.
        order: OrderId,
    },
    /// The order's time is up.
    OrderExpired {
        /// The order asked for.
        order: OrderId,
    },
    /// A payment of the order is under way.
    OrderPaying {
        /// The order asked for.
        order: OrderId,
    },
    /// The order is paid.
    OrderPaid {
        /// The order asked for.
        order: OrderId,
    },
    /// The last payment attempt is not undone yet; a second one now could charge twice.
    PaymentUnsettled {
        /// The order asked for.
        order: OrderId,
    },
    /// The order has used up its payment attempts.
    PaymentAttemptsExhausted {
        /// Attempts, at most.
        limit: u32,
    },
    /// The fact is about an attempt that is over, or contradicts what is known of it.
    PaymentAttemptStale {
        /// The order.
        order: OrderId,
    },
    /// A record of money is settled by a payment fact, not by an acknowledgement.
    OutboxWantsFact,
    /// The buyer would have more places than one buyer may.
    BuyerLimit {
        /// Places held and bought, at most.
        limit: u32,
    },
    /// Someone else has these seats.
    SeatsTaken {
        /// The seats held or sold.
        seats: Vec<SeatNo>,
    },
    /// These seats are off sale.
    SeatsBlocked {
        /// The blocked seats.
        seats: Vec<SeatNo>,
    },
    /// These seats are not blocked, so they cannot be unblocked.
    SeatsNotBlocked {
        /// The seats that are on sale or sold.
        seats: Vec<SeatNo>,
    },
    /// The hold would leave seats single.
    SingleSeatLeft {
        /// The seats that would be left.
        seats: Vec<SeatNo>,
    },
    /// No such number of seats is free within what was asked for.
    NotEnoughSeats,
    /// The area has not so many free places.
    AreaFull {
        /// Places still free.
        available: u32,
    },
    /// One of the shard's bounded tables is full.
    TableFull {
        /// Records, at most.
        limit: u64,
    },
}

impl Rejection {
    /// Every code there is, in precedence order.
    pub const ALL_CODES: &'static [&'static str] = &[
        "request_reused",
        "show_not_set_up",
        "show_already_set_up",
        "plan_invalid",
        "queue_exists",
        "queue_invalid",
        "queue_none",
        "pass_required",
        "pass_unknown",
        "pass_expired",
        "pass_spent",
        "quantity_invalid",
        "text_invalid",
        "seats_duplicate",
        "seat_unknown",
        "category_unknown",
        "area_unknown",
        "too_many_seats",
        "sale_not_open",
        "sale_closed",
        "queue_not_yet",
        "queue_paused",
        "queue_full",
        "queue_late",
        "queue_not_sold_out",
        "hold_unknown",
        "hold_not_yours",
        "hold_released",
        "hold_expired",
        "hold_ordered",
        "hold_cap_reached",
        "order_unknown",
        "order_not_yours",
        "order_cancelled",
        "order_expired",
        "order_paying",
        "order_paid",
        "payment_unsettled",
        "payment_attempts_exhausted",
        "payment_attempt_stale",
        "outbox_wants_fact",
        "buyer_limit",
        "seats_taken",
        "seats_blocked",
        "seats_not_blocked",
        "single_seat_left",
        "not_enough_seats",
        "area_full",
        "table_full",
    ];

    /// The stable code, as users see it; see `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RequestReused => "request_reused",
            Self::ShowNotSetUp => "show_not_set_up",
            Self::ShowAlreadySetUp { .. } => "show_already_set_up",
            Self::PlanInvalid { .. } => "plan_invalid",
            Self::QueueExists => "queue_exists",
            Self::QueueInvalid { .. } => "queue_invalid",
            Self::QueueNone => "queue_none",
            Self::PassRequired => "pass_required",
            Self::PassUnknown => "pass_unknown",
            Self::PassExpired => "pass_expired",
            Self::PassSpent => "pass_spent",
            Self::QuantityInvalid => "quantity_invalid",
            Self::TextInvalid { .. } => "text_invalid",
            Self::SeatsDuplicate { .. } => "seats_duplicate",
            Self::SeatUnknown { .. } => "seat_unknown",
            Self::CategoryUnknown => "category_unknown",
            Self::AreaUnknown => "area_unknown",
            Self::TooManySeats { .. } => "too_many_seats",
            Self::SaleNotOpen { .. } => "sale_not_open",
            Self::SaleClosed { .. } => "sale_closed",
            Self::QueueNotYet => "queue_not_yet",
            Self::QueuePaused => "queue_paused",
            Self::QueueFull { .. } => "queue_full",
            Self::QueueLate => "queue_late",
            Self::QueueNotSoldOut => "queue_not_sold_out",
            Self::HoldUnknown { .. } => "hold_unknown",
            Self::HoldNotYours { .. } => "hold_not_yours",
            Self::HoldReleased { .. } => "hold_released",
            Self::HoldExpired { .. } => "hold_expired",
            Self::HoldOrdered { .. } => "hold_ordered",
            Self::HoldCapReached { .. } => "hold_cap_reached",
            Self::OrderUnknown { .. } => "order_unknown",
            Self::OrderNotYours { .. } => "order_not_yours",
            Self::OrderCancelled { .. } => "order_cancelled",
            Self::OrderExpired { .. } => "order_expired",
            Self::OrderPaying { .. } => "order_paying",
            Self::OrderPaid { .. } => "order_paid",
            Self::PaymentUnsettled { .. } => "payment_unsettled",
            Self::PaymentAttemptsExhausted { .. } => "payment_attempts_exhausted",
            Self::PaymentAttemptStale { .. } => "payment_attempt_stale",
            Self::OutboxWantsFact => "outbox_wants_fact",
            Self::BuyerLimit { .. } => "buyer_limit",
            Self::SeatsTaken { .. } => "seats_taken",
            Self::SeatsBlocked { .. } => "seats_blocked",
            Self::SeatsNotBlocked { .. } => "seats_not_blocked",
            Self::SingleSeatLeft { .. } => "single_seat_left",
            Self::NotEnoughSeats => "not_enough_seats",
            Self::AreaFull { .. } => "area_full",
            Self::TableFull { .. } => "table_full",
        }
    }

    /// Its place in the order of precedence; smaller wins.
    #[must_use]
    pub fn precedence(&self) -> usize {
        let code = self.code();
        Self::ALL_CODES
            .iter()
            .position(|c| *c == code)
            .unwrap_or(usize::MAX)
    }

    /// The seats that caused it; empty when seats did not.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most reasons carry none; the ones that do are listed"
    )]
    #[must_use]
    pub fn seats(&self) -> &[SeatNo] {
        match self {
            Self::SeatsDuplicate { seats }
            | Self::SeatUnknown { seats }
            | Self::SeatsTaken { seats }
            | Self::SeatsBlocked { seats }
            | Self::SeatsNotBlocked { seats }
            | Self::SingleSeatLeft { seats } => seats,
            _ => &[],
        }
    }

    /// The limit that was met, when one was.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most reasons carry none; the ones that do are listed"
    )]
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        match self {
            Self::TextInvalid { bytes_max } => Some(*bytes_max),
            Self::TooManySeats { limit }
            | Self::QueueFull { limit }
            | Self::BuyerLimit { limit }
            | Self::PaymentAttemptsExhausted { limit } => Some(u64::from(*limit)),
            Self::AreaFull { available } => Some(u64::from(*available)),
            Self::TableFull { limit } => Some(*limit),
            _ => None,
        }
    }

    /// Whether the same command, under a new key, may succeed later without any change to it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::ShowNotSetUp
                | Self::SaleNotOpen { .. }
                | Self::QueueNotYet
                | Self::QueuePaused
                | Self::QueueFull { .. }
                | Self::OrderPaying { .. }
                | Self::PaymentUnsettled { .. }
                | Self::BuyerLimit { .. }
                | Self::SeatsTaken { .. }
                | Self::SeatsBlocked { .. }
                | Self::SingleSeatLeft { .. }
                | Self::NotEnoughSeats
                | Self::AreaFull { .. }
                | Self::TableFull { .. }
        )
    }
}

const _: () = assert!(
    limits::SEATS_PER_BLOCK_MAX <= u32::MAX as usize,
    "the limit of an operator command fits in `TooManySeats`"
);
