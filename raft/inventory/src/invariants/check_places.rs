//! Seats and areas against their owners, both ways.

use super::{InvariantId, Report};
use crate::ids::{AreaNo, HoldId, OrderId, SeatNo};
use crate::outcome::OrderState;
use crate::state::expiry::is_unpaid;
use crate::state::{AreaUse, HoldStanding, InventoryState, Places, SeatState};

pub(super) fn seats(state: &InventoryState, report: &mut Report) {
    for (index, seat) in state.seats.iter().enumerate() {
        let owned = match seat {
            SeatState::Available | SeatState::Blocked => true,
            SeatState::Held(hold) => {
                holder_places(state, *hold).is_some_and(|places| names(places, index))
            }
            SeatState::Sold(order) => {
                buyer_places(state, *order).is_some_and(|places| names(places, index))
            }
        };
        report.expect(owned, InvariantId::Seat1, || {
            format!("seat {index} is {seat:?} for nobody")
        });
    }
    for (id, hold) in &state.holds {
        if holder_places(state, *id).is_some() {
            for seat in hold.places.seats() {
                let is = state.seat_state(*seat) == SeatState::Held(*id);
                report.expect(is, InvariantId::Seat1, || {
                    format!("{id} does not hold seat {seat}")
                });
            }
        }
    }
    for id in state.orders.keys() {
        for seat in buyer_places(state, *id).into_iter().flat_map(Places::seats) {
            let is = state.seat_state(*seat) == SeatState::Sold(*id);
            report.expect(is, InvariantId::Seat1, || {
                format!("{id} does not own seat {seat}")
            });
        }
    }
    let seats = state
        .layout
        .as_ref()
        .map_or(0, |layout| layout.seat_count());
    let c = state.derived.counts;
    report.expect(
        state.seats.len() == seats && c.available + c.held + c.sold + c.blocked == seats as u64,
        InvariantId::Seat2,
        || format!("{c:?} of {seats} seats"),
    );
}

pub(super) fn areas(state: &InventoryState, report: &mut Report) {
    let mut expected = vec![AreaUse::default(); state.areas.len()];
    let held = state
        .holds
        .keys()
        .filter_map(|id| holder_places(state, *id));
    let sold = state
        .orders
        .keys()
        .filter_map(|id| buyer_places(state, *id));
    for places in held {
        if let Places::Area { area, quantity } = places
            && let Some(used) = expected.get_mut(area.index())
        {
            used.held = used.held.saturating_add(*quantity);
        }
    }
    for places in sold {
        if let Places::Area { area, quantity } = places
            && let Some(used) = expected.get_mut(area.index())
        {
            used.sold = used.sold.saturating_add(*quantity);
        }
    }
    report.expect(state.areas == expected, InvariantId::Area1, || {
        format!("areas are {:?}, their owners say {expected:?}", state.areas)
    });
    for (index, used) in state.areas.iter().enumerate() {
        let capacity = state
            .layout
            .as_ref()
            .and_then(|layout| layout.set_up().areas.get(index))
            .map_or(0, |area| area.capacity);
        let fits = u64::from(used.held) + u64::from(used.sold) <= u64::from(capacity);
        let area = AreaNo(u16::try_from(index).unwrap_or(u16::MAX));
        report.expect(fits, InvariantId::Area1, || {
            format!("{area} is over capacity: {used:?}")
        });
    }
}

/// The places that a hold (itself, or through its unpaid order) holds now.
fn holder_places(state: &InventoryState, hold: HoldId) -> Option<&Places> {
    let record = state.holds.get(&hold)?;
    match record.standing {
        HoldStanding::Active => Some(&record.places),
        HoldStanding::Ordered(order) => {
            let order = state.orders.get(&order)?;
            is_unpaid(order.state).then_some(&order.places)
        }
        HoldStanding::Released | HoldStanding::Expired => None,
    }
}

/// The places that an order owns now.
fn buyer_places(state: &InventoryState, order: OrderId) -> Option<&Places> {
    let record = state.orders.get(&order)?;
    matches!(record.state, OrderState::Paid | OrderState::Confirmed).then_some(&record.places)
}

fn names(places: &Places, index: usize) -> bool {
    SeatNo::from_index(index).is_some_and(|seat| places.seats().binary_search(&seat).is_ok())
}
