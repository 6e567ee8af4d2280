//! Opening and cancelling orders.

use super::Asked;
use crate::ids::{AttemptNo, HoldId, OrderId};
use crate::ledger::Ledger;
use crate::outcome::{Effect, OrderState, Rejection};
use crate::state::{AttemptState, Expiring, Hold, HoldStanding, InventoryState, Order};

/// The order takes over the hold's places and the rest of its time.
pub(super) fn open(
    state: &mut InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<Effect, Rejection> {
    let record = judge_open(state, asked, hold)?;
    let opened = Order {
        buyer: record.buyer,
        hold,
        places: record.places.clone(),
        total_minor: record.total_minor,
        expires_at_ms: record.expires_at_ms,
        state: OrderState::Open,
        attempt: AttemptNo(0),
        attempt_state: AttemptState::None,
        job: None,
        problem: None,
        ledger: Ledger::default(),
        ticket_first: None,
    };
    let order = state.order_next;
    state.order_next = order.next();
    if let Some(record) = state.holds.get_mut(&hold) {
        record.standing = HoldStanding::Ordered(order);
    }
    state.derived.holds_active = state.derived.holds_active.saturating_sub(1);
    state
        .derived
        .expiring
        .remove(&(opened.expires_at_ms, Expiring::Hold(hold)));
    state
        .derived
        .expiring
        .insert((opened.expires_at_ms, Expiring::Order(order)));
    let view = state.view_order(order, &opened);
    state.orders.insert(order, opened);
    Ok(Effect::Order(view))
}

pub(super) fn judge_open(
    state: &InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<&Hold, Rejection> {
    state.require_layout()?;
    let record = state.require_active_hold(asked.caller, hold, asked.now_ms)?;
    state.require_order_room()?;
    Ok(record)
}

/// Frees the places of an unpaid order. A voiding still under way goes on.
pub(super) fn cancel(
    state: &mut InventoryState,
    asked: Asked,
    order: OrderId,
) -> Result<Effect, Rejection> {
    judge_cancel(state, asked, order)?;
    state.end_unpaid_order(order, OrderState::Cancelled);
    state
        .order_view(order)
        .map(Effect::Order)
        .ok_or(Rejection::OrderUnknown { order })
}

pub(super) fn judge_cancel(
    state: &InventoryState,
    asked: Asked,
    order: OrderId,
) -> Result<(), Rejection> {
    state.require_layout()?;
    state
        .require_open_order(asked.caller, order, asked.now_ms)
        .map(drop)
}
