//! When a follower last knew itself to be current.
//!
//! Owns: the age of a stale read. Must never: make a state look younger than it is.
//!
//! An append or heartbeat of a leader whose lease holds that was sent at `t` and says "committed up to `c`" proves, once this replica has
//! applied `c`, that its state was the newest there was at `t`. So the age is `now - t` for the newest such message whose `c` is
//! applied. When it came says nothing: it may have been held on its way. `fabric::clocks` puts a bound on `t`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Messages remembered until their commit index is applied. Heartbeats come a few times a second and apply is quick; when
/// more pile up the oldest unproven are dropped, which can only make the age larger.
const UNPROVEN_MAX: usize = 256;

#[derive(Debug, Default)]
struct State {
    /// (commit index, current at), as they came.
    unproven: VecDeque<(u64, Instant)>,
    current_at: Option<Instant>,
}

/// The contact of one replica with its leader. The lock is held for a few queue operations, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    state: Mutex<State>,
}

impl Contact {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leader said that nothing beyond `commit` was committed at `current_at`; `None` = it is not known when that was.
    pub(crate) fn heard(&self, commit: Option<u64>, current_at: Option<Instant>) {
        let (Some(commit), Some(current_at)) = (commit, current_at) else {
            return;
        };
        let mut state = self.state();
        if state.unproven.len() == UNPROVEN_MAX {
            state.unproven.pop_front();
        }
        state.unproven.push_back((commit, current_at));
    }

    /// How old a state applied up to `applied` may be at `now`; `None` when this replica was never current.
    pub(crate) fn age(&self, applied: u64, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        while let Some((commit, at)) = state.unproven.front().copied() {
            if commit > applied {
                break;
            }
            state.unproven.pop_front();
            state.current_at = Some(state.current_at.map_or(at, |before| before.max(at)));
        }
        state.current_at.map(|at| now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_counts_only_once_its_commit_index_is_applied() {
        let contact = Contact::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(contact.age(0, start), None);
        contact.heard(Some(5), Some(at(0)));
        contact.heard(Some(9), Some(at(100)));
        assert_eq!(contact.age(5, at(150)), Some(Duration::from_millis(150)));
        assert_eq!(contact.age(9, at(150)), Some(Duration::from_millis(50)));
    }

    #[test]
    fn silence_makes_the_state_older() {
        let contact = Contact::default();
        let start = Instant::now();
        contact.heard(Some(1), Some(start));
        contact.heard(Some(1), None);
        let age = contact.age(1, start + Duration::from_secs(30));
        assert_eq!(age, Some(Duration::from_secs(30)));
    }
}
