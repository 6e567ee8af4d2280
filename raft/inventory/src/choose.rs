//! Which places a hold gets, or why it gets none.
//!
//! Owns: the judgement of a wanted hold, read-only, so that a leader can ask it without a log entry.
//! Must never: change the state, or judge in another order than `Rejection`'s precedence.

mod best_available;
mod general_admission;
mod named;
mod single_seat;
mod split;

use crate::command::Wanted;
use crate::ids::{BuyerId, SeatNo};
use crate::layout::Layout;
use crate::outcome::Rejection;
use crate::state::{InventoryState, Places, SeatState};

/// Places that may be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) places: Places,
    pub(crate) total_minor: u64,
    pub(crate) contiguous: bool,
}

/// What every chooser looks at.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) state: &'a InventoryState,
    pub(crate) layout: &'a Layout,
    pub(crate) now_ms: u64,
    /// Something is due and not yet swept. Asked once: a chooser looks at many seats.
    any_due: bool,
}

/// Judges a wanted hold at a time.
pub(crate) fn choose(
    state: &InventoryState,
    buyer: BuyerId,
    wanted: &Wanted,
    now_ms: u64,
) -> Result<Choice, Rejection> {
    let layout = state.layout.as_deref().ok_or(Rejection::ShowNotSetUp)?;
    let any_due = state.has_due(now_ms);
    let scene = Scene {
        state,
        layout,
        now_ms,
        any_due,
    };
    match wanted {
        Wanted::Named(seats) => named::choose(scene, buyer, seats),
        Wanted::BestAvailable {
            quantity,
            category,
            accessible,
        } => {
            let wish = best_available::Wish {
                quantity: *quantity,
                category: *category,
                accessible: *accessible,
            };
            best_available::choose(scene, buyer, wish)
        }
        Wanted::GeneralAdmission { area, quantity } => {
            general_admission::choose(scene, buyer, *area, *quantity)
        }
    }
}

impl Scene<'_> {
    /// Whether a seat can be taken now.
    fn is_free(self, seat: SeatNo) -> bool {
        match self.state.seat_state(seat) {
            SeatState::Available => true,
            SeatState::Held(hold) => {
                self.any_due && self.state.due_owner(hold, self.now_ms).is_some()
            }
            SeatState::Sold(_) | SeatState::Blocked => false,
        }
    }

    /// The limits that hold for every kind of hold: places per order, the sale's time, places per buyer.
    fn check_limits(self, buyer: BuyerId, quantity: usize) -> Result<(), Rejection> {
        let rules = self.layout.rules();
        let limit = rules.seats_per_order_max;
        let Some(quantity) = u32::try_from(quantity).ok().filter(|q| *q <= limit) else {
            return Err(Rejection::TooManySeats { limit });
        };
        if self.now_ms < rules.opens_at_ms {
            return Err(Rejection::SaleNotOpen {
                opens_at_ms: rules.opens_at_ms,
            });
        }
        if self.now_ms >= rules.closes_at_ms {
            return Err(Rejection::SaleClosed {
                closes_at_ms: rules.closes_at_ms,
            });
        }
        if !self.state.buyer_has_room(buyer, quantity, self.now_ms) {
            return Err(Rejection::BuyerLimit {
                limit: rules.seats_per_buyer_max,
            });
        }
        Ok(())
    }
}
