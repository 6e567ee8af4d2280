//! Questions that judgements ask of the state, at a given time.
//!
//! Owns: "free", counted by the clock: places whose owner is due are free, swept or not.
//! Must never: change anything.

use super::{Expiring, InventoryState, SeatState};
use crate::ids::{AreaNo, BuyerId, SeatNo};
use crate::layout::Layout;
use crate::limits;
use crate::outcome::Rejection;

impl InventoryState {
    /// The layout, or the rejection that everything gets without one.
    pub(crate) fn require_layout(&self) -> Result<&Layout, Rejection> {
        self.layout.as_deref().ok_or(Rejection::ShowNotSetUp)
    }

    /// A seat's state on record; unknown seats read as blocked.
    pub(crate) fn seat_state(&self, seat: SeatNo) -> SeatState {
        self.seats
            .get(seat.index())
            .copied()
            .unwrap_or(SeatState::Blocked)
    }

    /// Whether a seat can be taken at `now_ms`.
    pub(crate) fn is_free(&self, seat: SeatNo, now_ms: u64) -> bool {
        match self.seat_state(seat) {
            SeatState::Available => true,
            SeatState::Held(hold) => self.has_due(now_ms) && self.due_owner(hold, now_ms).is_some(),
            SeatState::Sold(_) | SeatState::Blocked => false,
        }
    }

    /// Whether anything is due and not yet swept.
    pub(crate) fn has_due(&self, now_ms: u64) -> bool {
        self.derived
            .expiring
            .first()
            .is_some_and(|(at_ms, _)| *at_ms <= now_ms)
    }

    /// Free seats of the whole show.
    pub(crate) fn free_seats(&self, now_ms: u64) -> usize {
        let due: usize = self
            .due(now_ms)
            .filter_map(|what| self.places_of(what))
            .map(|(_, places)| places.seats().len())
            .sum();
        usize::try_from(self.derived.counts.available)
            .unwrap_or(usize::MAX)
            .saturating_add(due)
    }

    /// Free places of an area.
    pub(crate) fn area_free(&self, area: AreaNo, now_ms: u64) -> u32 {
        let capacity = self
            .layout
            .as_deref()
            .and_then(|layout| layout.set_up().areas.get(area.index()))
            .map_or(0, |a| a.capacity);
        let used = self.areas.get(area.index()).copied().unwrap_or_default();
        let due: u32 = self
            .due(now_ms)
            .filter_map(|what| self.places_of(what))
            .filter(|(_, places)| places.area() == Some(area))
            .map(|(_, places)| places.quantity())
            .sum();
        capacity
            .saturating_sub(used.held.saturating_sub(due))
            .saturating_sub(used.sold)
    }

    /// Whether a buyer may have so many more places.
    pub(crate) fn buyer_has_room(&self, buyer: BuyerId, quantity: u32, now_ms: u64) -> bool {
        let Some(layout) = self.layout.as_deref() else {
            return false;
        };
        let limit = u64::from(layout.rules().seats_per_buyer_max);
        let has = self.derived.buyers.get(&buyer).copied().unwrap_or_default();
        let wants = has
            .held
            .saturating_add(has.sold)
            .saturating_add(u64::from(quantity));
        if wants <= limit {
            return true;
        }
        let due: u64 = self
            .due(now_ms)
            .filter_map(|what| self.places_of(what))
            .filter(|(owner, _)| *owner == buyer)
            .map(|(_, places)| u64::from(places.quantity()))
            .sum();
        wants.saturating_sub(due) <= limit
    }

    /// The seats of a command: at least one, none twice, all in the layout. Ascending.
    pub(crate) fn distinct_seats(&self, seats: &[SeatNo]) -> Result<Vec<SeatNo>, Rejection> {
        if seats.is_empty() {
            return Err(Rejection::QuantityInvalid);
        }
        let mut sorted = seats.to_vec();
        sorted.sort_unstable();
        let mut twice: Vec<SeatNo> = sorted
            .iter()
            .zip(sorted.iter().skip(1))
            .filter(|(a, b)| a == b)
            .map(|(a, _)| *a)
            .collect();
        if !twice.is_empty() {
            twice.dedup();
            return Err(Rejection::SeatsDuplicate { seats: twice });
        }
        // Ascending, so the last one tells whether any is out of range.
        if sorted
            .last()
            .is_some_and(|seat| seat.index() >= self.seats.len())
        {
            sorted.retain(|seat| seat.index() >= self.seats.len());
            return Err(Rejection::SeatUnknown { seats: sorted });
        }
        Ok(sorted)
    }

    /// Room to remember one more request.
    pub(crate) fn require_request_room(&self) -> Result<(), Rejection> {
        require(self.idempotency.len(), self.bounds.remembered_max)
    }

    /// Room for one more hold.
    pub(crate) fn require_hold_room(&self) -> Result<(), Rejection> {
        require(self.holds.len(), self.bounds.holds_max)
    }

    /// Room for one more order.
    pub(crate) fn require_order_room(&self) -> Result<(), Rejection> {
        require(self.orders.len(), self.bounds.orders_max)
    }

    /// Room in the outbox to begin a payment.
    pub(crate) fn require_outbox_room(&self) -> Result<(), Rejection> {
        require(self.outbox.records.len(), self.bounds.outbox_open_max)
    }

    /// Whether the hold, order or pass is due at `now_ms`.
    pub(crate) fn is_due(&self, what: Expiring, now_ms: u64) -> bool {
        let at_ms = match what {
            Expiring::Hold(hold) => self.holds.get(&hold).map(|h| h.expires_at_ms),
            Expiring::Order(order) => self.orders.get(&order).map(|o| o.expires_at_ms),
            Expiring::Pass(pass) => self
                .room
                .as_deref()
                .and_then(|room| room.passes.get(&pass))
                .map(|p| p.expires_at_ms),
        };
        at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }
}

fn require(used: usize, max: usize) -> Result<(), Rejection> {
    if used < max {
        Ok(())
    } else {
        Err(Rejection::TableFull { limit: max as u64 })
    }
}

/// How long a hold may be asked for, within the show's cap.
pub(crate) fn hold_ttl_ms(layout: &Layout, asked_ms: u64) -> u64 {
    let rules = layout.rules();
    let ttl_ms = if asked_ms == 0 {
        rules.hold_ttl_ms
    } else {
        asked_ms
    };
    ttl_ms.clamp(
        limits::HOLD_TTL_MS_MIN,
        rules.hold_ttl_max_ms.max(limits::HOLD_TTL_MS_MIN),
    )
}
