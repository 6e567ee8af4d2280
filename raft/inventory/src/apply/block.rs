//! Taking seats off sale and putting them back.

use super::Asked;
use crate::ids::SeatNo;
use crate::limits;
use crate::outcome::{Effect, Rejection};
use crate::state::{InventoryState, SeatState};

pub(super) fn block(
    state: &mut InventoryState,
    asked: Asked,
    seats: &[SeatNo],
    reason: &str,
) -> Result<Effect, Rejection> {
    let seats = judge_block(state, asked, seats, reason)?;
    state.expire_due_owners(&seats, asked.now_ms);
    for seat in &seats {
        debug_assert_eq!(state.seat_state(*seat), SeatState::Available);
        state.set_seat(*seat, SeatState::Blocked);
    }
    Ok(Effect::SeatsChanged(seats))
}

pub(super) fn unblock(state: &mut InventoryState, seats: &[SeatNo]) -> Result<Effect, Rejection> {
    let seats = judge_unblock(state, seats)?;
    for seat in &seats {
        state.set_seat(*seat, SeatState::Available);
    }
    Ok(Effect::SeatsChanged(seats))
}

pub(super) fn judge_block(
    state: &InventoryState,
    asked: Asked,
    seats: &[SeatNo],
    reason: &str,
) -> Result<Vec<SeatNo>, Rejection> {
    state.require_layout()?;
    if seats.is_empty() {
        return Err(Rejection::QuantityInvalid);
    }
    if reason.len() > limits::REASON_BYTES_MAX {
        return Err(Rejection::TextInvalid {
            bytes_max: limits::REASON_BYTES_MAX as u64,
        });
    }
    let seats = distinct_bounded(state, seats)?;
    let (blocked, taken): (Vec<SeatNo>, Vec<SeatNo>) = seats
        .iter()
        .copied()
        .filter(|seat| !state.is_free(*seat, asked.now_ms))
        .partition(|seat| state.seat_state(*seat) == SeatState::Blocked);
    if !taken.is_empty() {
        return Err(Rejection::SeatsTaken { seats: taken });
    }
    if !blocked.is_empty() {
        return Err(Rejection::SeatsBlocked { seats: blocked });
    }
    Ok(seats)
}

pub(super) fn judge_unblock(
    state: &InventoryState,
    seats: &[SeatNo],
) -> Result<Vec<SeatNo>, Rejection> {
    state.require_layout()?;
    let seats = distinct_bounded(state, seats)?;
    let not_blocked: Vec<SeatNo> = seats
        .iter()
        .copied()
        .filter(|seat| state.seat_state(*seat) != SeatState::Blocked)
        .collect();
    if !not_blocked.is_empty() {
        return Err(Rejection::SeatsNotBlocked { seats: not_blocked });
    }
    Ok(seats)
}

fn distinct_bounded(state: &InventoryState, seats: &[SeatNo]) -> Result<Vec<SeatNo>, Rejection> {
    let seats = state.distinct_seats(seats)?;
    if seats.len() > limits::SEATS_PER_BLOCK_MAX {
        let limit = u32::try_from(limits::SEATS_PER_BLOCK_MAX).unwrap_or(u32::MAX);
        return Err(Rejection::TooManySeats { limit });
    }
    Ok(seats)
}
