//! Rebuilds what can be rebuilt.
//!
//! Owns: the definition of every derived index; the moves in `places` and `expiry` keep them in step, and
//! the invariants compare. Must never: be needed for a decision that snapshots do not hold.

use super::expiry::is_unpaid;
use super::room::{PassStanding, RoomIndex};
use super::{Derived, Expiring, HoldStanding, InventoryState, Places};
use crate::outcome::OrderState;

impl Derived {
    /// The indexes of a state.
    pub(crate) fn of(state: &InventoryState) -> Self {
        let mut derived = Self::default();
        for (id, hold) in &state.holds {
            if hold.standing == HoldStanding::Active {
                derived
                    .expiring
                    .insert((hold.expires_at_ms, Expiring::Hold(*id)));
                derived.holds_active += 1;
                derived.buyers.entry(hold.buyer).or_default().held += count(&hold.places);
            }
        }
        for (id, order) in &state.orders {
            if is_unpaid(order.state) {
                derived
                    .expiring
                    .insert((order.expires_at_ms, Expiring::Order(*id)));
                derived.buyers.entry(order.buyer).or_default().held += count(&order.places);
            } else if matches!(order.state, OrderState::Paid | OrderState::Confirmed) {
                derived.buyers.entry(order.buyer).or_default().sold += count(&order.places);
            }
        }
        derived.room = RoomIndex::of(state.room.as_deref());
        for (id, pass) in state.room.iter().flat_map(|room| &room.passes) {
            if pass.standing == PassStanding::Unspent {
                let due = (pass.expires_at_ms, Expiring::Pass(*id));
                derived.expiring.insert(due);
            }
        }
        for seat in &state.seats {
            *derived.counts.of(*seat) += 1;
        }
        derived
    }
}

fn count(places: &Places) -> u64 {
    u64::from(places.quantity())
}
