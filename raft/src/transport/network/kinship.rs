//! What the answer to a vote proves about the voter's log.
//!
//! Owns: the entries that a new leader need not ask its voters about. Must never: take an entry of the leader's own term for
//! known; only those decide what is committed.
//!
//! A new leader looks for the place up to which a follower's log is its own by halving, one round trip a step: five for a
//! hundred entries, a second and more over an ocean, before the first write of its term. But a voter says with its vote what its last entry is.
//! If that entry is of the same term as the candidate's last one, and not beyond it, the log of the term's leader holds both; so, by the
//! log matching property (Raft paper, §5.3), everything up to it is the same in all three. A probe within it is answered here.
//!
//! The voter has all of it on disk: a vote is written after the entries that were accepted before it, and answered when it is
//! written. And entries of earlier terms are committed only by one of the leader's own (§5.4.2), which does go over the wire.
//!
//! A replica that is given up may be deleted. What is known of it has to be forgotten before it is added again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openraft::raft::{AppendEntriesRequest, VoteRequest, VoteResponse};

use crate::types::{LogId, TypeConfig, Vote};

/// Per voter: the vote that it granted, and up to where its log is the candidate's.
#[derive(Debug, Default)]
pub(crate) struct Kinship {
    known: Mutex<BTreeMap<u64, (Vote, LogId)>>,
}

impl Kinship {
    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, (Vote, LogId)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `voter` answered a real vote, not a pre-vote.
    pub(super) fn answered(
        &self,
        voter: u64,
        request: &VoteRequest<TypeConfig>,
        response: &VoteResponse<TypeConfig>,
    ) {
        let mut known = self.known();
        known.remove(&voter);
        let (Some(own), Some(theirs)) = (request.last_log_id, response.last_log_id) else {
            return;
        };
        let same_term = own.committed_leader_id() == theirs.committed_leader_id();
        if response.vote_granted && same_term && theirs.index() <= own.index() {
            known.insert(voter, (request.vote, theirs));
        }
    }

    /// `node` may have another log from now on.
    pub(crate) fn forget(&self, node: u64) {
        self.known().remove(&node);
    }

    /// The last entry of the request, or the one before it when it carries none, if `follower` is known to have all up to there.
    ///
    /// A request without entries only tells what is committed. On a busy show there is one after each probe, and sent over the wire it
    /// would cost the very round trip that the probe was spared. It need not be sent: the leader's own first entry is still to come,
    /// and says what is committed then.
    pub(super) fn covers(
        &self,
        follower: u64,
        request: &AppendEntriesRequest<TypeConfig>,
    ) -> Option<LogId> {
        let carried = request.entries.last().map(|entry| entry.log_id);
        let last = carried.or(request.prev_log_id)?;
        let known = self.known();
        let (vote, upto) = known.get(&follower)?;
        let same_leader = vote.leader_id == request.vote.leader_id;
        (same_leader && last.index() <= upto.index()).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::types::{Entry, log_id};

    fn asked(term: u64, last: LogId) -> VoteRequest<TypeConfig> {
        VoteRequest::new(Vote::new(term, 1), Some(last))
    }

    fn granted(term: u64, last: LogId) -> VoteResponse<TypeConfig> {
        VoteResponse::new(Vote::new(term, 1), Some(last), true)
    }

    fn append(term: u64, upto: LogId) -> AppendEntriesRequest<TypeConfig> {
        AppendEntriesRequest {
            vote: Vote::new_committed(term, 1),
            prev_log_id: Some(log_id(1, 1)),
            entries: vec![Entry {
                log_id: upto,
                payload: EntryPayload::Blank,
            }],
            leader_commit: None,
        }
    }

    #[test]
    fn entries_up_to_the_voters_last_one_are_known() {
        let kinship = Kinship::default();
        kinship.answered(2, &asked(5, log_id(4, 90)), &granted(5, log_id(4, 85)));
        let covered = |upto| kinship.covers(2, &append(5, upto));
        assert_eq!(covered(log_id(3, 40)), Some(log_id(3, 40)));
        assert_eq!(covered(log_id(4, 85)), Some(log_id(4, 85)));
        assert_eq!(covered(log_id(4, 86)), None, "it lacks that one");
        assert_eq!(covered(log_id(5, 91)), None, "the leader's own decide");
    }

    #[test]
    fn news_of_what_is_committed_waits_for_the_leaders_own_entry() {
        let kinship = Kinship::default();
        kinship.answered(2, &asked(5, log_id(4, 90)), &granted(5, log_id(4, 85)));
        let news = |matched| {
            let mut request = append(5, matched);
            request.entries.clear();
            request.prev_log_id = Some(matched);
            request.leader_commit = Some(log_id(5, 92));
            kinship.covers(2, &request)
        };
        assert_eq!(news(log_id(3, 40)), Some(log_id(3, 40)));
        assert_eq!(news(log_id(4, 86)), None, "it may lack that one");
        assert_eq!(
            news(log_id(5, 91)),
            None,
            "from there on it is told at once"
        );
    }

    #[test]
    fn nothing_is_known_of_a_replica_that_begins_anew() {
        let kinship = Kinship::default();
        kinship.answered(2, &asked(5, log_id(4, 90)), &granted(5, log_id(4, 85)));
        kinship.forget(2);
        assert_eq!(kinship.covers(2, &append(5, log_id(4, 85))), None);
    }

    #[test]
    fn other_terms_votes_and_voters_prove_nothing() {
        let kinship = Kinship::default();
        kinship.answered(2, &asked(5, log_id(4, 90)), &granted(5, log_id(3, 85)));
        assert_eq!(kinship.covers(2, &append(5, log_id(3, 80))), None);
        kinship.answered(2, &asked(5, log_id(4, 90)), &granted(5, log_id(4, 85)));
        assert_eq!(kinship.covers(3, &append(5, log_id(4, 80))), None);
        assert_eq!(kinship.covers(2, &append(6, log_id(4, 80))), None);
        let mut refused = granted(5, log_id(4, 85));
        refused.vote_granted = false;
        kinship.answered(2, &asked(6, log_id(4, 90)), &refused);
        assert_eq!(kinship.covers(2, &append(5, log_id(4, 80))), None);
    }
}
