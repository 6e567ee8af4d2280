//! The immutable geometry of a show: who sits beside whom, and how near the front.
//!
//! Owns: neighbour runs, computed from positions with integers only.
//! Must never: look at seat numbers (real halls number odd on one side and even on the other), or at
//! anything that changes while the show is sold.
//!
//! A *run* is a stretch of seats beside each other. Within one row of one zone, seats are sorted along the
//! row's main axis (from its one end to its other); wherever two neighbours are further apart than
//! 1.6 times the row's median pitch there is an aisle, and a new run begins.

use std::collections::BTreeMap;

use crate::ids::SeatNo;
use crate::show::{SaleRules, Seat, ShowSetUp};

/// An aisle is wider than this many tenths of the row's median pitch. Seats stand 1.0 apart and the
/// narrowest aisle is about twice that; 1.6 leaves room for curved rows and hand-drawn plans.
const AISLE_TENTHS: i128 = 16;

/// A show's set-up with everything derived from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    set_up: ShowSetUp,
    rules: SaleRules,
    runs: Vec<Box<[SeatNo]>>,
    spots: Vec<Spot>,
    /// Distance of each seat from the focal point, drawing units.
    distances: Vec<u64>,
    /// Seats, the nearest to the focal point first.
    by_distance: Vec<SeatNo>,
}

/// Where a seat is among its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Index of its run in [`Layout::runs`].
    pub run: usize,
    /// Its position in the run, from 0.
    pub position: usize,
}

impl Layout {
    /// Derives the geometry. The set-up must have been checked, see `Rejection::PlanInvalid`.
    #[must_use]
    pub fn new(set_up: ShowSetUp) -> Self {
        let runs = runs_of(&set_up.seats);
        let mut spots = vec![Spot::default(); set_up.seats.len()];
        for (run, seats) in runs.iter().enumerate() {
            for (position, seat) in seats.iter().enumerate() {
                if let Some(spot) = spots.get_mut(seat.index()) {
                    *spot = Spot { run, position };
                }
            }
        }
        let focal = focal_point(&set_up);
        let distances: Vec<u64> = set_up
            .seats
            .iter()
            .map(|seat| distance(focal, (seat.x, seat.y)))
            .collect();
        let mut by_distance: Vec<SeatNo> = (0..set_up.seats.len())
            .filter_map(SeatNo::from_index)
            .collect();
        by_distance.sort_by_key(|seat| (distances.get(seat.index()).copied(), *seat));
        let rules = set_up.rules.with_defaults();
        Self {
            set_up,
            rules,
            runs,
            spots,
            distances,
            by_distance,
        }
    }

    /// What the show was set up from.
    #[must_use]
    pub fn set_up(&self) -> &ShowSetUp {
        &self.set_up
    }

    /// The selling rules with the defaults filled in.
    #[must_use]
    pub fn rules(&self) -> &SaleRules {
        &self.rules
    }

    /// All runs; every seat is in exactly one.
    #[must_use]
    pub fn runs(&self) -> &[Box<[SeatNo]>] {
        &self.runs
    }

    /// Every seat, the nearest to the front first.
    #[must_use]
    pub fn by_distance(&self) -> &[SeatNo] {
        &self.by_distance
    }

    /// The seats of one run in order; empty for an unknown run.
    #[must_use]
    pub fn run(&self, run: usize) -> &[SeatNo] {
        self.runs.get(run).map_or(&[], |seats| seats)
    }

    /// Where a seat is; `None` for an unknown seat.
    #[must_use]
    pub fn spot(&self, seat: SeatNo) -> Option<Spot> {
        self.spots.get(seat.index()).copied()
    }

    /// A seat's description; `None` for an unknown seat.
    #[must_use]
    pub fn seat(&self, seat: SeatNo) -> Option<&Seat> {
        self.set_up.seats.get(seat.index())
    }

    /// Number of seats.
    #[must_use]
    pub fn seat_count(&self) -> usize {
        self.set_up.seats.len()
    }

    /// The neighbour on the side of smaller x (or smaller y, in a row that runs down the drawing).
    #[must_use]
    pub fn left(&self, seat: SeatNo) -> Option<SeatNo> {
        let spot = self.spot(seat)?;
        self.run(spot.run)
            .get(spot.position.checked_sub(1)?)
            .copied()
    }

    /// The neighbour on the other side.
    #[must_use]
    pub fn right(&self, seat: SeatNo) -> Option<SeatNo> {
        let spot = self.spot(seat)?;
        self.run(spot.run)
            .get(spot.position.checked_add(1)?)
            .copied()
    }

    /// Distance from the focal point: the middle of the drawing's top edge, where the stage is.
    #[must_use]
    pub fn distance(&self, seat: SeatNo) -> u64 {
        self.distances
            .get(seat.index())
            .copied()
            .unwrap_or(u64::MAX)
    }

    /// Distance between two seats; `None` if one is unknown.
    #[must_use]
    pub fn distance_between(&self, a: SeatNo, b: SeatNo) -> Option<u64> {
        let (a, b) = (self.seat(a)?, self.seat(b)?);
        Some(distance((a.x, a.y), (b.x, b.y)))
    }

    /// Price of a seat, minor units; 0 for an unknown seat.
    #[must_use]
    pub fn seat_price_minor(&self, seat: SeatNo) -> u64 {
        self.seat(seat)
            .and_then(|s| self.set_up.categories.get(s.category.index()))
            .map_or(0, |category| category.price_minor)
    }

    /// Whether these seats, in any order, are one unbroken piece of a run. False for none.
    #[must_use]
    pub fn is_contiguous(&self, seats: &[SeatNo]) -> bool {
        let mut spots: Vec<Spot> = seats.iter().filter_map(|s| self.spot(*s)).collect();
        spots.sort_unstable_by_key(|spot| (spot.run, spot.position));
        spots.len() == seats.len()
            && !spots.is_empty()
            && spots.windows(2).all(|pair| match pair {
                [a, b] => a.run == b.run && a.position.checked_add(1) == Some(b.position),
                _ => false,
            })
    }
}

/// A seat and where it stands.
type Placed = (SeatNo, (i32, i32));

fn focal_point(set_up: &ShowSetUp) -> (i32, i32) {
    if set_up.width > 0 {
        return (set_up.width >> 1, 0);
    }
    let x_min = set_up.seats.iter().map(|s| s.x).min().unwrap_or(0);
    let x_max = set_up.seats.iter().map(|s| s.x).max().unwrap_or(0);
    let y_min = set_up.seats.iter().map(|s| s.y).min().unwrap_or(0);
    (x_min.saturating_add(x_max) >> 1, y_min)
}

fn distance_squared(a: (i32, i32), b: (i32, i32)) -> u64 {
    let dx = u64::from(a.0.abs_diff(b.0));
    let dy = u64::from(a.1.abs_diff(b.1));
    dx.saturating_mul(dx).saturating_add(dy.saturating_mul(dy))
}

fn distance(a: (i32, i32), b: (i32, i32)) -> u64 {
    distance_squared(a, b).isqrt()
}

fn runs_of(seats: &[Seat]) -> Vec<Box<[SeatNo]>> {
    let mut rows: BTreeMap<(&str, &str), Vec<Placed>> = BTreeMap::new();
    for (index, seat) in seats.iter().enumerate() {
        if let Some(no) = SeatNo::from_index(index) {
            rows.entry((&seat.zone, &seat.row))
                .or_default()
                .push((no, (seat.x, seat.y)));
        }
    }
    rows.into_values().flat_map(split_at_aisles).collect()
}

/// Sorts one row along its main axis and cuts it where neighbours are too far apart.
fn split_at_aisles(mut row: Vec<Placed>) -> Vec<Box<[SeatNo]>> {
    let axis = main_axis(&row);
    row.sort_by_key(|(no, at)| {
        let along = i64::from(at.0) * axis.0 + i64::from(at.1) * axis.1;
        (along, *no)
    });
    let gaps: Vec<u64> = row
        .windows(2)
        .map(|pair| match pair {
            [(_, a), (_, b)] => distance_squared(*a, *b),
            _ => 0,
        })
        .collect();
    let mut sorted = gaps.clone();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() >> 1).copied().unwrap_or(0);
    // gap > 1.6 * pitch, squared and in whole numbers.
    let is_aisle =
        |gap: u64| i128::from(gap) * 100 > i128::from(median) * AISLE_TENTHS * AISLE_TENTHS;

    let mut runs = Vec::new();
    let mut run = Vec::new();
    for (index, (no, _)) in row.iter().enumerate() {
        let gap = index
            .checked_sub(1)
            .and_then(|i| gaps.get(i))
            .copied()
            .unwrap_or(0);
        if is_aisle(gap) && !run.is_empty() {
            runs.push(std::mem::take(&mut run).into_boxed_slice());
        }
        run.push(*no);
    }
    if !run.is_empty() {
        runs.push(run.into_boxed_slice());
    }
    runs
}

/// The direction from one end of a row to its other end, pointing right (or down): from the seat that is
/// furthest from the first, to the seat that is furthest from that one.
fn main_axis(row: &[Placed]) -> (i64, i64) {
    let furthest_from = |from: (i32, i32)| {
        row.iter()
            .map(|(_, at)| *at)
            .max_by_key(|at| (distance_squared(from, *at), *at))
    };
    let Some(one) = row.first().and_then(|(_, first)| furthest_from(*first)) else {
        return (1, 0);
    };
    let other = furthest_from(one).unwrap_or(one);
    let (dx, dy) = (
        i64::from(other.0) - i64::from(one.0),
        i64::from(other.1) - i64::from(one.1),
    );
    if dx < 0 || (dx == 0 && dy < 0) {
        (-dx, -dy)
    } else {
        (dx, dy)
    }
}

#[cfg(test)]
#[path = "layout/tests.rs"]
mod tests;
