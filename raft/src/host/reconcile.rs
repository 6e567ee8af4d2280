//! Makes the open groups match the directory.
//!
//! Owns: the loop from "the directory says" to "it is open here". Survives any crash: what is open is not remembered, it is
//! derived anew from the directory's state on disk. Must never: poll; it waits for the directory's applied index.

use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};

use super::Host;

/// After a group could not be opened (a full disk, a damaged snapshot) it is tried again this much later.
const RETRY_DELAY: Duration = Duration::from_secs(5);

impl Host {
    pub(crate) async fn reconcile_until_stopped(self) {
        let directory = self.directory();
        let mut applied = directory.applied();
        let stop = self.inner.stop_duties.clone();
        loop {
            applied.borrow_and_update();
            let failed = self.open_missing_groups().await;
            let retry = async {
                if failed {
                    tokio::time::sleep(RETRY_DELAY).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
                () = retry => {}
            }
        }
    }

    /// Opens what the directory gives this node; true when something could not be opened.
    async fn open_missing_groups(&self) -> bool {
        let mut failed = false;
        for (show, preference) in self.missing_shows() {
            let group = GroupId::new(show.get());
            if let Err(error) = self.open_group(group, &preference).await {
                failed = true;
                tracing::error!(%group, %error, "group cannot be opened, trying again");
            }
            if self.inner.stop_duties.is_cancelled() {
                return false;
            }
        }
        failed
    }

    fn missing_shows(&self) -> Vec<(ShowId, Vec<NodeId>)> {
        let node = self.inner.node;
        let (missing, _) = self.directory().read(|directory| {
            let here = directory
                .shows()
                .values()
                .filter(|record| record.has_replica(node));
            let missing = here.filter(|record| self.inner.table.get(record.group_id).is_none());
            // The preferred leader first, then the other voters: the order in which they may initialise.
            missing
                .map(|record| {
                    let mut voters = record.leader_preference.clone();
                    voters.extend(
                        record
                            .voters
                            .iter()
                            .filter(|v| !record.leader_preference.contains(v)),
                    );
                    (record.show_id, voters)
                })
                .collect::<Vec<_>>()
        });
        missing
    }
}
