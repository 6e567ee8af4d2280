//! Who is a member of a group, and how far each member's log is, as the frames between nodes tell it.
//!
//! Owns: books for the judges of membership changes. Must never: judge, or ask a replica.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{GroupId, NodeId};

use super::Fact;
use crate::transport::wire::pb;
use crate::transport::wire::pb::frame::Body;

/// Voters; two sets while they are being changed.
pub(super) type Configs = Vec<BTreeSet<NodeId>>;

/// A membership that a leader has just sent out for the first time.
pub(super) struct Proposed {
    pub(super) group: GroupId,
    pub(super) index: u64,
    pub(super) configs: Configs,
}

/// See the module's head.
#[derive(Default)]
pub(super) struct Memberships {
    /// (group, index, term) of an entry to the voters that it names.
    proposed: BTreeMap<(GroupId, u64, u64), Configs>,
    /// The last entry that a replica is known to hold.
    held: BTreeMap<(NodeId, GroupId), u64>,
}

impl Memberships {
    /// Takes in a fact; returns the memberships that it shows for the first time.
    pub(super) fn see(&mut self, fact: &Fact<'_>) -> Vec<Proposed> {
        match fact {
            Fact::FrameSent { from, frame, .. } => return self.frame(*from, frame),
            Fact::Loaded {
                node,
                group,
                index: Some(index),
                ..
            } => self.holds(*node, *group, *index),
            Fact::Retired { node, group } => {
                self.held.remove(&(*node, *group));
            }
            _ => {}
        }
        Vec::new()
    }

    fn holds(&mut self, node: NodeId, group: GroupId, index: u64) {
        let held = self.held.entry((node, group)).or_insert(index);
        *held = (*held).max(index);
    }

    fn frame(&mut self, from: NodeId, frame: &pb::Frame) -> Vec<Proposed> {
        use pb::append_reply::Result as Answer;
        let group = GroupId::new(frame.group);
        match &frame.body {
            Some(Body::Append(append) | Body::StreamAppend(append)) => {
                for entry in &append.entries {
                    self.holds(from, group, entry.index);
                    self.overwritten(group, entry);
                }
                let entries = append.entries.iter();
                entries
                    .filter_map(|entry| self.propose(group, entry))
                    .collect()
            }
            Some(Body::AppendReply(reply)) => {
                if let Some(Answer::Flushed(held) | Answer::Partial(held)) = &reply.result
                    && let Some(last) = &held.log_id
                {
                    self.holds(from, group, last.index);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The leader of a later term has another entry there: what earlier terms put there and after it is in force no more, and the
    /// membership before it is again.
    fn overwritten(&mut self, group: GroupId, by: &pb::Entry) {
        let from = (group, by.index, 0)..=(group, u64::MAX, u64::MAX);
        let outdated = self.proposed.range(from).map(|(key, _)| *key);
        let outdated: Vec<_> = outdated.filter(|(_, _, term)| *term < by.term).collect();
        for key in outdated {
            self.proposed.remove(&key);
        }
    }

    fn propose(&mut self, group: GroupId, entry: &pb::Entry) -> Option<Proposed> {
        let Some(pb::entry::Payload::Membership(membership)) = &entry.payload else {
            return None;
        };
        let key = (group, entry.index, entry.term);
        if self.proposed.contains_key(&key) {
            return None;
        }
        let nodes = |set: &pb::NodeSet| set.nodes.iter().copied().map(NodeId::new).collect();
        let configs: Configs = membership.configs.iter().map(nodes).collect();
        self.proposed.insert(key, configs.clone());
        Some(Proposed {
            group,
            index: entry.index,
            configs,
        })
    }

    /// The last entry that the replica is known to hold; `None` = it has told nobody of any.
    pub(super) fn held(&self, node: NodeId, group: GroupId) -> Option<u64> {
        self.held.get(&(node, group)).copied()
    }

    /// The newest membership before `index`.
    pub(super) fn before(&self, group: GroupId, index: u64) -> Option<&Configs> {
        let older = self.proposed.range((group, 0, 0)..(group, index, 0));
        older.last().map(|(_, configs)| configs)
    }

    /// Those by which entry `index` can have been committed: the one in force there, and every later one.
    pub(super) fn from(&self, group: GroupId, index: u64) -> impl Iterator<Item = &Configs> {
        let older = self
            .proposed
            .range((group, 0, 0)..=(group, index, u64::MAX));
        let in_force = older.last().map_or(0, |((_, at, _), _)| *at);
        let later = (group, in_force, 0)..=(group, u64::MAX, u64::MAX);
        self.proposed.range(later).map(|(_, configs)| configs)
    }
}
