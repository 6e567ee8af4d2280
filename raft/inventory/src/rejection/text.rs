//! What a rejection says to people.
//!
//! Owns: the words. Must never: be parsed; programs go by [`Rejection::code`].

use std::fmt;

use super::Rejection;
use crate::ids::SeatNo;

impl Rejection {
    /// What is said of those that name nothing in particular.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "those that name something are told below"
    )]
    const fn fixed_text(&self) -> Option<&'static str> {
        Some(match self {
            Self::RequestReused => "this idempotency key stands for another request",
            Self::ShowNotSetUp => "the show is not set up yet",
            Self::QueueExists => "the show has another waiting room",
            Self::QueueNone => "the show has no waiting room",
            Self::PassRequired => "a pass of the show's waiting room is needed",
            Self::PassUnknown => "this pass was not given to this buyer",
            Self::PassExpired => "the time of the pass is up",
            Self::PassSpent => "the pass has made its hold",
            Self::QuantityInvalid => "this number of places is not possible",
            Self::CategoryUnknown => "this show has no such price category",
            Self::AreaUnknown => "this show has no such area",
            Self::SaleNotOpen { .. } => "the sale has not begun",
            Self::SaleClosed { .. } => "the sale is over",
            Self::QueueNotYet => "the line has not come so far",
            Self::QueuePaused => "nobody is let in for the moment",
            Self::QueueLate => "the place was not claimed in time",
            Self::QueueNotSoldOut => "places can still be had",
            Self::HoldCapReached { .. } => "the hold cannot be extended further",
            Self::NotEnoughSeats => "not so many suitable seats are free",
            Self::OutboxWantsFact => "a record of money is settled by a payment fact only",
            _ => return None,
        })
    }
}

impl fmt::Display for Rejection {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "those that name nothing are told above"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.fixed_text() {
            return f.write_str(text);
        }
        match self {
            Self::ShowAlreadySetUp { show } => write!(f, "show {show} is set up differently"),
            Self::PlanInvalid { reason } => write!(f, "the show cannot be set up: {reason}"),
            Self::QueueInvalid { reason } => write!(f, "the waiting room cannot be: {reason}"),
            Self::TextInvalid { bytes_max } => {
                write!(f, "a text is empty or longer than {bytes_max} bytes")
            }
            Self::SeatsDuplicate { seats } => {
                write!(f, "{} named more than once", count(seats))
            }
            Self::SeatUnknown { seats } => write!(f, "{} not in this show", count(seats)),
            Self::TooManySeats { limit } => write!(f, "at most {limit} places at once"),
            Self::QueueFull { limit } => write!(f, "{limit} people are inside already"),
            Self::HoldUnknown { hold } => write!(f, "there is no hold {hold}"),
            Self::HoldNotYours { hold } => write!(f, "the hold {hold} belongs to another buyer"),
            Self::HoldReleased { hold } => write!(f, "the hold {hold} was released"),
            Self::HoldExpired { hold } => write!(f, "the time of hold {hold} is up"),
            Self::HoldOrdered { hold, order } => {
                write!(
                    f,
                    "the hold {hold} is already being bought as order {order}"
                )
            }
            Self::OrderUnknown { order } => write!(f, "there is no order {order}"),
            Self::OrderNotYours { order } => {
                write!(f, "the order {order} belongs to another buyer")
            }
            Self::OrderCancelled { order } => write!(f, "the order {order} was cancelled"),
            Self::OrderExpired { order } => write!(f, "the time of order {order} is up"),
            Self::OrderPaying { order } => write!(f, "the order {order} is being paid right now"),
            Self::OrderPaid { order } => write!(f, "the order {order} is paid"),
            Self::PaymentUnsettled { order } => {
                write!(f, "the last payment of order {order} is still being undone")
            }
            Self::PaymentAttemptsExhausted { limit } => {
                write!(f, "an order can be paid in at most {limit} attempts")
            }
            Self::PaymentAttemptStale { order } => {
                write!(f, "this payment attempt of order {order} is over")
            }
            Self::BuyerLimit { limit } => write!(f, "at most {limit} places for one buyer"),
            Self::SeatsTaken { seats } => write!(f, "{} already taken", count(seats)),
            Self::SeatsBlocked { seats } => write!(f, "{} not on sale", count(seats)),
            Self::SeatsNotBlocked { seats } => write!(f, "{} not blocked", count(seats)),
            Self::SingleSeatLeft { seats } => {
                write!(
                    f,
                    "this would leave {} single between taken ones",
                    plain_count(seats)
                )
            }
            Self::AreaFull { available } => {
                write!(f, "the area has only {available} free places")
            }
            Self::TableFull { limit } => {
                write!(f, "the show keeps at most {limit} records of this kind")
            }
            fixed => f.write_str(fixed.code()),
        }
    }
}

fn count(seats: &[SeatNo]) -> String {
    let verb = if seats.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", plain_count(seats))
}

fn plain_count(seats: &[SeatNo]) -> String {
    match seats.len() {
        1 => "1 seat".to_owned(),
        n => format!("{n} seats"),
    }
}
