//! These seats and no others.

use super::{Choice, Scene, single_seat};
use crate::ids::{BuyerId, SeatNo};
use crate::outcome::Rejection;
use crate::state::{Places, SeatState};

pub(super) fn choose(
    scene: Scene<'_>,
    buyer: BuyerId,
    wanted: &[SeatNo],
) -> Result<Choice, Rejection> {
    let seats = scene.state.distinct_seats(wanted)?;
    scene.check_limits(buyer, seats.len())?;
    check_free(scene, &seats)?;
    let left = single_seat::forbidden(scene, &seats);
    if !left.is_empty() {
        return Err(Rejection::SingleSeatLeft { seats: left });
    }
    Ok(Choice {
        total_minor: seats
            .iter()
            .map(|seat| scene.layout.seat_price_minor(*seat))
            .sum(),
        contiguous: scene.layout.is_contiguous(&seats),
        places: Places::Seats(seats.into_boxed_slice()),
    })
}

fn check_free(scene: Scene<'_>, seats: &[SeatNo]) -> Result<(), Rejection> {
    if seats.iter().all(|seat| scene.is_free(*seat)) {
        return Ok(());
    }
    let (blocked, taken): (Vec<SeatNo>, Vec<SeatNo>) = seats
        .iter()
        .copied()
        .filter(|seat| !scene.is_free(*seat))
        .partition(|seat| scene.state.seat_state(*seat) == SeatState::Blocked);
    if taken.is_empty() {
        Err(Rejection::SeatsBlocked { seats: blocked })
    } else {
        Err(Rejection::SeatsTaken { seats: taken })
    }
}
