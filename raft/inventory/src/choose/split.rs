//! Best available when no unbroken stretch is long enough: a few pieces near each other.
//!
//! Owns: how a group is divided. Must never: leave one person alone when a division without that exists
//! among the pieces tried, or return seats that the single-seat rule forbids.

use super::Scene;
use super::best_available::Wish;
use super::single_seat;
use crate::ids::SeatNo;

/// Pieces of one group, at most: beyond it the group is not together in any sense, and each piece costs a
/// walk over the plan.
const PIECES_MAX: usize = 16;

/// Divides the group; `None` when there are not enough seats, or only ones that would leave single seats.
pub(super) fn choose(scene: Scene<'_>, wish: Wish) -> Option<Vec<SeatNo>> {
    let mut stretches = free_stretches(scene, wish);
    let mut chosen: Vec<SeatNo> = Vec::new();
    for _ in 0..PIECES_MAX {
        let missing = wish.quantity().checked_sub(chosen.len())?;
        if missing == 0 {
            break;
        }
        let piece = next_piece(scene, &stretches, missing, chosen.first().copied())?;
        chosen.extend_from_slice(piece);
        let piece = piece.to_vec();
        remove(&mut stretches, &piece);
    }
    if chosen.len() < wish.quantity() {
        return None;
    }
    chosen.sort_unstable();
    single_seat::forbidden(scene, &chosen)
        .is_empty()
        .then_some(chosen)
}

/// All maximal stretches of seats that the wish may have.
fn free_stretches(scene: Scene<'_>, wish: Wish) -> Vec<Vec<SeatNo>> {
    let mut stretches = Vec::new();
    for run in scene.layout.runs() {
        let pieces = run.split(|seat| !wish.suits(scene, *seat));
        stretches.extend(
            pieces
                .filter(|piece| !piece.is_empty())
                .map(<[SeatNo]>::to_vec),
        );
    }
    stretches
}

/// The largest piece that leaves nobody alone, nearest to the seats already chosen (or to the front).
fn next_piece<'a>(
    scene: Scene<'_>,
    stretches: &'a [Vec<SeatNo>],
    missing: usize,
    anchor: Option<SeatNo>,
) -> Option<&'a [SeatNo]> {
    let longest = stretches.iter().map(Vec::len).max()?;
    let size = sizes(missing).find(|size| *size <= longest)?;
    let windows = stretches.iter().flat_map(|stretch| {
        let last = stretch.len().saturating_sub(size);
        // A piece is cut from an end of its stretch, so that what is left stays in one.
        [
            stretch.get(..size),
            stretch.get(last..).filter(|_| last > 0),
        ]
    });
    windows
        .flatten()
        .filter(|window| window.len() == size)
        .min_by_key(|window| {
            let leaves_single = {
                let mut seats = window.to_vec();
                seats.sort_unstable();
                !single_seat::left_single(scene, &seats).is_empty()
            };
            let away: u64 = window
                .iter()
                .map(|seat| match anchor {
                    Some(anchor) => scene
                        .layout
                        .distance_between(anchor, *seat)
                        .unwrap_or(u64::MAX),
                    None => scene.layout.distance(*seat),
                })
                .fold(0, u64::saturating_add);
            (leaves_single, away, window.first().copied())
        })
}

/// Sizes to try for a group of `missing`: large first, those that leave one person over near the end.
fn sizes(missing: usize) -> impl Iterator<Item = usize> {
    let leaves_one = missing.checked_sub(1).filter(|size| *size > 1);
    let good = (2..=missing)
        .rev()
        .filter(move |size| Some(*size) != leaves_one);
    good.chain(leaves_one).chain(std::iter::once(1))
}

fn remove(stretches: &mut Vec<Vec<SeatNo>>, piece: &[SeatNo]) {
    for stretch in stretches.iter_mut() {
        if stretch.first().is_some_and(|seat| piece.contains(seat))
            || stretch.last().is_some_and(|seat| piece.contains(seat))
        {
            stretch.retain(|seat| !piece.contains(seat));
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
}

#[cfg(test)]
mod tests {
    use super::sizes;

    #[test]
    fn four_are_split_two_and_two_before_three_and_one() {
        assert_eq!(sizes(4).collect::<Vec<_>>(), [4, 2, 3, 1]);
        assert_eq!(sizes(3).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(sizes(2).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(sizes(1).collect::<Vec<_>>(), [1]);
    }
}
