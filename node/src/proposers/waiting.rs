//! Commands that wait for their show's replica to be read from disk.
//!
//! Owns: the bounds: how many shows are waited for, how many commands wait for each. Must never: be locked over an await.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use holdfast_inventory::ids::ShowId;

use crate::submission::{Submission, SubmitFailure};

/// Shows that are waited for at once. Opening takes milliseconds; whoever asks for a thousand at once can come back.
const SHOWS_MAX: usize = 1_024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct WaitingRoom {
    commands_per_show_max: usize,
    /// What waits, in order of arrival.
    shows: Mutex<BTreeMap<ShowId, Vec<Submission>>>,
}

impl WaitingRoom {
    pub(super) fn new(commands_per_show_max: usize) -> Self {
        Self {
            commands_per_show_max,
            shows: Mutex::default(),
        }
    }

    fn shows(&self) -> MutexGuard<'_, BTreeMap<ShowId, Vec<Submission>>> {
        // Every change is one insert or removal: a panic leaves nothing half done.
        self.shows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a submission in; true when it is the first for its show: whoever brought it opens the replica.
    ///
    /// # Errors
    /// [`SubmitFailure::Overloaded`], with the submission given back.
    pub(super) fn enter(
        &self,
        show: ShowId,
        submission: Submission,
    ) -> Result<bool, (Submission, SubmitFailure)> {
        let mut shows = self.shows();
        let Some(waiting) = shows.get_mut(&show) else {
            if shows.len() >= SHOWS_MAX {
                return Err((submission, SubmitFailure::Overloaded));
            }
            shows.insert(show, vec![submission]);
            return Ok(true);
        };
        let commands: usize = waiting.iter().map(|waiting| waiting.items.len()).sum();
        if commands + submission.items.len() > self.commands_per_show_max {
            return Err((submission, SubmitFailure::Overloaded));
        }
        waiting.push(submission);
        Ok(false)
    }

    /// Everything that waits for `show`; the next to come is the first again.
    pub(super) fn leave(&self, show: ShowId) -> Vec<Submission> {
        self.shows().remove(&show).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_inventory::{
        command::{Command, Envelope},
        ids::RequestId,
    };
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::submission::Item;

    fn submission(show: u64, commands: u64) -> Submission {
        let item = |tag| Item {
            tag,
            envelope: Envelope {
                request: RequestId::internal("test", tag),
                command: Command::Tick,
            },
            give_up_at: Instant::now(),
            through_log: false,
            end_is_spread: false,
            bytes: 0,
        };
        Submission {
            show,
            items: (0..commands).map(item).collect(),
            answers: mpsc::channel(1).0,
        }
    }

    #[test]
    fn the_first_opens_and_those_who_come_meanwhile_wait_with_it() {
        let (room, show) = (WaitingRoom::new(10), ShowId(7));
        assert!(room.enter(show, submission(7, 4)).unwrap());
        assert!(!room.enter(show, submission(7, 4)).unwrap());
        let (back, failure) = room.enter(show, submission(7, 4)).unwrap_err();
        assert_eq!((back.items.len(), failure), (4, SubmitFailure::Overloaded));
        assert_eq!(room.leave(show).len(), 2);
        assert!(room.enter(show, submission(7, 4)).unwrap());
    }

    #[test]
    fn a_storm_over_many_shows_is_bounded() {
        let room = WaitingRoom::new(10);
        for show in 0..SHOWS_MAX as u64 {
            assert!(room.enter(ShowId(show), submission(show, 1)).unwrap());
        }
        let one_more = ShowId(SHOWS_MAX as u64);
        assert!(room.enter(one_more, submission(0, 1)).is_err());
    }
}
