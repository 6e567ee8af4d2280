//! Makes the slots match the directory.
//!
//! Owns: the way from "the directory says" to "it has a slot here". Survives any crash: nothing is remembered, all is derived
//! anew from the directory's state on disk. Must never: poll; it waits for the directory's applied index. Opens nothing
//! itself: a new show is opened by succession, which gives it its first leader, and everything else when it is used.

use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId, place_directory};

use super::Host;
use super::slots::Placement;
use crate::directory::{Changed, ShowRecord};

/// Shows that are created together are looked at together.
const GATHER: Duration = Duration::from_millis(20);

impl Host {
    pub(crate) async fn reconcile_until_stopped(self) {
        let directory = self.directory();
        let mut applied = directory.applied();
        let stop = self.inner.stop_duties.clone();
        let mut seen = None;
        let mut disks_seen = 0;
        loop {
            applied.borrow_and_update();
            self.place_directory_as_it_is();
            self.learn_disks(&mut disks_seen);
            let new = self.reconcile(&mut seen);
            for group in new {
                self.inner.fabric.board.want_leader(group);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Gives every group of this node its slot, looking only at what changed since `seen`; returns the groups that are new
    /// since then and that this node votes in. What is there at the first look is not new: it is led when it is needed.
    fn reconcile(&self, seen: &mut Option<u64>) -> Vec<GroupId> {
        let node = self.inner.node;
        let since = *seen;
        let (changed, _) = self.directory().read(|directory| {
            *seen = Some(directory.version());
            directory.shows_changed_since(since.unwrap_or_default())
        });
        let mut new = Vec::new();
        for record in changed {
            if !record.keeps_replica(node) {
                continue;
            }
            let placement = placement_of(&record, node);
            let votes = placement.order.contains(&node);
            if self.inner.table.place(record.group_id, placement) && votes && since.is_some() {
                new.push(record.group_id);
            }
        }
        new
    }
}

impl Host {
    /// Has the fabric know which disk each node is known by, when nodes changed since `seen`.
    fn learn_disks(&self, seen: &mut u64) {
        let (known, _) = self.directory().read(|directory| {
            let mut changes = directory.changes_since(*seen);
            let changed = changes.any(|(_, what)| matches!(what, Changed::Node(_)));
            *seen = directory.version();
            changed.then(|| {
                let nodes = directory.nodes().iter();
                let disks =
                    nodes.filter_map(|(node, record)| Some((*node, record.registered.disk?)));
                disks.collect()
            })
        });
        if let Some(known) = known {
            self.inner.fabric.board.disks.learn(known);
        }
    }

    /// The directory's own slot follows its membership, once it has one: its leader decides on that, not this node's topology.
    fn place_directory_as_it_is(&self) {
        let status = self.directory().status();
        if status.voters.is_empty() {
            return;
        }
        let preference = place_directory(&self.inner.topology.now()).leader_preference;
        let rank = |node: &NodeId| preference.iter().position(|preferred| preferred == node);
        let mut order = status.voters;
        order.sort_by_key(|node| (rank(node).is_none(), rank(node), *node));
        let placement = Placement {
            order,
            learners: status.learners,
            ..Placement::default()
        };
        self.inner.table.place(GroupId::DIRECTORY, placement);
    }
}

fn placement_of(record: &ShowRecord, node: NodeId) -> Placement {
    let may_begin = record.may_initialise(node);
    let outgoing = record.outgoing_voters();
    let mut order = record.leader_order();
    order.extend(&outgoing);
    Placement {
        order,
        outgoing,
        learners: record.learners.clone(),
        first_voters: if may_begin {
            record.settled_voters.clone()
        } else {
            Vec::new()
        },
    }
}
