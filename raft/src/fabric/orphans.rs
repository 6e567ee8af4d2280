//! Groups that somebody led and nobody leads now, and who is getting on with leading them again.
//!
//! Owns: since when each is one, which were handed on by a voter that stood in vain, and when each node last took one.
//! Must never: start anything.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    since: BTreeMap<GroupId, Instant>,
    /// A voter has stood in vain and calls the others.
    called: BTreeSet<GroupId>,
    /// When each node last claimed a group that it had not led.
    took: BTreeMap<NodeId, Instant>,
}

impl Orphans {
    /// All of them, with since when something may be done.
    pub(super) fn all(&self) -> Vec<(GroupId, Instant)> {
        let all = self.since.iter();
        all.map(|(group, since)| (*group, *since)).collect()
    }

    /// These have lost their leader; something may be done from `due` on.
    pub(super) fn bereave(&mut self, groups: Vec<GroupId>, due: Instant) {
        self.since
            .extend(groups.into_iter().map(|group| (group, due)));
    }

    /// Somebody wants the group led; true when that is news. Who wants it again and again does not put off those whose turn
    /// comes later.
    pub(super) fn want(&mut self, group: GroupId, now: Instant) -> bool {
        let news = !self.since.contains_key(&group);
        self.since.entry(group).or_insert(now);
        news
    }

    /// Somebody stood for the group in vain.
    pub(super) fn call(&mut self, group: GroupId) {
        self.called.insert(group);
    }

    /// Whether somebody stood for the group in vain since it was last led.
    pub(super) fn is_called(&self, group: GroupId) -> bool {
        self.called.contains(&group)
    }

    /// `leader` leads the group now.
    pub(super) fn taken(&mut self, group: GroupId, leader: NodeId, now: Instant) {
        self.took.insert(leader, now);
        self.forget(group);
    }

    /// When `node` last took a group.
    pub(super) fn took_at(&self, node: NodeId) -> Option<Instant> {
        self.took.get(&node).copied()
    }

    /// The group is nobody's concern here any more.
    pub(super) fn forget(&mut self, group: GroupId) {
        self.since.remove(&group);
        self.called.remove(&group);
    }
}
