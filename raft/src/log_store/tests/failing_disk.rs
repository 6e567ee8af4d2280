//! A disk that fills up or breaks while the log is in use.

use std::sync::Arc;

use futures_util::FutureExt as _;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use tempfile::TempDir;

use super::writer::{GROUP, append, entries, options, start_append};
use crate::disk::faults::{DiskFaults, DiskTrouble};
use crate::log_store::{LogEngine, LogHealth};
use crate::types::Vote;

const FULL: DiskTrouble = DiskTrouble {
    full: true,
    ..DiskTrouble::NONE
};
const SYNC_FAILS: DiskTrouble = DiskTrouble {
    sync_fails: true,
    ..DiskTrouble::NONE
};

async fn a_failure_stops_the_log_and_loses_nothing_acknowledged(mode: DiskTrouble) {
    let dir = TempDir::new().unwrap();
    let faults = Arc::new(DiskFaults::default());
    let engine = LogEngine::open_faulty(dir.path(), options(), Arc::clone(&faults)).unwrap();
    let mut health = engine.health();
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..10, 100)).await;
    log.save_vote(&Vote::new(2, 1)).await.unwrap();
    assert_eq!(*health.borrow_and_update(), LogHealth::Healthy);

    faults.set(mode);
    let refused = start_append(&mut log, entries(1, 10..20, 100)).await;
    assert!(refused.await.unwrap().is_err(), "not acknowledged");
    assert!(matches!(
        &*health.borrow_and_update(),
        LogHealth::Failed { .. }
    ));
    assert!(
        log.save_vote(&Vote::new(3, 1)).await.is_err(),
        "nothing is, from then on"
    );
    faults.set(DiskTrouble::NONE);
    let other = crate::log_store::GroupId::new(6);
    assert!(
        engine.group(other).is_err(),
        "also when the disk recovers, until the log was opened again"
    );
    drop((log, engine));

    let engine = LogEngine::open(dir.path(), options()).unwrap();
    let mut log = engine.group(GROUP).unwrap();
    let found = log.try_get_log_entries(..).await.unwrap();
    assert_eq!(found[..10], entries(1, 0..10, 100));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
}

#[tokio::test]
async fn a_full_disk_stops_the_log_and_loses_nothing_acknowledged() {
    a_failure_stops_the_log_and_loses_nothing_acknowledged(FULL).await;
}

#[tokio::test]
async fn a_failed_sync_stops_the_log_and_loses_nothing_acknowledged() {
    a_failure_stops_the_log_and_loses_nothing_acknowledged(SYNC_FAILS).await;
}

/// The log fails in `mode`, and its last handle is dropped while the disk still fails; then the disk recovers.
async fn fail_and_recover(mode: DiskTrouble) -> (TempDir, LogEngine) {
    let dir = TempDir::new().unwrap();
    let faults = Arc::new(DiskFaults::default());
    let engine = LogEngine::open_faulty(dir.path(), options(), Arc::clone(&faults)).unwrap();
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..10, 100)).await;
    log.save_vote(&Vote::new(2, 1)).await.unwrap();
    faults.set(mode);
    let refused = start_append(&mut log, entries(1, 10..20, 100)).await;
    assert!(refused.await.unwrap().is_err());
    drop(log);
    faults.set(DiskTrouble::NONE);
    (dir, engine)
}

async fn a_log_opened_again_holds_what_was_acknowledged(mode: DiskTrouble) {
    let (_dir, engine) = fail_and_recover(mode).await;
    assert_eq!(engine.reopen().await.unwrap(), []);
    assert_eq!(*engine.health().borrow(), LogHealth::Healthy);
    let mut log = engine.group(GROUP).unwrap();
    let found = log.try_get_log_entries(..).await.unwrap();
    assert_eq!(found[..10], entries(1, 0..10, 100));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
    let next = found.len() as u64;
    append(&mut log, entries(1, next..next + 5, 100)).await;
    log.save_vote(&Vote::new(3, 1)).await.unwrap();
}

#[tokio::test]
async fn a_log_opened_again_after_a_full_disk_holds_what_was_acknowledged() {
    a_log_opened_again_holds_what_was_acknowledged(FULL).await;
}

#[tokio::test]
async fn a_log_opened_again_after_a_failed_sync_holds_what_was_acknowledged() {
    a_log_opened_again_holds_what_was_acknowledged(SYNC_FAILS).await;
}

#[tokio::test]
async fn what_a_failed_disk_lost_is_found_when_the_log_is_opened_again() {
    let (dir, engine) = fail_and_recover(SYNC_FAILS).await;
    engine.close();
    for file in std::fs::read_dir(LogEngine::log_dir(dir.path())).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "raftlog") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let lost = engine.reopen().await.unwrap();
    let groups: Vec<_> = lost.iter().map(|lost| lost.group).collect();
    assert_eq!(groups, [GROUP]);
}

#[tokio::test]
async fn a_log_is_not_opened_again_while_somebody_holds_it() {
    let dir = TempDir::new().unwrap();
    let engine = LogEngine::open(dir.path(), options()).unwrap();
    let mut held = engine.group(GROUP).unwrap();
    held.save_vote(&Vote::new(2, 1)).await.unwrap();
    let opening = tokio::spawn({
        let engine = engine.clone();
        async move { engine.reopen().await }
    });
    while engine.group(GROUP).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!opening.is_finished());
    assert_eq!(held.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
    assert!(held.save_vote(&Vote::new(9, 1)).await.is_err());
    drop(held);
    assert_eq!(opening.await.unwrap().unwrap(), []);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
}

/// A replica that is put away and opened again while its last append is on its way to a slow disk.
#[tokio::test]
async fn a_handle_taken_anew_waits_for_the_appends_of_the_one_before() {
    let dir = TempDir::new().unwrap();
    let faults = Arc::new(DiskFaults::default());
    let engine = LogEngine::open_faulty(dir.path(), options(), Arc::clone(&faults)).unwrap();
    let mut log = engine.group(GROUP).unwrap();
    log.settled().await.unwrap();
    append(&mut log, entries(1, 0..10, 100)).await;

    faults.set(DiskTrouble {
        delay_ms: 200,
        ..DiskTrouble::NONE
    });
    let acknowledged = start_append(&mut log, entries(1, 10..20, 100)).await;
    drop(log);
    let mut log = engine.group(GROUP).unwrap();
    log.settled().await.unwrap();
    let answer = acknowledged.now_or_never();
    answer.expect("it is on disk").unwrap().unwrap();

    faults.set(SYNC_FAILS);
    let refused = start_append(&mut log, entries(1, 20..30, 100)).await;
    // Taken before the log notices that it fails.
    if let Ok(again) = engine.group(GROUP) {
        assert!(again.settled().await.is_err(), "it never will be");
    }
    assert!(refused.await.unwrap().is_err());
    faults.set(DiskTrouble::NONE);
}

#[tokio::test]
async fn a_damaged_log_file_is_named_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let engine = LogEngine::open(dir.path(), options()).unwrap();
    let mut log = engine.group(GROUP).unwrap();
    for round in 0..40 {
        append(&mut log, entries(1, round * 10..round * 10 + 10, 10_000)).await;
    }
    drop(log);
    engine.close();
    drop(engine);
    let mut files: Vec<_> = std::fs::read_dir(LogEngine::log_dir(dir.path()))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "raftlog"))
        .collect();
    files.sort();
    let mut bytes = std::fs::read(&files[1]).unwrap();
    // The head of the first batch, behind the head of the file.
    for byte in &mut bytes[44..60] {
        *byte ^= 0x55;
    }
    std::fs::write(&files[1], bytes).unwrap();
    let error = LogEngine::open(dir.path(), options()).err().unwrap();
    let text = error.to_string();
    assert!(text.contains(files[1].to_str().unwrap()), "{text}");
    assert!(text.contains("have the cluster replace the node"), "{text}");
}
