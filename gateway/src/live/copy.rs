//! The copy of one show's seats as one node tells it: updates in, states out.
//!
//! Owns: that the copy is exactly the replica's state at one index, never goes back, and how old it can be. Must never: take a
//! piece that does not fit what it has: it asks for everything again.
//!
//! How old: a probe left here at `t`; the update says that it was made `probe_ms` after the probe came, by a replica that was current
//! `age_ms` before that. So everything acknowledged by `t + probe_ms - age_ms` is in it, wherever the update was held up on its
//! way. Two clocks are used only for lengths of time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_node_api::v1::SeatsUpdate;

use super::seats::{Seats, State};
use crate::layouts::ShowLayout;

/// Probes whose answer is awaited, at most; older ones are given up.
const PROBES_MAX: usize = 64;
/// Both numbers of an update are whole milliseconds, rounded down; the age has to be rounded up.
const ROUNDING: Duration = Duration::from_millis(1);

/// Why an update was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The first update was not everything, or does not fit the layout.
    #[error("the update does not fit the show's layout")]
    Layout,
    /// The replica is behind what is known here.
    #[error("the update is older than what is known")]
    Behind,
}

/// What was asked and when.
#[derive(Debug, Default)]
pub struct Probes {
    sent: VecDeque<(u64, Instant)>,
    last: u64,
}

impl Probes {
    /// The number of a probe that leaves at `now`.
    pub fn next(&mut self, now: Instant) -> u64 {
        self.last += 1;
        if self.sent.len() == PROBES_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((self.last, now));
        self.last
    }

    /// When the state of an update was surely the newest; `None` when that cannot be said.
    pub fn current_at(&mut self, update: &SeatsUpdate) -> Option<Instant> {
        while self.sent.front().is_some_and(|(no, _)| *no < update.probe) {
            self.sent.pop_front();
        }
        let (no, sent_at) = *self.sent.front()?;
        let age_ms = update.as_of?.age_ms;
        // The largest number says "never".
        let age_ms = (age_ms != u64::MAX).then_some(age_ms)?;
        let age = Duration::from_millis(age_ms).checked_add(ROUNDING)?;
        let made_at = sent_at.checked_add(Duration::from_millis(update.probe_ms))?;
        (no == update.probe).then(|| made_at.checked_sub(age))?
    }
}

/// The state after `update`, when `before` is what was known (from this node or another).
///
/// # Errors
/// [`Misfit`]; nothing may be concluded from the update then.
pub fn after(
    before: Option<&State>,
    update: &SeatsUpdate,
    layout: &ShowLayout,
) -> Result<State, Misfit> {
    let index = update.as_of.unwrap_or_default().index;
    if before.is_some_and(|before| index < before.index) {
        return Err(Misfit::Behind);
    }
    let state = |seats| State {
        index,
        time_ms: update.now_ms,
        seats,
    };
    if !update.everything {
        let before = before.ok_or(Misfit::Layout)?;
        if update.seats_changed.is_empty() && update.areas_changed.is_empty() {
            return Ok(state(Arc::clone(&before.seats)));
        }
        let (states, areas) = changed(&before.seats, update)?;
        return Ok(state(Arc::new(Seats::new(index, states, areas, layout))));
    }
    let fits = update.seats.len() == layout.layout.seats.len()
        && update.areas.len() == layout.layout.areas.len();
    if !fits {
        return Err(Misfit::Layout);
    }
    if let Some(before) = before
        && before.seats.states == update.seats
        && before.seats.areas == update.areas
    {
        return Ok(state(Arc::clone(&before.seats)));
    }
    let seats = Seats::new(index, update.seats.to_vec(), update.areas.clone(), layout);
    Ok(state(Arc::new(seats)))
}

fn changed(
    before: &Seats,
    update: &SeatsUpdate,
) -> Result<(Vec<u8>, Vec<holdfast_node_api::v1::AreaState>), Misfit> {
    let mut states = before.states.clone();
    for change in &update.seats_changed {
        let seat = usize::try_from(change >> 2).map_err(|_| Misfit::Layout)?;
        *states.get_mut(seat).ok_or(Misfit::Layout)? = (change & 3) as u8;
    }
    let mut areas = before.areas.clone();
    for change in &update.areas_changed {
        let area = usize::try_from(change.area).map_err(|_| Misfit::Layout)?;
        *areas.get_mut(area).ok_or(Misfit::Layout)? = change.state.unwrap_or_default();
    }
    Ok((states, areas))
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::{AreaState, AsOf};

    use super::super::seats::tests::hall;
    use super::*;

    fn as_of(index: u64, age_ms: u64) -> Option<AsOf> {
        Some(AsOf {
            index,
            age_ms,
            linearizable: false,
        })
    }

    fn everything(index: u64, seats: &'static [u8]) -> SeatsUpdate {
        SeatsUpdate {
            as_of: as_of(index, 0),
            seats: seats.into(),
            areas: vec![AreaState::default()],
            everything: true,
            ..SeatsUpdate::default()
        }
    }

    #[test]
    fn changes_are_applied_to_what_was_there() {
        let hall = hall(3);
        let first = after(None, &everything(5, &[0, 1, 2]), &hall).unwrap();
        let update = SeatsUpdate {
            as_of: as_of(8, 0),
            seats_changed: vec![1, 2 << 2],
            ..SeatsUpdate::default()
        };
        let second = after(Some(&first), &update, &hall).unwrap();
        assert_eq!(second.seats.states, [1, 1, 0]);
        assert_eq!((second.index, second.seats.changed_index), (8, 8));
        let idle = SeatsUpdate {
            as_of: as_of(9, 0),
            ..SeatsUpdate::default()
        };
        let third = after(Some(&second), &idle, &hall).unwrap();
        assert_eq!((third.index, third.seats.changed_index), (9, 8));
    }

    #[test]
    fn another_node_with_the_same_seats_changes_nothing_and_one_behind_is_not_believed() {
        let hall = hall(3);
        let first = after(None, &everything(5, &[0, 1, 2]), &hall).unwrap();
        let same = after(Some(&first), &everything(7, &[0, 1, 2]), &hall).unwrap();
        assert_eq!((same.index, same.seats.changed_index), (7, 5));
        let behind = after(Some(&same), &everything(6, &[0, 0, 0]), &hall);
        assert_eq!(behind.unwrap_err(), Misfit::Behind);
    }

    #[test]
    fn what_does_not_fit_the_layout_is_refused() {
        let hall = hall(3);
        let misfit = |before, update| after(before, &update, &hall).unwrap_err();
        assert_eq!(misfit(None, everything(1, &[0, 0])), Misfit::Layout);
        assert_eq!(misfit(None, SeatsUpdate::default()), Misfit::Layout);
        let first = after(None, &everything(5, &[0, 1, 2]), &hall).unwrap();
        let beyond = SeatsUpdate {
            as_of: as_of(6, 0),
            seats_changed: vec![3 << 2],
            ..SeatsUpdate::default()
        };
        assert_eq!(misfit(Some(&first), beyond), Misfit::Layout);
    }

    #[test]
    fn an_update_that_was_held_up_is_as_old_as_its_probe_says() {
        let start = crate::clock::now();
        let mut probes = Probes::default();
        assert_eq!(probes.next(start), 1);
        let later = start + Duration::from_secs(1);
        assert_eq!(probes.next(later), 2);
        let mut update = everything(1, &[]);
        update.probe = 1;
        update.probe_ms = 300;
        update.as_of = as_of(1, 50);
        // However late it comes: made 300 ms after the first probe left, at the earliest, and 50 ms old then.
        let current = probes.current_at(&update).unwrap();
        assert_eq!(current, start + Duration::from_millis(249));
        update.probe = 2;
        assert_eq!(
            probes.current_at(&update).unwrap(),
            later + Duration::from_millis(249)
        );
        update.as_of = as_of(1, u64::MAX);
        assert_eq!(probes.current_at(&update), None, "never current");
        update.probe = 1;
        assert_eq!(probes.current_at(&update), None, "answered long ago");
    }
}
