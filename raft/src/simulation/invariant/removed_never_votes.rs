//! A replica that was deleted votes no more, and asks for no votes, until its group has committed that it is a voter again.

use std::collections::BTreeSet;

use holdfast_region_config::{GroupId, NodeId};

use super::memberships::Memberships;
use super::{Fact, Invariant};
use crate::transport::wire::pb::frame::Body;

#[derive(Default)]
pub(super) struct RemovedNeverVotes {
    members: Memberships,
    deleted: BTreeSet<(NodeId, GroupId)>,
    /// Newest membership that was applied anywhere, per group; what is older was true before the deletion.
    newest: std::collections::BTreeMap<GroupId, u64>,
}

impl RemovedNeverVotes {
    fn committed(&mut self, group: GroupId, term: u64, index: u64) {
        let Some(configs) = self.members.at(group, index, term) else {
            return;
        };
        let newest = self.newest.entry(group).or_default();
        if index > *newest {
            *newest = index;
            let votes = |node: &NodeId| configs.iter().any(|config| config.contains(node));
            self.deleted
                .retain(|(node, of)| *of != group || !votes(node));
        }
    }
}

impl Invariant for RemovedNeverVotes {
    fn name(&self) -> &'static str {
        "removed_never_votes"
    }

    fn see(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        self.members.see(fact);
        match fact {
            Fact::Retired { node, group } => {
                self.deleted.insert((*node, *group));
            }
            Fact::Applied {
                group, term, index, ..
            } => self.committed(*group, *term, *index),
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
