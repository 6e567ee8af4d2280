//! Makes the slots match the directory.
//!
//! Owns: the way from "the directory says" to "it has a slot here". Survives any crash: nothing is remembered, all is derived
//! anew from the directory's state on disk. Must never: poll; it waits for the directory's applied index. Opens nothing
//! itself: a new show is opened by succession, which gives it its first leader, and everything else when it is used.

use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};

use super::Host;
use super::slots::Placement;
use crate::directory::ShowRecord;

/// Shows that are created together are looked at together.
const GATHER: Duration = Duration::from_millis(20);

impl Host {
    pub(crate) async fn reconcile_until_stopped(self) {
        let directory = self.directory();
        let mut applied = directory.applied();
        let stop = self.inner.stop_duties.clone();
        let mut seen = None;
        loop {
            applied.borrow_and_update();
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
            let all = directory.shows().values();
            all.filter(|record| since.is_none_or(|since| record.changed > since))
                .cloned()
                .collect::<Vec<Arc<ShowRecord>>>()
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

fn placement_of(record: &ShowRecord, node: NodeId) -> Placement {
    let may_begin = record.may_initialise(node);
    Placement {
        order: record.leader_order(),
        learners: record.learners.clone(),
        first_voters: if may_begin {
            record.first_voters.clone()
        } else {
            Vec::new()
        },
    }
}
