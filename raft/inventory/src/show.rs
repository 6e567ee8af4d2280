//! What a show is set up from: seats, prices, areas and selling rules.
//!
//! Owns: the plain data, as it travels in the set-up command and in snapshots.
//! Must never: hold anything derived (neighbours live in [`crate::layout`]) or change after set-up.

use serde::{Deserialize, Serialize};

use crate::ids::{CategoryNo, Currency, SeatNo, ShowId};
use crate::limits;

/// Everything that makes a show sellable. Checked as a whole by set-up; see `Rejection::PlanInvalid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowSetUp {
    /// Which show this is.
    pub show: ShowId,
    /// Currency of every price.
    pub currency: Currency,
    /// Price categories; [`CategoryNo`] is the position here.
    pub categories: Vec<Category>,
    /// Seats; [`SeatNo`] is the position here.
    pub seats: Vec<Seat>,
    /// General-admission areas; `AreaNo` is the position here.
    pub areas: Vec<Area>,
    /// Width of the drawing, plan units times 100.
    pub width: i32,
    /// Height of the drawing, plan units times 100.
    pub height: i32,
    /// How the show is sold.
    pub rules: SaleRules,
}

/// A price category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Name as the plan gives it.
    pub name: String,
    /// Colour for drawings, such as `#7f4a91`; may be empty.
    pub color: String,
    /// Price of one place, minor units.
    pub price_minor: u64,
}

/// One numbered seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The plan's identifier, unique in the show.
    pub id: String,
    /// Zone of the plan; seats of different zones are never neighbours.
    pub zone: String,
    /// Row within the zone; seats of different rows are never neighbours.
    pub row: String,
    /// What is printed on the seat.
    pub number: String,
    /// Its price category.
    pub category: CategoryNo,
    /// Position in the drawing, plan units times 100.
    pub x: i32,
    /// Position in the drawing, plan units times 100; grows away from the stage's top edge.
    pub y: i32,
    /// For wheelchair users and others who need it.
    pub accessible: bool,
    /// The accessible seat that this one accompanies.
    pub companion_of: Option<SeatNo>,
}

/// One area sold by count, without numbered seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// The plan's identifier, unique in the show.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Its price category.
    pub category: CategoryNo,
    /// Places.
    pub capacity: u32,
    /// Position in the drawing, plan units times 100.
    pub x: i32,
    /// Position in the drawing, plan units times 100.
    pub y: i32,
}

/// How a show is sold. In every field but the opening time 0 asks for the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleRules {
    /// First moment of sale, ms since the Unix epoch; 0 = open at once.
    pub opens_at_ms: u64,
    /// Sale is over from this moment on; 0 = never.
    pub closes_at_ms: u64,
    /// Places in one order, at most; 0 = [`limits::SEATS_PER_ORDER_DEFAULT`].
    pub seats_per_order_max: u32,
    /// Places of one buyer, held and bought together, at most; 0 = [`limits::SEATS_PER_BUYER_DEFAULT`].
    pub seats_per_buyer_max: u32,
    /// Whether a hold may leave a single seat behind.
    pub single_seat: SingleSeatRule,
    /// How long a hold lasts, ms; 0 = [`limits::HOLD_TTL_MS_DEFAULT`].
    pub hold_ttl_ms: u64,
    /// How long a hold can last with extensions, ms since it was placed; 0 = [`limits::HOLD_TTL_MAX_MS_DEFAULT`].
    pub hold_ttl_max_ms: u64,
}

impl Default for SaleRules {
    /// On sale at once and without end, the default limits, the lenient single-seat rule.
    fn default() -> Self {
        Self {
            opens_at_ms: 0,
            closes_at_ms: 0,
            seats_per_order_max: limits::SEATS_PER_ORDER_DEFAULT,
            seats_per_buyer_max: limits::SEATS_PER_BUYER_DEFAULT,
            single_seat: SingleSeatRule::Lenient,
            hold_ttl_ms: limits::HOLD_TTL_MS_DEFAULT,
            hold_ttl_max_ms: limits::HOLD_TTL_MAX_MS_DEFAULT,
        }
    }
}

impl SaleRules {
    /// The same rules with every 0 that asks for a default replaced by it.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        fn or<T: PartialEq + From<u8>>(value: T, default: T) -> T {
            if value == T::from(0) { default } else { value }
        }
        let per_order = or(self.seats_per_order_max, limits::SEATS_PER_ORDER_DEFAULT);
        // A cap given without a time to live shortens the default, and the other way round.
        let ttl_ms = match (self.hold_ttl_ms, self.hold_ttl_max_ms) {
            (0, 0) => limits::HOLD_TTL_MS_DEFAULT,
            (0, cap_ms) => limits::HOLD_TTL_MS_DEFAULT.min(cap_ms),
            (ttl_ms, _) => ttl_ms,
        };
        Self {
            opens_at_ms: self.opens_at_ms,
            closes_at_ms: or(self.closes_at_ms, u64::MAX),
            seats_per_order_max: per_order,
            seats_per_buyer_max: or(
                self.seats_per_buyer_max,
                limits::SEATS_PER_BUYER_DEFAULT.max(per_order),
            ),
            single_seat: self.single_seat,
            hold_ttl_ms: ttl_ms,
            hold_ttl_max_ms: or(
                self.hold_ttl_max_ms,
                limits::HOLD_TTL_MAX_MS_DEFAULT.max(ttl_ms),
            ),
        }
    }
}

/// Whether a hold of named seats may leave one free seat alone between taken ones.
///
/// A seat is *left single* by a hold when it is free afterwards with no free neighbour in its run (the
/// seats beside each other without an aisle, see [`crate::layout`]), and had a free neighbour before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SingleSeatRule {
    /// No hold may leave a single seat.
    Strict,
    /// As strict, except that a single seat is excused when
    /// * the show is nearly sold out: at most [`SingleSeatRule::NEARLY_SOLD_OUT_PERCENT`] percent of its
    ///   seats were free before the hold; or
    /// * nothing better existed there: of the unbroken free stretch that it was part of, the hold takes
    ///   all seats but one, so that any choice of as many seats in that stretch leaves a single one or a gap.
    #[default]
    Lenient,
    /// Anything goes.
    Off,
}

impl SingleSeatRule {
    /// Share of free seats at or under which the lenient rule rests.
    pub const NEARLY_SOLD_OUT_PERCENT: usize = 5;

    /// The name in configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lenient => "lenient",
            Self::Off => "off",
        }
    }

    /// Reads the name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "strict" => Some(Self::Strict),
            "lenient" => Some(Self::Lenient),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}
