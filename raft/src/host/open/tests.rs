//! A replica that is put away and opened again.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::disk::faults::DiskFaults;
use crate::host::env::lone::lone_host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_put_away_twice_does_not_hide_the_one_that_was_opened_between() {
    let dir = TempDir::new().unwrap();
    let host = lone_host(dir.path(), &Arc::<DiskFaults>::default()).await;
    let group = GroupId::DIRECTORY;
    let first = host.inner.table.loaded(group).unwrap();
    assert!(host.put_away(&first).await);
    assert!(host.inner.table.loaded(group).is_none());

    let second = host.open_group(group, WakeCause::Request).await.unwrap();
    // A look that found it due before may get its turn only now.
    assert!(!host.put_away(&first).await);
    host.close(&first).await;
    let loaded = host.inner.table.loaded(group).unwrap();
    assert!(Arc::ptr_eq(&loaded, &second), "a third would run beside it");
    assert!(!second.gate.is_closed());
    host.shutdown().await;
}
