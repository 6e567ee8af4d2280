//! The replicas of this node, in memory or not.
//!
//! Owns: the table from group to slot. Must never: hold its lock across an await, or keep a slot that the directory does not
//! give this node, or lose sight of a replica that runs: the next one to be opened would be a second.
//!
//! ```text
//!   Unloaded ── open ──► Loaded (awake ◄──► parked) ── nobody uses it, or it stopped ──► Unloaded
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use holdfast_region_config::{GroupId, NodeId};

use crate::group::GroupCore;

/// Which nodes keep a group, as the directory wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    /// Who votes, or may still do while the membership changes; the preferred leader first, then its successors.
    pub(crate) order: Vec<NodeId>,
    /// Who of `order` is on the way out.
    pub(crate) outgoing: Vec<NodeId>,
    /// Who only follows.
    pub(crate) learners: Vec<NodeId>,
    /// The first membership, when this node may write it; else empty.
    pub(crate) first_voters: Vec<NodeId>,
}

impl Placement {
    /// Whether `is_dead_for` says so for the voters there shall be, or for those there may still be.
    pub(crate) fn either_dead(&self, is_dead_for: impl Fn(&[NodeId]) -> bool) -> bool {
        if self.outgoing.is_empty() {
            return is_dead_for(&self.order);
        }
        let stays = |node: &&NodeId| !self.outgoing.contains(node);
        let coming: Vec<NodeId> = self.order.iter().filter(stays).copied().collect();
        is_dead_for(&coming) || is_dead_for(&self.order)
    }
}

/// One replica of this node.
pub(crate) struct Slot {
    pub(crate) placement: Arc<Placement>,
    pub(crate) core: Option<Arc<GroupCore>>,
    /// One opening or closing at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    /// It holds less than it had acknowledged: it must not vote again.
    pub(crate) lost: bool,
    /// Replicas that could not be reached when the group was put to sleep; it wakes for them when they come back.
    pub(crate) asleep_without: BTreeSet<NodeId>,
}

/// All replicas of this node.
#[derive(Default)]
pub(crate) struct Table {
    slots: RwLock<BTreeMap<GroupId, Slot>>,
}

impl Table {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<GroupId, Slot>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<GroupId, Slot>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The replica, when it is in memory.
    pub(crate) fn loaded(&self, group: GroupId) -> Option<Arc<GroupCore>> {
        self.read().get(&group)?.core.clone()
    }

    /// All replicas in memory.
    pub(crate) fn all_loaded(&self) -> Vec<Arc<GroupCore>> {
        let slots = self.read();
        slots
            .values()
            .filter_map(|slot| slot.core.clone())
            .collect()
    }

    /// All groups that this node keeps.
    pub(crate) fn groups(&self) -> Vec<GroupId> {
        self.read().keys().copied().collect()
    }

    /// Up to `count` groups after `from`, for a look at a few at a time.
    pub(crate) fn groups_after(&self, from: GroupId, count: usize) -> Vec<GroupId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let slots = self.read();
        let after = slots.range((Excluded(from), Unbounded));
        after.take(count).map(|(group, _)| *group).collect()
    }

    pub(crate) fn is_here(&self, group: GroupId) -> bool {
        self.read().contains_key(&group)
    }

    pub(crate) fn placement(&self, group: GroupId) -> Option<Arc<Placement>> {
        Some(Arc::clone(&self.read().get(&group)?.placement))
    }

    pub(crate) fn turn(&self, group: GroupId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        Some(Arc::clone(&self.read().get(&group)?.turn))
    }

    /// Whether `turn` is still the one to wait for.
    pub(crate) fn is_turn_of(&self, group: GroupId, turn: &Arc<tokio::sync::Mutex<()>>) -> bool {
        let slots = self.read();
        slots
            .get(&group)
            .is_some_and(|slot| Arc::ptr_eq(&slot.turn, turn))
    }

    /// Gives the group a slot, or its slot a new placement; true when the slot is new.
    pub(crate) fn place(&self, group: GroupId, placement: Placement) -> bool {
        let mut slots = self.write();
        if let Some(slot) = slots.get_mut(&group) {
            if *slot.placement != placement {
                slot.placement = Arc::new(placement);
            }
            return false;
        }
        let slot = Slot {
            placement: Arc::new(placement),
            core: None,
            turn: Arc::default(),
            lost: false,
            asleep_without: BTreeSet::new(),
        };
        slots.insert(group, slot);
        true
    }

    /// Takes the slot away; its replica must have been closed before.
    pub(crate) fn remove(&self, group: GroupId) {
        self.write().remove(&group);
    }

    /// These replicas lost what they had acknowledged.
    pub(crate) fn mark_lost(&self, groups: &BTreeSet<GroupId>) {
        for (group, slot) in self.write().iter_mut() {
            slot.lost |= groups.contains(group);
        }
    }

    pub(crate) fn is_lost(&self, group: GroupId) -> bool {
        self.read().get(&group).is_some_and(|slot| slot.lost)
    }

    pub(crate) fn loaded_now(&self, core: &Arc<GroupCore>) {
        if let Some(slot) = self.write().get_mut(&core.group) {
            slot.core = Some(Arc::clone(core));
        }
    }

    /// Takes out `core`, and none that was opened after it.
    pub(crate) fn unloaded_now(&self, core: &Arc<GroupCore>) {
        if let Some(slot) = self.write().get_mut(&core.group) {
            slot.core.take_if(|loaded| Arc::ptr_eq(loaded, core));
        }
    }

    /// The group sleeps although these replicas could not be asked.
    pub(crate) fn asleep_without(&self, group: GroupId, nodes: BTreeSet<NodeId>) {
        if let Some(slot) = self.write().get_mut(&group) {
            slot.asleep_without = nodes;
        }
    }

    /// Groups that went to sleep without one of `nodes`; each is named once.
    pub(crate) fn take_asleep_without(&self, nodes: &[NodeId]) -> Vec<GroupId> {
        let mut slots = self.write();
        let missed = slots
            .iter_mut()
            .filter(|(_, slot)| nodes.iter().any(|node| slot.asleep_without.contains(node)));
        missed
            .map(|(group, slot)| {
                slot.asleep_without.clear();
                *group
            })
            .collect()
    }

    /// How many replicas there are, are in memory, and are in memory asleep.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let slots = self.read();
        let loaded = slots.values().filter_map(|slot| slot.core.as_ref());
        let (mut in_memory, mut parked) = (0, 0);
        for core in loaded {
            in_memory += 1;
            parked += usize::from(core.is_parked());
        }
        (slots.len(), in_memory, parked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_returns_is_told_once_of_what_fell_asleep_without_it_and_of_nothing_else() {
        let (table, returned) = (Table::default(), NodeId::new(3));
        for group in 1..=3 {
            table.place(GroupId::new(group), Placement::default());
        }
        table.asleep_without(GroupId::new(2), [returned].into());
        table.asleep_without(GroupId::new(3), [NodeId::new(2)].into());
        let missed = || table.take_asleep_without(&[returned]);
        assert_eq!(missed(), [GroupId::new(2)]);
        assert!(missed().is_empty());
        // The next sleep is another: this one had everybody.
        table.asleep_without(GroupId::new(2), BTreeSet::new());
        assert!(missed().is_empty());
    }
}
