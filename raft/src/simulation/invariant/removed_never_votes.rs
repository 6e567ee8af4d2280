//! A replica that was deleted votes no more, and asks for no votes, until a later membership names it as a voter again.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{GroupId, NodeId};

use super::memberships::{Memberships, Proposed};
use super::{Fact, Invariant};
use crate::transport::wire::pb::frame::Body;

#[derive(Default)]
pub(super) struct RemovedNeverVotes {
    members: Memberships,
    deleted: BTreeSet<(NodeId, GroupId)>,
    /// Index of the newest membership of each group; what an older one says was so before the deletion.
    newest: BTreeMap<GroupId, u64>,
}

impl RemovedNeverVotes {
    /// Voters count from the moment at which they are in a log, committed or not.
    fn proposed(&mut self, proposed: &Proposed) {
        let newest = self.newest.entry(proposed.group).or_default();
        if proposed.index > *newest {
            *newest = proposed.index;
            let votes = |node: &NodeId| proposed.configs.iter().any(|c| c.contains(node));
            self.deleted
                .retain(|(node, of)| *of != proposed.group || !votes(node));
        }
    }
}

impl Invariant for RemovedNeverVotes {
    fn name(&self) -> &'static str {
        "removed_never_votes"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        for proposed in self.members.see(fact) {
            self.proposed(&proposed);
        }
        match fact {
            Fact::Retired { node, group } => {
                self.deleted.insert((*node, *group));
            }
            Fact::FrameSent { from, frame, .. } => {
                let votes = match &frame.body {
                    Some(Body::Vote(_)) => true,
                    Some(Body::VoteReply(reply)) => reply.granted,
                    _ => false,
                };
                let group = GroupId::new(frame.group);
                if votes && self.deleted.contains(&(*from, group)) {
                    return Err(format!("{from} votes in {group}, where it was deleted"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
