//! A host on a disk that fails and comes back.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::directory::{DirectoryCommand, NewEvent};
use crate::disk::DiskState;
use crate::disk::faults::{DiskFaults, DiskTrouble};
use crate::host::env::lone::lone_host;
use crate::log_store::LogHealth;

/// A bound against hanging; nothing here is timed.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

fn event(slug: &str) -> DirectoryCommand {
    DirectoryCommand::CreateEvent(NewEvent {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        category: "concert".to_owned(),
        description: String::new(),
    })
}

/// Proposes until somebody leads and takes it.
async fn commit(host: &Host, slug: &str) {
    let committed = async {
        loop {
            let directory = host.directory();
            let mut leadership = directory.leadership();
            leadership.wait_for(|now| now.leads).await.unwrap();
            if directory.propose(event(slug)).await.is_ok() {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, committed).await.unwrap();
}

async fn a_host_comes_back_from_a_disk_that(mode: DiskTrouble) {
    let dir = TempDir::new().unwrap();
    let faults = Arc::new(DiskFaults::default());
    let host = lone_host(dir.path(), &faults).await;
    commit(&host, "before").await;
    assert_eq!(host.disk_state(), DiskState::Healthy);

    faults.set(mode);
    let refused = host.directory().propose(event("lost")).await;
    assert!(refused.is_err(), "{refused:?}");
    let mut health = host.inner.log.health();
    let failed = health.wait_for(|now| matches!(now, LogHealth::Failed { .. }));
    tokio::time::timeout(PATIENCE, failed)
        .await
        .unwrap()
        .unwrap();
    let mut leadership = host.directory().leadership();
    let given_up = leadership.wait_for(|now| !now.leads);
    tokio::time::timeout(PATIENCE, given_up)
        .await
        .unwrap()
        .unwrap();
    let board = &host.inner.fabric.board;
    // It says so a moment after it has let go.
    let rests = async {
        while !board.is_resting() {
            tokio::time::sleep(POLL).await;
        }
    };
    let rests = tokio::time::timeout(PATIENCE, rests).await;
    rests.expect("it asks to lead nothing");

    faults.set(DiskTrouble::NONE);
    let works = health.wait_for(|now| *now == LogHealth::Healthy);
    tokio::time::timeout(PATIENCE, works)
        .await
        .unwrap()
        .unwrap();
    commit(&host, "after").await;
    assert!(!board.is_resting());
    let (known, _) = host.directory().read(|directory| {
        let known = directory.events().values();
        known
            .map(|event| event.event.slug.clone())
            .collect::<Vec<_>>()
    });
    for slug in ["before", "after"] {
        assert!(known.iter().any(|found| found == slug), "{slug}: {known:?}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_comes_back_from_a_disk_that_was_full() {
    a_host_comes_back_from_a_disk_that(DiskTrouble {
        full: true,
        ..DiskTrouble::NONE
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_comes_back_from_a_disk_that_could_not_sync() {
    a_host_comes_back_from_a_disk_that(DiskTrouble {
        sync_fails: true,
        ..DiskTrouble::NONE
    })
    .await;
}
