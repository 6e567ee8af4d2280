//! Whether this replica may vote for somebody, beyond what openraft itself checks.
//!
//! Owns: the two rules that sleep and takeovers need, and what follows from refusing one who lacks entries. Must never: grant
//! what openraft would refuse; it only refuses more, or lets a takeover past a lease that the fabric has found to be a dead node's, or
//! that its leader has let go of.
//!
//! * A sleeping group's lease has run out because nobody speaks, not because its leader is dead. While the leader's node is
//!   heard, only that node itself is voted for. A claim from a term before the one that this replica has followed does not count.
//! * A takeover says that a majority of the voters finds the leader's node dead. A voter that still shields the leader
//!   (`fabric::liveness`) refuses it; so does the leader itself, unless it has asked another to lead in this term.

use std::sync::atomic::Ordering;

use holdfast_region_config::NodeId;
use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::{VoteRequest, VoteResponse};

use super::GroupCore;
use crate::types::TypeConfig;

/// How a candidate came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its timer ran out.
    Timeout,
    /// The leader asked it to.
    Transfer,
    /// The leader's node is dead.
    Takeover,
}

impl GroupCore {
    /// A refusal, when this replica must not vote for the candidate.
    pub(crate) fn refusal(
        &self,
        request: &VoteRequest<TypeConfig>,
        standing: Standing,
    ) -> Option<VoteResponse<TypeConfig>> {
        let board = &self.fabric.board;
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let candidate = request.vote.leader_id.voted_for;
        // Whoever led before the leader that this replica has followed since is out of date, even when its node lives: it may
        // have slept through its own removal, and nobody tells it.
        let followed_term = if metrics.vote.committed {
            metrics.vote.leader_id.term
        } else {
            metrics.last_applied.map_or(0, |id| id.leader_id.term)
        };
        let claimed = board.claim_of(self.group);
        let claimed = claimed
            .filter(|claim| claim.term >= followed_term)
            .map(|claim| claim.leader);
        let followed = metrics.current_leader.map(NodeId::new);
        let stands_by = |leader: NodeId| leader.get() != candidate;
        let leads_yet = |leader: NodeId| {
            if leader == self.node {
                // By asking another to lead it has let go of its lease, and it may say nothing more in this term.
                return self.handing_over.load(Ordering::SeqCst) != metrics.current_term;
            }
            // A node that is alive may have given the group up, or be another process than the one that led: then it neither
            // claims the group nor has it spoken for it lately.
            let silence = self.since_append();
            let spoke = silence.is_some_and(|silence| silence < board.silence_floor());
            claimed == Some(leader) || spoke || board.is_bound_by_the_last()
        };
        let refused = match standing {
            Standing::Transfer => false,
            Standing::Takeover => followed
                .or(claimed)
                .filter(|leader| stands_by(*leader))
                .is_some_and(|leader| leads_yet(leader) && board.shields(leader)),
            Standing::Timeout => {
                self.parked.load(Ordering::SeqCst)
                    && claimed
                        .filter(|leader| stands_by(*leader))
                        .is_some_and(|leader| board.is_heard(leader))
            }
        };
        refused.then(|| {
            let last = metrics.last_log_index.and(metrics.last_applied);
            VoteResponse::new(metrics.vote, last, false)
        })
    }

    /// Stands past a candidate of a takeover that openraft refused because it lacks what is here, when it cannot be elected
    /// without this voter: nobody else but this one can be, and each would wait for the other to give up. Whoever has voted in
    /// that term or a later one knows of another candidate, or is one.
    pub(crate) fn stand_past(
        &self,
        request: &VoteRequest<TypeConfig>,
        answer: &VoteResponse<TypeConfig>,
    ) {
        let term = request.vote.leader_id.term;
        let is_ahead = answer.last_log_id > request.last_log_id;
        if answer.vote_granted || !is_ahead || answer.vote.leader_id.term >= term {
            return;
        }
        let voters = self.voters();
        let board = &self.fabric.board;
        let is_with_it = |voter: &&NodeId| **voter != self.node && board.is_heard(**voter);
        let with_it = voters.iter().filter(is_with_it).count();
        if voters.contains(&self.node) && with_it * 2 <= voters.len() {
            board.stand_past(self.group, term);
        }
    }
}

#[cfg(test)]
mod tests;
