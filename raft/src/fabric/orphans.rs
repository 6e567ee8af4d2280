//! Groups that somebody led and nobody leads now, and who is getting on with leading them again.
//!
//! Owns: since when each is one, which were handed on by a voter that stood in vain, for which a candidate needs this node, and when
//! each node last took one.
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
    /// A candidate lacks entries that are here and cannot be elected without this node: the term it stands in.
    outrun: BTreeMap<GroupId, u64>,
    /// Somebody waits for the group to be led.
    wanted: BTreeSet<GroupId>,
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

    /// The group is to be led; true when that is news. Who says so again and again does not put off those whose turn comes
    /// later.
    pub(super) fn want(&mut self, group: GroupId, now: Instant) -> bool {
        let news = !self.since.contains_key(&group);
        self.since.entry(group).or_insert(now);
        news
    }

    /// Somebody waits for the group to be led; true when that is news.
    pub(super) fn wait_for(&mut self, group: GroupId, now: Instant) -> bool {
        self.want(group, now);
        self.wanted.insert(group)
    }

    /// Whether somebody waits for the group to be led.
    pub(super) fn is_waited_for(&self, group: GroupId) -> bool {
        self.wanted.contains(&group)
    }

    /// Somebody stood for the group in vain.
    pub(super) fn call(&mut self, group: GroupId) {
        self.called.insert(group);
    }

    /// Whether somebody stood for the group in vain since it was last led.
    pub(super) fn is_called(&self, group: GroupId) -> bool {
        self.called.contains(&group)
    }

    /// A candidate that stands in `term` lacks entries that are here, and cannot be elected without this node; true when that
    /// is news.
    pub(super) fn outrun(&mut self, group: GroupId, term: u64, now: Instant) -> bool {
        self.want(group, now);
        self.outrun.insert(group, term).is_none()
    }

    /// The term of such a candidate, since the group was last led.
    pub(super) fn outran(&self, group: GroupId) -> Option<u64> {
        self.outrun.get(&group).copied()
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
        self.outrun.remove(&group);
        self.wanted.remove(&group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_waited_for_keeps_the_time_of_its_loss_until_somebody_leads() {
        let (group, lost_at) = (GroupId::new(3), Instant::now());
        let later = lost_at + std::time::Duration::from_secs(1);
        let mut orphans = Orphans::default();
        orphans.bereave(vec![group], lost_at);
        assert!(!orphans.is_waited_for(group));
        assert!(orphans.wait_for(group, later), "it is news once");
        assert!(!orphans.wait_for(group, later));
        assert_eq!(orphans.all(), [(group, lost_at)]);
        orphans.taken(group, NodeId::new(1), later);
        assert!(orphans.all().is_empty() && !orphans.is_waited_for(group));
    }

    #[test]
    fn a_candidate_that_lacks_entries_is_known_until_somebody_leads() {
        let (group, lost_at) = (GroupId::new(3), Instant::now());
        let mut orphans = Orphans::default();
        assert!(orphans.outrun(group, 5, lost_at), "it is news once");
        assert!(!orphans.outrun(group, 6, lost_at));
        assert_eq!(orphans.outran(group), Some(6));
        assert_eq!(orphans.all(), [(group, lost_at)]);
        orphans.taken(group, NodeId::new(1), lost_at);
        assert_eq!(orphans.outran(group), None);
    }
}
