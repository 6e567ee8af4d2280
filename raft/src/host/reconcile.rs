//! Makes the open groups match the directory.
//!
//! Owns: the loop from "the directory says" to "it is open here". Survives any crash: what is open is not remembered, it is
//! derived anew from the directory's state on disk. Must never: poll; it waits for the directory's applied index.

use std::sync::Arc;
use std::time::Duration;

use super::Host;
use crate::directory::ShowRecord;

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
        for record in self.missing_shows() {
            let group = record.group_id;
            let may_initialise = record.may_initialise(self.inner.node);
            let first_voters: &[_] = if may_initialise {
                &record.first_voters
            } else {
                &[]
            };
            let order = record.leader_order();
            if let Err(error) = self.open_group(group, &order, first_voters).await {
                failed = true;
                tracing::error!(%group, %error, "group cannot be opened, trying again");
            }
            if self.inner.stop_duties.is_cancelled() {
                return false;
            }
        }
        failed
    }

    fn missing_shows(&self) -> Vec<Arc<ShowRecord>> {
        let node = self.inner.node;
        let (missing, _) = self.directory().read(|directory| {
            let here = directory
                .shows()
                .values()
                .filter(|record| record.keeps_replica(node));
            here.filter(|record| self.inner.table.get(record.group_id).is_none())
                .cloned()
                .collect::<Vec<_>>()
        });
        missing
    }
}
