//! The state of one index: applies entries, lists a buyer's orders.
//!
//! Owns: the tables, their bounds and the proof that events may come in any order. Must never: read a clock, or keep an order
//! in one table only.
//!
//! Of each order the event with the highest number is kept. Bounds drop by [`Place`], the oldest first, and an order's place
//! only ever moves forward, because a show's clock never goes back and its events are numbered in order. So an order that was
//! dropped had `max` newer ones beside it, and it still has: each of them can only be replaced by a newer one.

use std::collections::BTreeMap;

use holdfast_inventory::ids::BuyerId;

use super::record::{IndexEntry, OrderEvent, OrderSeen, Place, Recorded};
use super::{DROPPED_PER_ENTRY_MAX, KEPT_MS, ORDERS_MAX, ORDERS_PER_BUYER_MAX};

/// Bounds of one index; tests use smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) orders_per_buyer_max: usize,
    pub(crate) orders_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            orders_per_buyer_max: ORDERS_PER_BUYER_MAX,
            orders_max: ORDERS_MAX,
        }
    }
}

/// Which orders each buyer has. Maps are ordered, so every replica iterates alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuyerIndexState {
    pub(super) clock_ms: u64,
    /// Each buyer's orders, the latest first; nobody has none.
    pub(super) buyers: BTreeMap<BuyerId, Vec<OrderSeen>>,
    /// Every order, the oldest first; follows from `buyers`.
    pub(super) by_age: BTreeMap<Place, BuyerId>,
    pub(super) bounds: Bounds,
}

impl BuyerIndexState {
    /// Applies one entry; the same on every replica.
    pub fn apply(&mut self, entry: &IndexEntry) -> Recorded {
        self.clock_ms = self.clock_ms.max(entry.now_ms);
        let mut news = 0;
        for event in &entry.events {
            news += u32::from(self.record(event));
        }
        self.drop_old();
        Recorded { news }
    }

    /// Takes one event in; says whether it was news.
    fn record(&mut self, event: &OrderEvent) -> bool {
        let seen = OrderSeen {
            show: event.show,
            order: event.order,
            seq: event.seq,
            at_ms: event.at_ms,
            state: event.state,
        };
        if is_old(seen.at_ms, self.clock_ms) {
            return false;
        }
        let orders = self.buyers.entry(event.buyer).or_default();
        if let Some(at) = orders.iter().position(|o| o.is(seen.show, seen.order)) {
            let Some(known) = orders.get(at).filter(|known| known.seq < seen.seq) else {
                return false;
            };
            self.by_age.remove(&known.place());
            orders.remove(at);
        }
        let at = orders.partition_point(|known| known.place() > seen.place());
        orders.insert(at, seen);
        self.by_age.insert(seen.place(), event.buyer);
        if orders.len() > self.bounds.orders_per_buyer_max
            && let Some(oldest) = orders.pop()
        {
            self.by_age.remove(&oldest.place());
        }
        if self.by_age.len() > self.bounds.orders_max {
            self.drop_oldest();
        }
        self.by_age.contains_key(&seen.place())
    }

    /// Drops what is too old, a bounded number; the rest is dropped with the next entries and is not listed meanwhile.
    fn drop_old(&mut self) {
        for _ in 0..DROPPED_PER_ENTRY_MAX {
            let oldest = self.by_age.first_key_value().map(|(place, _)| place.at_ms);
            if oldest.is_none_or(|at_ms| !is_old(at_ms, self.clock_ms)) {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((_, buyer)) = self.by_age.pop_first() else {
            return;
        };
        if let Some(orders) = self.buyers.get_mut(&buyer) {
            // The oldest of all is the oldest of its buyer's, which is the last.
            orders.pop();
            if orders.is_empty() {
                self.buyers.remove(&buyer);
            }
        }
    }

    /// The orders of `buyer`, the latest first, that come after `after` in that order; at most `limit`. What is too old at
    /// `now_ms` is left out, although it may not have been dropped yet.
    pub fn orders(
        &self,
        buyer: BuyerId,
        after: Option<Place>,
        limit: usize,
        now_ms: u64,
    ) -> impl Iterator<Item = &OrderSeen> {
        let orders = self.buyers.get(&buyer).map_or(&[][..], Vec::as_slice);
        let from = after.map_or(0, |after| {
            orders.partition_point(|order| order.place() >= after)
        });
        let rest = orders.iter().skip(from);
        let now_ms = now_ms.max(self.clock_ms);
        rest.take_while(move |order| !is_old(order.at_ms, now_ms))
            .take(limit)
    }

    /// Buyers with an order.
    #[must_use]
    pub fn buyers_len(&self) -> usize {
        self.buyers.len()
    }

    /// Orders kept.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.by_age.len()
    }

    /// The latest time that an entry brought, ms since the Unix epoch.
    #[must_use]
    pub const fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Whether the tables agree and are within their bounds.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let mut listed = 0;
        let each = self.buyers.iter().all(|(buyer, orders)| {
            listed += orders.len();
            let in_order = orders.is_sorted_by(|a, b| a.place() > b.place());
            let known = |order: &OrderSeen| self.by_age.get(&order.place()) == Some(buyer);
            let within = (1..=self.bounds.orders_per_buyer_max).contains(&orders.len());
            in_order && within && orders.iter().all(known)
        });
        each && listed == self.by_age.len() && listed <= self.bounds.orders_max
    }
}

const fn is_old(at_ms: u64, now_ms: u64) -> bool {
    at_ms.saturating_add(KEPT_MS) <= now_ms
}
