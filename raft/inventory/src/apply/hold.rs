//! Placing, extending and releasing holds.

use super::Asked;
use crate::choose::{Choice, choose};
use crate::command::PlaceHold;
use crate::ids::HoldId;
use crate::outcome::{Effect, Rejection};
use crate::state::lookup::hold_ttl_ms;
use crate::state::places::Claim;
use crate::state::{Expiring, Hold, HoldStanding, InventoryState, Places};

pub(super) fn place(
    state: &mut InventoryState,
    asked: Asked,
    wanted: &PlaceHold,
) -> Result<Effect, Rejection> {
    let choice = judge_place(state, asked, wanted)?;
    let layout = state.require_layout()?;
    let ttl_ms = hold_ttl_ms(layout, wanted.ttl_ms);
    let cap_ms = layout.rules().hold_ttl_max_ms;
    match &choice.places {
        Places::Seats(seats) => state.expire_due_owners(seats, asked.now_ms),
        Places::Area { .. } => state.expire_due_in_areas(asked.now_ms),
    }
    let hold = state.hold_next;
    state.hold_next = hold.next();
    let expires_at_ms = asked.now_ms.saturating_add(ttl_ms);
    state.move_places(asked.caller, &choice.places, Claim::Free, Claim::Held(hold));
    state
        .derived
        .expiring
        .insert((expires_at_ms, Expiring::Hold(hold)));
    state.derived.holds_active = state.derived.holds_active.saturating_add(1);
    let record = Hold {
        buyer: asked.caller,
        places: choice.places,
        ttl_ms,
        expires_at_ms,
        expires_at_max_ms: asked.now_ms.saturating_add(cap_ms).max(expires_at_ms),
        total_minor: choice.total_minor,
        contiguous: choice.contiguous,
        standing: HoldStanding::Active,
    };
    let view = state.view_hold(hold, &record);
    state.holds.insert(hold, record);
    Ok(Effect::Hold(view))
}

/// Which places the hold would get.
pub(super) fn judge_place(
    state: &InventoryState,
    asked: Asked,
    wanted: &PlaceHold,
) -> Result<Choice, Rejection> {
    let choice = choose(state, asked.caller, &wanted.what, asked.now_ms)?;
    state.require_hold_room()?;
    Ok(choice)
}

pub(super) fn extend(
    state: &mut InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<Effect, Rejection> {
    let until_ms = judge_extend(state, asked, hold)?;
    if let Some(record) = state.holds.get_mut(&hold) {
        let before_ms = std::mem::replace(&mut record.expires_at_ms, until_ms);
        state
            .derived
            .expiring
            .remove(&(before_ms, Expiring::Hold(hold)));
        state
            .derived
            .expiring
            .insert((until_ms, Expiring::Hold(hold)));
    }
    effect(state, hold)
}

/// Until when the hold would last. Extending never shortens.
pub(super) fn judge_extend(
    state: &InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<u64, Rejection> {
    let record = judge_active(state, asked, hold)?;
    if record.expires_at_ms >= record.expires_at_max_ms {
        return Err(Rejection::HoldCapReached {
            expires_at_max_ms: record.expires_at_max_ms,
        });
    }
    let anew_ms = asked
        .now_ms
        .saturating_add(record.ttl_ms)
        .min(record.expires_at_max_ms);
    Ok(anew_ms.max(record.expires_at_ms))
}

pub(super) fn release(
    state: &mut InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<Effect, Rejection> {
    judge_active(state, asked, hold)?;
    state.end_hold(hold, HoldStanding::Released);
    effect(state, hold)
}

/// The caller's own active hold.
pub(super) fn judge_active(
    state: &InventoryState,
    asked: Asked,
    hold: HoldId,
) -> Result<&Hold, Rejection> {
    state.require_layout()?;
    state.require_active_hold(asked.caller, hold, asked.now_ms)
}

fn effect(state: &InventoryState, hold: HoldId) -> Result<Effect, Rejection> {
    state
        .hold_view(hold)
        .map(Effect::Hold)
        .ok_or(Rejection::HoldUnknown { hold })
}
