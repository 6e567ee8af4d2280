//! Whatever is best, by geometry.
//!
//! 1. Side by side in one run, nearest to the front and the middle; a place that leaves no single seat
//!    before one that does (where the single-seat rule lets it).
//! 2. Else in as few pieces as can be, near each other, nobody alone unless it cannot be helped (`split`).
//!
//! Accessible seats and the companion seats beside them are kept for those who ask for them. Who asks for
//! `accessible` seats gets those nearest to one another, with companion seats first for the rest.

use super::{Choice, Scene, single_seat, split};
use crate::ids::{BuyerId, CategoryNo, SeatNo};
use crate::outcome::Rejection;
use crate::show::SingleSeatRule;
use crate::state::Places;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) quantity: u32,
    pub(super) category: Option<CategoryNo>,
    pub(super) accessible: u32,
}

impl Wish {
    pub(super) fn quantity(self) -> usize {
        self.quantity as usize
    }

    /// Whether the seat is free and of the right category.
    fn may_have(self, scene: Scene<'_>, seat: SeatNo) -> bool {
        scene.is_free(seat)
            && self
                .category
                .is_none_or(|c| scene.layout.seat(seat).is_some_and(|s| s.category == c))
    }

    /// Whether the seat may be given without anyone asking for an accessible one.
    pub(super) fn suits(self, scene: Scene<'_>, seat: SeatNo) -> bool {
        self.may_have(scene, seat)
            && scene
                .layout
                .seat(seat)
                .is_some_and(|s| !s.accessible && s.companion_of.is_none())
    }
}

pub(super) fn choose(scene: Scene<'_>, buyer: BuyerId, wish: Wish) -> Result<Choice, Rejection> {
    if wish.quantity == 0 || wish.accessible > wish.quantity {
        return Err(Rejection::QuantityInvalid);
    }
    let categories = &scene.layout.set_up().categories;
    if wish
        .category
        .is_some_and(|c| categories.get(c.index()).is_none())
    {
        return Err(Rejection::CategoryUnknown);
    }
    scene.check_limits(buyer, wish.quantity())?;
    let found = if wish.accessible > 0 {
        accessible(scene, wish)
    } else {
        best_stretch(scene, wish).or_else(|| split::choose(scene, wish))
    };
    let mut seats = found.ok_or(Rejection::NotEnoughSeats)?;
    seats.sort_unstable();
    Ok(Choice {
        total_minor: seats
            .iter()
            .map(|seat| scene.layout.seat_price_minor(*seat))
            .sum(),
        contiguous: scene.layout.is_contiguous(&seats),
        places: Places::Seats(seats.into_boxed_slice()),
    })
}

/// Leaves a single seat, distance from the front summed up, first seat; smaller is better.
type Rank = (bool, u64, SeatNo);

/// The best unbroken stretch: clean before leaving a single seat, then nearest, then lowest number.
///
/// Walks the seats outwards from the front and looks at the windows around each free one. Once a window is
/// found, it is final as soon as even seats no farther than the next one could not add up to less.
fn best_stretch(scene: Scene<'_>, wish: Wish) -> Option<Vec<SeatNo>> {
    let mut best: Option<(Rank, &[SeatNo])> = None;
    for seat in scene.layout.by_distance() {
        let floor = scene
            .layout
            .distance(*seat)
            .saturating_mul(u64::from(wish.quantity));
        if best.is_some_and(|((leaves_single, score, _), _)| !leaves_single && score < floor) {
            break;
        }
        if wish.suits(scene, *seat) {
            best_around(scene, wish, *seat, &mut best);
        }
    }
    best.map(|(_, seats)| seats.to_vec())
}

/// Looks at every window that contains the seat.
fn best_around<'a>(
    scene: Scene<'a>,
    wish: Wish,
    seat: SeatNo,
    best: &mut Option<(Rank, &'a [SeatNo])>,
) {
    let quantity = wish.quantity();
    let Some(spot) = scene.layout.spot(seat) else {
        return;
    };
    let run = scene.layout.run(spot.run);
    let (before, after) = run.split_at_checked(spot.position).unwrap_or((run, &[]));
    let suits = |s: &&SeatNo| wish.suits(scene, **s);
    let left = before
        .iter()
        .rev()
        .take(quantity - 1)
        .take_while(suits)
        .count();
    // The seat itself is the first of those after.
    let right = after.iter().take(quantity).take_while(suits).count();
    let Some(stretch) = run.get(spot.position - left..spot.position + right) else {
        return;
    };
    for window in stretch.windows(quantity) {
        let Some(first) = window.first() else {
            continue;
        };
        let distances = window.iter().map(|s| scene.layout.distance(*s));
        let score = distances.fold(0, u64::saturating_add);
        // A window that could not win even if it were clean needs no look at its neighbours.
        if best.is_some_and(|(b, _)| b <= (false, score, *first)) {
            continue;
        }
        if let Some(leaves_single) = judge(scene, window) {
            let rank = (leaves_single, score, *first);
            if best.is_none_or(|(b, _)| rank < b) {
                *best = Some((rank, window));
            }
        }
    }
}

/// Whether the window leaves a single seat; `None` when the rule forbids it.
fn judge(scene: Scene<'_>, window: &[SeatNo]) -> Option<bool> {
    let mut seats = window.to_vec();
    seats.sort_unstable();
    if single_seat::left_single(scene, &seats).is_empty() {
        return Some(false);
    }
    let rule_is_off = scene.layout.rules().single_seat == SingleSeatRule::Off;
    (rule_is_off || single_seat::forbidden(scene, &seats).is_empty()).then_some(true)
}

/// Accessible seats nearest to the best one of them, then companions, then the nearest others.
fn accessible(scene: Scene<'_>, wish: Wish) -> Option<Vec<SeatNo>> {
    let accessible = wish.accessible as usize;
    let rest = wish.quantity().checked_sub(accessible)?;
    let seats = &scene.layout.set_up().seats;
    let free = || {
        (0..seats.len())
            .filter_map(SeatNo::from_index)
            .filter(|seat| wish.may_have(scene, *seat))
    };
    let is_accessible = |seat: SeatNo| scene.layout.seat(seat).is_some_and(|s| s.accessible);
    let companion_of = |seat: SeatNo| scene.layout.seat(seat).and_then(|s| s.companion_of);

    let mut pool: Vec<SeatNo> = free().filter(|seat| is_accessible(*seat)).collect();
    let with_free_companion: Vec<SeatNo> = free().filter_map(companion_of).collect();
    let anchor = *pool.iter().min_by_key(|seat| {
        let lonely = rest > 0 && !with_free_companion.contains(seat);
        (lonely, scene.layout.distance(**seat), **seat)
    })?;
    let from_anchor = |seat: &SeatNo| (scene.layout.distance_between(anchor, *seat), *seat);
    pool.sort_by_key(from_anchor);
    pool.truncate(accessible);
    if pool.len() < accessible {
        return None;
    }
    let mut others: Vec<SeatNo> = free().filter(|seat| !is_accessible(*seat)).collect();
    others.sort_by_key(|seat| {
        // A companion of a chosen seat first, an ordinary seat next, someone else's companion last.
        let rank = match companion_of(*seat) {
            Some(of) if pool.contains(&of) => 0,
            None => 1,
            Some(_) => 2,
        };
        (rank, from_anchor(seat))
    });
    others.truncate(rest);
    if others.len() < rest {
        return None;
    }
    pool.append(&mut others);
    Some(pool)
}
