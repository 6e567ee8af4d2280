//! The rule that no single seat is left behind. Its words are those of [`SingleSeatRule`].
//!
//! A hold that contains an accessible seat is not bound by it: who needs such a seat has no other choice.

use super::Scene;
use crate::ids::SeatNo;
use crate::show::SingleSeatRule;

/// The seats that taking `seats` (ascending, all free) would leave single against the show's rule.
pub(super) fn forbidden(scene: Scene<'_>, seats: &[SeatNo]) -> Vec<SeatNo> {
    let rule = scene.layout.rules().single_seat;
    if rule == SingleSeatRule::Off
        || seats
            .iter()
            .any(|seat| scene.layout.seat(*seat).is_some_and(|s| s.accessible))
    {
        return Vec::new();
    }
    let mut left = left_single(scene, seats);
    if rule == SingleSeatRule::Lenient && !left.is_empty() {
        if is_nearly_sold_out(scene) {
            return Vec::new();
        }
        left.retain(|single| !is_unavoidable(scene, seats, *single));
    }
    left
}

/// The seats that are free with no free neighbour after taking `seats`, and had one before; ascending.
pub(super) fn left_single(scene: Scene<'_>, seats: &[SeatNo]) -> Vec<SeatNo> {
    let stays_free = |seat: SeatNo| scene.is_free(seat) && seats.binary_search(&seat).is_err();
    let mut left: Vec<SeatNo> = Vec::new();
    for seat in seats {
        let beside = |other: Option<SeatNo>| other.filter(|s| stays_free(*s));
        if let Some(single) = beside(scene.layout.left(*seat))
            && beside(scene.layout.left(single)).is_none()
        {
            left.push(single);
        }
        if let Some(single) = beside(scene.layout.right(*seat))
            && beside(scene.layout.right(single)).is_none()
        {
            left.push(single);
        }
    }
    left.sort_unstable();
    left.dedup();
    left
}

fn is_nearly_sold_out(scene: Scene<'_>) -> bool {
    let free = scene.state.free_seats(scene.now_ms);
    free.saturating_mul(100)
        <= scene
            .layout
            .seat_count()
            .saturating_mul(SingleSeatRule::NEARLY_SOLD_OUT_PERCENT)
}

/// Whether the hold takes all but this one of the free stretch that it was part of.
fn is_unavoidable(scene: Scene<'_>, seats: &[SeatNo], single: SeatNo) -> bool {
    let goes = |next: &dyn Fn(SeatNo) -> Option<SeatNo>| {
        let mut at = next(single);
        while let Some(seat) = at {
            if !scene.is_free(seat) {
                return true;
            }
            if seats.binary_search(&seat).is_err() {
                return false;
            }
            at = next(seat);
        }
        true
    };
    goes(&|seat| scene.layout.left(seat)) && goes(&|seat| scene.layout.right(seat))
}
