//! Holds, orders and the indexes over them.

use std::collections::{BTreeMap, BTreeSet};

use super::{InvariantId, Report};
use crate::ids::BuyerId;
use crate::outcome::OrderState;
use crate::state::expiry::is_unpaid;
use crate::state::{Derived, Expiring, HoldStanding, InventoryState};

pub(super) fn holds(state: &InventoryState, report: &mut Report) {
    for (id, hold) in &state.holds {
        report.expect(*id < state.hold_next, InvariantId::Hold1, || {
            format!("{id} is not given yet")
        });
        if hold.standing == HoldStanding::Active {
            let known = (hold.expires_at_ms, Expiring::Hold(*id));
            report.expect(
                state.derived.expiring.contains(&known)
                    && hold.expires_at_ms <= hold.expires_at_max_ms,
                InvariantId::Hold1,
                || {
                    format!(
                        "{id} lapses at {} of {}",
                        hold.expires_at_ms, hold.expires_at_max_ms
                    )
                },
            );
        }
        if let HoldStanding::Ordered(order) = hold.standing {
            let back = state.orders.get(&order).is_some_and(|o| o.hold == *id);
            report.expect(back, InvariantId::Order1, || {
                format!("{order} does not know {id}")
            });
        }
    }
}

pub(super) fn orders(state: &InventoryState, report: &mut Report) {
    let ended: BTreeSet<Expiring> = state.ended.iter().map(|(_, what)| *what).collect();
    for (id, order) in &state.orders {
        let agrees = state.holds.get(&order.hold).is_some_and(|hold| {
            hold.standing == HoldStanding::Ordered(*id)
                && hold.buyer == order.buyer
                && hold.places == order.places
                && hold.total_minor == order.total_minor
        });
        report.expect(
            agrees && *id < state.order_next,
            InvariantId::Order1,
            || format!("{id} and {} differ", order.hold),
        );
        let known = state
            .derived
            .expiring
            .contains(&(order.expires_at_ms, Expiring::Order(*id)));
        report.expect(known == is_unpaid(order.state), InvariantId::Order2, || {
            format!("{id} is {:?} and lapses: {known}", order.state)
        });
        let has_ended = matches!(order.state, OrderState::Cancelled | OrderState::Expired);
        report.expect(
            !has_ended || ended.contains(&Expiring::Order(*id)),
            InvariantId::Order2,
            || format!("{id} has ended and would never be forgotten"),
        );
    }
}

pub(super) fn indexes(state: &InventoryState, report: &mut Report) {
    let rebuilt = Derived::of(state);
    report.expect(state.derived == rebuilt, InvariantId::Index1, || {
        format!(
            "the indexes are {:?}, a rebuild gives {rebuilt:?}",
            state.derived
        )
    });
    if let Some(layout) = &state.layout {
        let limit = u64::from(layout.rules().seats_per_buyer_max);
        // Places that are due count no more, swept or not.
        let mut due = BTreeMap::<BuyerId, u64>::new();
        for (buyer, places) in state
            .due(state.clock_ms)
            .filter_map(|what| state.places_of(what))
        {
            *due.entry(buyer).or_default() += u64::from(places.quantity());
        }
        for (buyer, has) in &rebuilt.buyers {
            let lapsed = due.get(buyer).copied().unwrap_or(0);
            let counted = (has.held + has.sold).saturating_sub(lapsed);
            report.expect(counted <= limit, InvariantId::Buyer1, || {
                format!("{buyer} has {has:?}, {lapsed} of them lapsed, of {limit}")
            });
        }
    }
    report.expect(
        state.derived.buyers == rebuilt.buyers,
        InvariantId::Buyer1,
        || "places per buyer are miscounted".to_owned(),
    );
    report.expect(
        state.idempotency.is_consistent(state.clock_ms)
            && state.idempotency.len() <= state.bounds.remembered_max,
        InvariantId::Idem1,
        || format!("{} requests remembered", state.idempotency.len()),
    );
}
