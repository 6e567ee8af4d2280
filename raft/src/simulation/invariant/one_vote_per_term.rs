//! A voter gives its vote once per term, also across restarts: asking for votes is voting for oneself.

use std::collections::BTreeMap;

use holdfast_region_config::NodeId;

use super::{Fact, Invariant};
use crate::transport::wire::pb::frame::Body;

#[derive(Default)]
pub(super) struct OneVotePerTerm {
    /// (voter, group, term) to candidate.
    given: BTreeMap<(NodeId, u64, u64), u64>,
    /// (connection, group, session) of a question to (term, candidate).
    asked: BTreeMap<(u64, u64, u64), (u64, u64)>,
}

impl OneVotePerTerm {
    fn give(&mut self, voter: NodeId, group: u64, term: u64, candidate: u64) -> Result<(), String> {
        let first = *self.given.entry((voter, group, term)).or_insert(candidate);
        if first == candidate {
            return Ok(());
        }
        Err(format!(
            "{voter} voted for n{first} and for n{candidate} in term {term} of g{group}"
        ))
    }
}

impl Invariant for OneVotePerTerm {
    fn name(&self) -> &'static str {
        "one_vote_per_term"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::FrameSent {
            connection,
            from,
            frame,
            ..
        } = fact
        else {
            return Ok(());
        };
        let key = (*connection, frame.group, frame.session);
        match &frame.body {
            Some(Body::Vote(request)) => {
                let Some(vote) = &request.vote else {
                    return Ok(());
                };
                self.asked.insert(key, (vote.term, vote.node));
                self.give(*from, frame.group, vote.term, vote.node)
            }
            Some(Body::VoteReply(reply)) if reply.granted => match self.asked.get(&key) {
                Some((term, candidate)) => self.give(*from, frame.group, *term, *candidate),
                // The answer to a pre-vote, which binds nobody.
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
