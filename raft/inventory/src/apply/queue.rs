//! The waiting room: opened, changed and raised by the system; claimed, spent and given up by buyers.
//!
//! Owns: who is let in, and the pass that a hold needs. Must never: let in more than the capacity (INV-ROOM-1), or look at
//! how many wait: that is the controller's estimate, and nothing here may rest on it.

use super::{Asked, hold};
use crate::command::PlaceHold;
use crate::ids::PassId;
use crate::limits;
use crate::outcome::{Effect, Rejection};
use crate::room::{ClaimPass, OpenRoom, Raise, RoomChange, RoomConfig};
use crate::state::InventoryState;
use crate::state::room::{Pass, PassStanding, Room};

pub(super) fn open(state: &mut InventoryState, opened: &OpenRoom) -> Result<Effect, Rejection> {
    state.require_layout()?;
    match &state.room {
        Some(room) if room.config == opened.config.with_defaults() && !room.ended => {
            Ok(Effect::Room { seq: room.seq })
        }
        Some(_) => Err(Rejection::QueueExists),
        None => {
            check(&opened.config.with_defaults())
                .map_err(|reason| Rejection::QueueInvalid { reason })?;
            state.room = Some(Box::new(Room::new(opened)));
            Ok(Effect::Room { seq: 1 })
        }
    }
}

fn check(config: &RoomConfig) -> Result<(), String> {
    let within = |name: &str, value: u64, min: u64, max: u64| {
        if (min..=max).contains(&value) {
            Ok(())
        } else {
            Err(format!("{name} is {value}; expected {min} to {max}"))
        }
    };
    let (span_min, span_max) = (limits::ROOM_SPAN_MS_MIN, limits::ROOM_SPAN_MS_MAX);
    let capacity_max = u64::from(limits::ROOM_CAPACITY_MAX);
    let rate_max = u64::from(limits::ROOM_RATE_PER_MIN_MAX);
    within("capacity", u64::from(config.capacity), 1, capacity_max)?;
    within("rate_per_min", u64::from(config.rate_per_min), 1, rate_max)?;
    let window_ms = config.claim_window_ms;
    within("claim_window_ms", window_ms, span_min, span_max)?;
    within("pass_ttl_ms", config.pass_ttl_ms, span_min, span_max)?;
    if config.sale_at_ms < config.opens_at_ms {
        return Err("sale_at_ms is before opens_at_ms".to_owned());
    }
    Ok(())
}

/// The room while it is open, to be changed.
fn room(state: &mut InventoryState) -> Result<&mut Room, Rejection> {
    let room = state.room.as_deref_mut().filter(|room| !room.ended);
    room.ok_or(Rejection::QueueNone)
}

pub(super) fn change(
    state: &mut InventoryState,
    now_ms: u64,
    change: RoomChange,
) -> Result<Effect, Rejection> {
    state.require_layout()?;
    let inside = state.derived.room.inside;
    let room = room(state)?;
    let mut config = room.config.clone();
    match change {
        RoomChange::Pause => room.paused = true,
        RoomChange::Resume if room.paused => {
            room.paused = false;
            // Who stood at the door meanwhile has the whole window before them.
            room.stalled_until_ms = now_ms;
        }
        RoomChange::Resume => {}
        RoomChange::Rate { per_min } => config.rate_per_min = per_min,
        RoomChange::Capacity { people } => config.capacity = people,
        RoomChange::End => room.ended = true,
    }
    check(&config).map_err(|reason| Rejection::QueueInvalid { reason })?;
    if config.capacity < room.config.capacity {
        room.inside_excused = room.inside_excused.max(inside);
    }
    room.config = config;
    room.touch();
    Ok(Effect::Room { seq: room.seq })
}

pub(super) fn reveal(state: &mut InventoryState, now_ms: u64) -> Result<Effect, Rejection> {
    let room = room(state)?;
    if now_ms < room.config.sale_at_ms {
        return Err(Rejection::QueueNotYet);
    }
    if !room.revealed {
        room.revealed = true;
        room.touch();
    }
    Ok(Effect::Room { seq: room.seq })
}

pub(super) fn raise(
    state: &mut InventoryState,
    now_ms: u64,
    raise: &Raise,
) -> Result<Effect, Rejection> {
    let room = room(state)?;
    let ascending = raise
        .line
        .is_sorted_by(|a, b| a.key < b.key && a.count <= b.count);
    if raise.line.len() > limits::LINE_POINTS_MAX || !ascending {
        let reason = "the line is not ascending, or too long".to_owned();
        return Err(Rejection::QueueInvalid { reason });
    }
    room.line.clone_from(&raise.line);
    room.waiting = raise.waiting;
    room.per_min = raise.per_min;
    // A controller that has not heard of a pause, or of anything, changes nothing that matters.
    if room.revealed && !room.paused {
        room.raise(raise.threshold, now_ms);
    }
    room.touch();
    Ok(Effect::Room { seq: room.seq })
}

pub(super) fn claim(
    state: &mut InventoryState,
    asked: Asked,
    claim: ClaimPass,
) -> Result<Effect, Rejection> {
    let standing = judge_claim(state, asked, claim)?;
    if standing.is_none() {
        let ttl_ms = state.require_room()?.config.pass_ttl_ms;
        let pass = Pass {
            buyer: asked.caller,
            expires_at_ms: asked.now_ms.saturating_add(ttl_ms),
            standing: PassStanding::Unspent,
        };
        state.set_pass(claim.pass, pass);
    }
    let view = state.pass_view(standing.unwrap_or(claim.pass));
    view.map(Effect::Pass).ok_or(Rejection::QueueNone)
}

/// The pass that the caller has already, if any.
pub(super) fn judge_claim(
    state: &InventoryState,
    asked: Asked,
    claim: ClaimPass,
) -> Result<Option<PassId>, Rejection> {
    state.require_layout()?;
    let room = state.require_room()?;
    // Whoever is inside stays inside, whatever ticket they show.
    if let Some(living) = state.derived.room.of_buyer.get(&asked.caller) {
        return Ok(Some(*living));
    }
    match room.passes.get(&claim.pass) {
        Some(given) if given.buyer != asked.caller => return Err(Rejection::PassUnknown),
        Some(_) => return Err(Rejection::QueueLate),
        None => {}
    }
    if !room.revealed || claim.key > room.threshold {
        return Err(Rejection::QueueNotYet);
    }
    if room.paused {
        return Err(Rejection::QueuePaused);
    }
    let limit = room.config.capacity;
    if state.derived.room.inside >= u64::from(limit) {
        return Err(Rejection::QueueFull { limit });
    }
    if asked.now_ms > room.claim_before_ms(claim.key) {
        return Err(Rejection::QueueLate);
    }
    if room.passes.len() >= limits::PASSES_MAX {
        let limit = limits::PASSES_MAX as u64;
        return Err(Rejection::TableFull { limit });
    }
    Ok(None)
}

/// A hold, with the pass that it was asked for with.
pub(super) fn place(
    state: &mut InventoryState,
    asked: Asked,
    wanted: &PlaceHold,
    pass: Option<PassId>,
) -> Result<Effect, Rejection> {
    state.require_layout()?;
    let spends = judge_pass(state, asked, pass)?;
    let placed = hold::place(state, asked, wanted)?;
    if let (Some(pass), Effect::Hold(view)) = (spends, &placed) {
        state.spend_pass(pass, view.hold);
    }
    Ok(placed)
}

pub(super) fn judge_place(
    state: &InventoryState,
    asked: Asked,
    wanted: &PlaceHold,
    pass: Option<PassId>,
) -> Result<(), Rejection> {
    state.require_layout()?;
    judge_pass(state, asked, pass)?;
    hold::judge_place(state, asked, wanted).map(drop)
}

/// The pass that a hold will spend; none where there is no room to pass through.
fn judge_pass(
    state: &InventoryState,
    asked: Asked,
    pass: Option<PassId>,
) -> Result<Option<PassId>, Rejection> {
    let Some(room) = state.open_room() else {
        return Ok(None);
    };
    let id = pass.ok_or(Rejection::PassRequired)?;
    let known = room.passes.get(&id);
    let known = known.filter(|known| known.buyer == asked.caller);
    match known.ok_or(Rejection::PassUnknown)? {
        Pass {
            standing: PassStanding::Unspent,
            expires_at_ms,
            ..
        } if *expires_at_ms > asked.now_ms => Ok(Some(id)),
        Pass {
            standing: PassStanding::Unspent | PassStanding::Lapsed,
            ..
        } => Err(Rejection::PassExpired),
        Pass {
            standing: PassStanding::Spent(_) | PassStanding::Used,
            ..
        } => Err(Rejection::PassSpent),
    }
}

pub(super) fn join_waitlist(state: &mut InventoryState, asked: Asked) -> Result<Effect, Rejection> {
    let place = judge_waitlist(state, asked)?;
    let room = room(state)?;
    room.waitlist.insert(asked.caller, place);
    room.touch();
    Ok(Effect::Waitlisted { place })
}

/// The place that the caller has or would get.
pub(super) fn judge_waitlist(state: &InventoryState, asked: Asked) -> Result<u64, Rejection> {
    state.require_layout()?;
    let room = state.require_room()?;
    if let Some(place) = room.waitlist.get(&asked.caller) {
        return Ok(*place);
    }
    let places = state.places();
    if places.available > 0 || places.held > 0 {
        return Err(Rejection::QueueNotSoldOut);
    }
    if room.waitlist.len() >= limits::WAITLIST_MAX {
        let limit = limits::WAITLIST_MAX as u64;
        return Err(Rejection::TableFull { limit });
    }
    Ok((room.waitlist.len() as u64).saturating_add(1))
}
