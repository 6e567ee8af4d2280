//! In a term, one node leads: nobody else sends appends.

use std::collections::BTreeMap;

use holdfast_region_config::NodeId;

use super::{Fact, Invariant};
use crate::transport::wire::pb::frame::Body;

#[derive(Default)]
pub(super) struct OneLeaderPerTerm {
    /// (group, term) to leader.
    leaders: BTreeMap<(u64, u64), NodeId>,
}

impl Invariant for OneLeaderPerTerm {
    fn name(&self) -> &'static str {
        "one_leader_per_term"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::FrameSent { from, frame, .. } = fact else {
            return Ok(());
        };
        let Some(Body::Append(append) | Body::StreamAppend(append)) = &frame.body else {
            return Ok(());
        };
        let Some(vote) = &append.vote else {
            return Ok(());
        };
        let group = frame.group;
        let first = *self.leaders.entry((group, vote.term)).or_insert(*from);
        if first == *from {
            return Ok(());
        }
        Err(format!(
            "{first} and {from} both lead term {} of g{group}",
            vote.term
        ))
    }
}
