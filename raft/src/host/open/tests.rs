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
    assert!(host.put_away(&first, Duration::ZERO).await);
    assert!(host.inner.table.loaded(group).is_none());

    let second = host.open_group(group, WakeCause::Request).await.unwrap();
    // A look that found it due before may get its turn only now.
    assert!(!host.put_away(&first, Duration::ZERO).await);
    host.close(&first).await;
    let loaded = host.inner.table.loaded(group).unwrap();
    assert!(Arc::ptr_eq(&loaded, &second), "a third would run beside it");
    assert!(!second.gate.is_closed());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn being_asked_to_lead_is_a_use_of_a_replica() {
    let dir = TempDir::new().unwrap();
    let host = lone_host(dir.path(), &Arc::<DiskFaults>::default()).await;
    let core = host.inner.table.loaded(GroupId::DIRECTORY).unwrap();
    // A candidate that is put away forgets that it stands: those who voted for it wait for nobody.
    for _ in 0..1_000 {
        if core.gate.unused_for() >= Duration::from_millis(50) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = tokio::time::Instant::now();
    core.look_again();
    let unused = core.gate.unused_for();
    assert!(unused <= asked.elapsed() + Duration::from_millis(1));
    host.shutdown().await;
}
