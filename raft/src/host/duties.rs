//! What only a leader does for its group's membership: bring in the learners that the directory names.
//!
//! Owns: one membership change at a time per group. Must never: touch voters (that is the business of membership changes by
//! operators), or wait for a learner to catch up while others wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{NodeId, place_directory};

use super::Host;
use crate::group::GroupCore;

/// Groups that this node leads are looked over this often; a learner late by a moment harms nobody.
const INTERVAL: Duration = Duration::from_secs(1);

impl Host {
    pub(crate) async fn tend_led_groups(self) {
        let stop = self.inner.stop_duties.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            for core in self.inner.table.all_loaded() {
                if core.leadership.borrow().leads && !core.is_parked() && !stop.is_cancelled() {
                    self.add_missing_learner(&core).await;
                }
            }
        }
    }

    async fn add_missing_learner(&self, core: &Arc<GroupCore>) {
        let status = core.status();
        let members: BTreeSet<NodeId> = status.voters.into_iter().chain(status.learners).collect();
        let wanted = self.wanted_learners(core);
        // One at a time: a second change before the first is committed would be refused.
        let Some(learner) = wanted.into_iter().find(|node| !members.contains(node)) else {
            return;
        };
        let adding = core.raft.add_learner(learner.get(), (), false);
        let limit = Duration::from_millis(core.timing.election_timeout_max_ms);
        match tokio::time::timeout(limit, adding).await {
            Ok(Ok(_)) => tracing::info!(group = %core.group, %learner, "learner added"),
            Ok(Err(error)) => {
                tracing::debug!(group = %core.group, %learner, %error, "learner not added yet")
            }
            Err(_) => {}
        }
    }

    fn wanted_learners(&self, core: &GroupCore) -> Vec<NodeId> {
        if core.group.is_directory() {
            return place_directory(&self.inner.topology).learners;
        }
        let show = ShowId(core.group.get());
        let (learners, _) = self.directory().read(|directory| {
            directory
                .shows()
                .get(&show)
                .map(|record| record.learners.clone())
                .unwrap_or_default()
        });
        learners
    }
}
