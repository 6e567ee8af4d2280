//! What groups were told is durable, written down when the log has failed and compared when it is opened again.
//!
//! Owns: that comparison. Must never: count anything that was not acknowledged, or forget anything that was while the log
//! is failed; a disk that lost an acknowledged vote or entry must not vote again as if it had not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_region_config::GroupId;

use super::group_state::GroupState;
use crate::types::{LogId, Vote};

/// What one group was told is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Acknowledged {
    /// The last vote.
    pub(crate) vote: Option<Vote>,
    /// The last entry, unless it was asked to be removed since.
    pub(crate) last: Option<LogId>,
}

/// A group whose log holds less than it had acknowledged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LostState {
    /// The group.
    pub(crate) group: GroupId,
    /// What it had acknowledged.
    pub(crate) acknowledged: Acknowledged,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Guards the pages; one a group that was in use when the log failed, or later.
    pages: Mutex<BTreeMap<GroupId, Acknowledged>>,
}

impl Ledger {
    /// Writes down what `group` was told.
    pub(super) fn note(&self, group: GroupId, acknowledged: Acknowledged) {
        self.pages().insert(group, acknowledged);
    }

    /// The groups for which `load` finds less than was acknowledged, or nothing that can be read.
    pub(super) fn lost(&self, load: impl Fn(GroupId) -> Option<GroupState>) -> Vec<LostState> {
        let pages = self.pages();
        let lost = pages.iter().filter(|(group, acknowledged)| {
            let found = load(**group);
            !found.is_some_and(|state| covers(&state, acknowledged))
        });
        let lost = lost.map(|(group, acknowledged)| LostState {
            group: *group,
            acknowledged: *acknowledged,
        });
        lost.collect()
    }

    /// Begins anew: the log works again.
    pub(super) fn clear(&self) {
        self.pages().clear();
    }

    fn pages(&self) -> MutexGuard<'_, BTreeMap<GroupId, Acknowledged>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `state` holds all of `acknowledged`. It may hold more: what was written and not acknowledged.
fn covers(state: &GroupState, acknowledged: &Acknowledged) -> bool {
    let vote = match (state.vote, acknowledged.vote) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(found), Some(told)) => found >= told,
    };
    vote && state.last() >= acknowledged.last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;

    #[test]
    fn a_group_that_holds_less_than_it_had_said_is_found() {
        let ledger = Ledger::default();
        let told = Acknowledged {
            vote: Some(Vote::new(3, 1)),
            last: Some(log_id(2, 7)),
        };
        ledger.note(GroupId::new(5), told);
        let state = |vote: Option<Vote>, last: Option<LogId>| {
            let mut state = GroupState::default();
            state.vote = vote;
            drop(last.map(|last| state.purge_to(last)));
            Some(state)
        };
        let (vote, last) = (told.vote, told.last);
        for sound in [
            state(vote, last),
            state(Some(Vote::new_committed(3, 1)), last),
            state(Some(Vote::new(4, 2)), Some(log_id(2, 8))),
        ] {
            let sound = Mutex::new(sound);
            assert!(ledger.lost(|_| sound.lock().unwrap().take()).is_empty());
        }
        for less in [
            None,
            state(None, last),
            state(Some(Vote::new(2, 1)), last),
            state(vote, None),
            state(vote, Some(log_id(2, 6))),
        ] {
            let less = Mutex::new(less);
            let lost = ledger.lost(|_| less.lock().unwrap().take());
            assert_eq!(lost.len(), 1);
        }
        ledger.clear();
        assert!(ledger.lost(|_| None).is_empty());
    }
}
