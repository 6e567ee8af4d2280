//! The moves of places between nobody, holds and orders.
//!
//! Owns: every change of a seat's or an area's state, with the counters that follow it.
//! Must never: decide whether a move is allowed; that is judged before.

use super::{BuyerUse, InventoryState, Places, SeatState};
use crate::ids::{AreaNo, BuyerId, HoldId, OrderId, SeatNo};

/// Where places come from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody's.
    Free,
    /// A hold's, or an unpaid order's.
    Held(HoldId),
    /// A paid order's.
    Sold(OrderId),
}

impl InventoryState {
    /// Moves places from one claim to another and keeps every counter in step.
    pub(crate) fn move_places(&mut self, buyer: BuyerId, places: &Places, from: Claim, to: Claim) {
        match places {
            Places::Seats(seats) => {
                for seat in seats {
                    debug_assert_eq!(self.seats.get(seat.index()), Some(&from.into()), "{seat}");
                    self.set_seat(*seat, to.into());
                }
            }
            Places::Area { area, quantity } => self.move_in_area(*area, *quantity, from, to),
        }
        self.count_for_buyer(buyer, u64::from(places.quantity()), from, to);
    }

    /// Sets one seat's state, with the counters of the show.
    pub(crate) fn set_seat(&mut self, seat: SeatNo, state: SeatState) {
        let Some(place) = self.seats.get_mut(seat.index()) else {
            return;
        };
        let before = std::mem::replace(place, state);
        let counts = &mut self.derived.counts;
        let count_before = counts.of(before);
        *count_before = count_before.saturating_sub(1);
        let count_after = counts.of(state);
        *count_after = count_after.saturating_add(1);
    }

    fn move_in_area(&mut self, area: AreaNo, quantity: u32, from: Claim, to: Claim) {
        let Some(used) = self.areas.get_mut(area.index()) else {
            return;
        };
        match from {
            Claim::Free => {}
            Claim::Held(_) => used.held = used.held.saturating_sub(quantity),
            Claim::Sold(_) => used.sold = used.sold.saturating_sub(quantity),
        }
        match to {
            Claim::Free => {}
            Claim::Held(_) => used.held = used.held.saturating_add(quantity),
            Claim::Sold(_) => used.sold = used.sold.saturating_add(quantity),
        }
    }

    fn count_for_buyer(&mut self, buyer: BuyerId, quantity: u64, from: Claim, to: Claim) {
        let places = self.derived.buyers.entry(buyer).or_default();
        match from {
            Claim::Free => {}
            Claim::Held(_) => places.held = places.held.saturating_sub(quantity),
            Claim::Sold(_) => places.sold = places.sold.saturating_sub(quantity),
        }
        match to {
            Claim::Free => {}
            Claim::Held(_) => places.held = places.held.saturating_add(quantity),
            Claim::Sold(_) => places.sold = places.sold.saturating_add(quantity),
        }
        if *places == BuyerUse::default() {
            self.derived.buyers.remove(&buyer);
        }
    }
}

impl From<Claim> for SeatState {
    fn from(claim: Claim) -> Self {
        match claim {
            Claim::Free => Self::Available,
            Claim::Held(hold) => Self::Held(hold),
            Claim::Sold(order) => Self::Sold(order),
        }
    }
}

impl super::SeatCounts {
    /// The counter of one state.
    pub(crate) fn of(&mut self, state: SeatState) -> &mut u64 {
        match state {
            SeatState::Available => &mut self.available,
            SeatState::Held(_) => &mut self.held,
            SeatState::Sold(_) => &mut self.sold,
            SeatState::Blocked => &mut self.blocked,
        }
    }
}
