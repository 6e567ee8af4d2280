//! What the clock alone does: lapse holds and unpaid orders, forget what is old.
//!
//! Owns: the moves at the end of a hold's or an order's life. Must never: touch what is paid.
//!
//! One entry sweeps a bounded number of lapsed holds (`Bounds::expired_per_entry_max`). What is due and not
//! yet swept counts as free wherever a command looks; when such a place is taken, its old owner is
//! expired on the spot.

use super::places::Claim;
use super::{Expiring, HoldStanding, InventoryState, SeatState};
use crate::ids::{BuyerId, HoldId, OrderId, SeatNo};
use crate::limits;
use crate::outcome::OrderState;

impl InventoryState {
    /// Expires what is due, at most the bound's number; says how many.
    pub(crate) fn sweep(&mut self, now_ms: u64) -> u32 {
        let mut expired = 0;
        for _ in 0..self.bounds.expired_per_entry_max {
            match self.derived.expiring.first().copied() {
                Some((at_ms, what)) if at_ms <= now_ms => self.expire(what),
                Some(_) | None => break,
            }
            expired += 1;
        }
        expired
    }

    /// Ends one hold or unpaid order because its time is up.
    pub(crate) fn expire(&mut self, what: Expiring) {
        match what {
            Expiring::Hold(hold) => self.end_hold(hold, HoldStanding::Expired),
            Expiring::Order(order) => self.end_unpaid_order(order, OrderState::Expired),
            Expiring::Pass(pass) => self.expire_pass(pass),
        }
    }

    /// Expires the order if it is due and the sweep has not come to it.
    pub(crate) fn expire_order_if_due(&mut self, order: OrderId, now_ms: u64) {
        if self
            .orders
            .get(&order)
            .is_some_and(|o| is_unpaid(o.state) && o.expires_at_ms <= now_ms)
        {
            self.expire(Expiring::Order(order));
        }
    }

    /// Expires whoever is due among the owners of these seats, so that the seats can be taken.
    pub(crate) fn expire_due_owners(&mut self, seats: &[SeatNo], now_ms: u64) {
        for seat in seats {
            if let Some(SeatState::Held(hold)) = self.seats.get(seat.index()).copied()
                && let Some(owner) = self.due_owner(hold, now_ms)
            {
                self.expire(owner);
            }
        }
    }

    /// Expires everything due that holds places in areas, so that its places can be taken.
    pub(crate) fn expire_due_in_areas(&mut self, now_ms: u64) {
        let due: Vec<Expiring> = self
            .due(now_ms)
            .filter(|what| {
                self.places_of(*what)
                    .is_some_and(|(_, p)| p.area().is_some())
            })
            .collect();
        for what in due {
            self.expire(what);
        }
    }

    /// What is due and not yet swept.
    pub(crate) fn due(&self, now_ms: u64) -> impl Iterator<Item = Expiring> + '_ {
        self.derived
            .expiring
            .iter()
            .take_while(move |(at_ms, _)| *at_ms <= now_ms)
            .map(|(_, what)| *what)
    }

    /// Buyer and places of a hold or order on record.
    pub(crate) fn places_of(&self, what: Expiring) -> Option<(BuyerId, &super::Places)> {
        match what {
            Expiring::Hold(hold) => self.holds.get(&hold).map(|h| (h.buyer, &h.places)),
            Expiring::Order(order) => self.orders.get(&order).map(|o| (o.buyer, &o.places)),
            Expiring::Pass(_) => None,
        }
    }

    /// The holder behind `hold` (itself, or the order opened from it), if its time is up.
    pub(crate) fn due_owner(&self, hold: HoldId, now_ms: u64) -> Option<Expiring> {
        let record = self.holds.get(&hold)?;
        match record.standing {
            HoldStanding::Active => {
                (record.expires_at_ms <= now_ms).then_some(Expiring::Hold(hold))
            }
            HoldStanding::Ordered(order) => {
                let o = self.orders.get(&order)?;
                (is_unpaid(o.state) && o.expires_at_ms <= now_ms).then_some(Expiring::Order(order))
            }
            HoldStanding::Released | HoldStanding::Expired => None,
        }
    }

    /// Ends an active hold and frees its places; no-op for any other.
    pub(crate) fn end_hold(&mut self, hold: HoldId, standing: HoldStanding) {
        let Some(record) = self.holds.get_mut(&hold) else {
            return;
        };
        if record.standing != HoldStanding::Active {
            return;
        }
        record.standing = standing;
        let (buyer, places, at_ms) = (record.buyer, record.places.clone(), record.expires_at_ms);
        self.derived.expiring.remove(&(at_ms, Expiring::Hold(hold)));
        self.derived.holds_active = self.derived.holds_active.saturating_sub(1);
        self.move_places(buyer, &places, Claim::Held(hold), Claim::Free);
        self.ended.push_back((self.clock_ms, Expiring::Hold(hold)));
        self.give_pass_back(hold, standing == HoldStanding::Released);
    }

    /// Ends an unpaid order and frees its places; no-op for any other. A payment attempt that is under
    /// way goes on: its outcome is judged when it comes.
    pub(crate) fn end_unpaid_order(&mut self, order: OrderId, state: OrderState) {
        let Some(record) = self.orders.get_mut(&order) else {
            return;
        };
        if !is_unpaid(record.state) {
            return;
        }
        record.state = state;
        let (buyer, hold, at_ms) = (record.buyer, record.hold, record.expires_at_ms);
        let places = record.places.clone();
        self.derived
            .expiring
            .remove(&(at_ms, Expiring::Order(order)));
        self.move_places(buyer, &places, Claim::Held(hold), Claim::Free);
        self.ended
            .push_back((self.clock_ms, Expiring::Order(order)));
        self.use_pass_up(hold);
    }

    /// Whether the next entry at `now_ms` would forget something.
    pub(crate) fn has_old(&self, now_ms: u64) -> bool {
        self.idempotency.has_old(now_ms)
            || self
                .ended
                .front()
                .is_some_and(|(at_ms, _)| at_ms.saturating_add(limits::ENDED_KEPT_MS) <= now_ms)
    }

    /// Forgets requests and ended records that are old enough, a bounded number of each.
    pub(crate) fn forget_old(&mut self, now_ms: u64) {
        // A remembered request names its hold or order, so requests are forgotten first.
        if !self.idempotency.forget_old(now_ms) {
            return;
        }
        for _ in 0..limits::FORGOTTEN_PER_ENTRY_MAX {
            match self.ended.front().copied() {
                Some((at_ms, what)) if at_ms.saturating_add(limits::ENDED_KEPT_MS) <= now_ms => {
                    self.ended.pop_front();
                    self.forget(what);
                }
                Some(_) | None => break,
            }
        }
    }

    /// Drops an ended record. An order that was sold after all stays; one whose payment is not settled
    /// waits another round.
    fn forget(&mut self, what: Expiring) {
        match what {
            // Passes do not end here: a ticket is good for one, for ever.
            Expiring::Pass(_) => {}
            Expiring::Hold(hold) => {
                self.holds.remove(&hold);
            }
            Expiring::Order(order) => {
                let Some(record) = self.orders.get(&order) else {
                    return;
                };
                match record.state {
                    OrderState::Cancelled | OrderState::Expired => {
                        if record.attempt_state.is_unsettled() {
                            self.ended.push_back((self.clock_ms, what));
                        } else {
                            let hold = record.hold;
                            self.orders.remove(&order);
                            self.holds.remove(&hold);
                        }
                    }
                    OrderState::Open
                    | OrderState::Paying
                    | OrderState::Paid
                    | OrderState::Confirmed => {}
                }
            }
        }
    }
}

/// Whether an order's places are still only set aside.
pub(crate) const fn is_unpaid(state: OrderState) -> bool {
    match state {
        OrderState::Open | OrderState::Paying => true,
        OrderState::Paid | OrderState::Confirmed | OrderState::Cancelled | OrderState::Expired => {
            false
        }
    }
}
