//! What is on disk after closing and opening again, and what reads see meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use tempfile::TempDir;

use super::writer::{GROUP, append, entries, is_as_written, options, start_append};
use crate::log_store::limits::{LIMITED_READ_BYTES_MAX, TAIL_BYTES_MAX};
use crate::log_store::{GroupId, GroupLog, LogEngine, LogError, LogOptions, OpenError, PurgeFloor};
use crate::types::{Entry, Vote, log_id};

fn open(dir: &TempDir) -> LogEngine {
    LogEngine::open(dir.path(), options()).unwrap()
}

async fn all(log: &mut GroupLog) -> Vec<Entry> {
    log.try_get_log_entries(..).await.unwrap()
}

async fn span(log: &mut GroupLog) -> (Option<u64>, Option<u64>) {
    let state = log.get_log_state().await.unwrap();
    (
        state.last_purged_log_id.map(|id| id.index()),
        state.last_log_id.map(|id| id.index()),
    )
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..20, 50)).await;
    log.save_vote(&Vote::new_committed(3, 2)).await.unwrap();
    log.purge(log_id(1, 4)).await.unwrap();
    log.truncate_after(Some(log_id(1, 14))).await.unwrap();
    log.save_committed(Some(log_id(1, 12))).await.unwrap();
    drop((log, engine));

    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(span(&mut log).await, (Some(4), Some(14)));
    assert_eq!(all(&mut log).await, entries(1, 5..15, 50));
    assert_eq!(
        log.read_vote().await.unwrap(),
        Some(Vote::new_committed(3, 2))
    );
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 12)));
    append(&mut log, entries(3, 15..18, 50)).await;
    drop((log, engine));

    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(span(&mut log).await, (Some(4), Some(17)));
    assert_eq!(all(&mut log).await.last(), entries(3, 17..18, 50).last());
    assert_eq!(engine.groups(), [GROUP]);
}

#[tokio::test]
async fn entries_are_readable_before_they_are_durable() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    let durable = start_append(&mut log, entries(1, 0..10, 50)).await;
    assert_eq!(all(&mut log).await, entries(1, 0..10, 50));
    durable.await.unwrap().unwrap();
}

#[tokio::test]
async fn reads_span_disk_and_memory() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    let payload_bytes = 10_000;
    let count = 4 * TAIL_BYTES_MAX as u64 / payload_bytes as u64;
    for index in 0..count {
        append(&mut log, entries(1, index..index + 1, payload_bytes)).await;
    }
    let tail_bytes = engine
        .inner
        .lasting
        .counters
        .tail_bytes
        .load(Ordering::Relaxed);
    assert!(tail_bytes <= TAIL_BYTES_MAX as u64, "{tail_bytes}");
    let found = all(&mut log).await;
    assert_eq!(found.len() as u64, count);
    assert!(found.iter().all(is_as_written));
    let one = log.try_get_log_entries(3..4).await.unwrap();
    assert_eq!(one, entries(1, 3..4, payload_bytes));
    drop(log);
    assert_eq!(
        engine
            .inner
            .lasting
            .counters
            .tail_bytes
            .load(Ordering::Relaxed),
        0
    );
}

#[tokio::test]
async fn replication_reads_are_capped_in_bytes_but_never_empty() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..40, 100_000)).await;
    append(&mut log, entries(1, 40..41, 2 * LIMITED_READ_BYTES_MAX)).await;
    let some = log.limited_get_log_entries(0, 41).await.unwrap();
    assert!((5..=11).contains(&some.len()), "{} entries", some.len());
    assert_eq!(log.limited_get_log_entries(40, 41).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_snapshot_far_ahead_replaces_the_log_across_restarts() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..200, 20)).await;
    log.truncate_after(Some(log_id(1, 50))).await.unwrap();
    log.purge(log_id(4, 100)).await.unwrap();
    drop((log, engine));
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(span(&mut log).await, (Some(100), Some(100)));
    assert!(
        all(&mut log).await.is_empty(),
        "what was cut off does not come back"
    );
    append(&mut log, entries(4, 101..104, 20)).await;
    drop((log, engine));
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(all(&mut log).await, entries(4, 101..104, 20));
}

#[derive(Default)]
struct Floor(AtomicU64);

impl PurgeFloor for Floor {
    fn floor(&self, _group: GroupId) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|floor| *floor > 0)
    }
}

#[tokio::test]
async fn a_purge_leaves_what_the_older_snapshot_needs() {
    let dir = TempDir::new().unwrap();
    let floor = Arc::new(Floor::default());
    let purge_floor: Option<Arc<dyn PurgeFloor>> = Some(Arc::clone(&floor) as Arc<_>);
    let engine = LogEngine::open(
        dir.path(),
        LogOptions {
            purge_floor,
            ..options()
        },
    )
    .unwrap();
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..20, 20)).await;
    log.purge(log_id(1, 15)).await.unwrap();
    assert_eq!(
        span(&mut log).await,
        (None, Some(19)),
        "no snapshot, no purge"
    );
    floor.0.store(8, Ordering::Relaxed);
    log.purge(log_id(1, 15)).await.unwrap();
    assert_eq!(span(&mut log).await, (Some(8), Some(19)));
    assert_eq!(all(&mut log).await.len(), 11);
    floor.0.store(15, Ordering::Relaxed);
    log.purge(log_id(1, 15)).await.unwrap();
    assert_eq!(span(&mut log).await, (Some(15), Some(19)));
    assert_eq!(engine.stats().clamped_purges, 2);
}

#[tokio::test]
async fn many_groups_share_a_sync() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut logs: Vec<GroupLog> = (0..100)
        .map(|group| engine.group(GroupId::new(group)).unwrap())
        .collect();
    let mut waiting = Vec::new();
    for round in 0..10 {
        for log in &mut logs {
            waiting.push(start_append(log, entries(1, round * 4..round * 4 + 4, 100)).await);
        }
    }
    for durable in waiting {
        durable.await.unwrap().unwrap();
    }
    let stats = engine.stats();
    assert_eq!((stats.requests, stats.entries), (1_000, 4_000));
    assert!(stats.syncs < 500, "{} syncs for 1000 appends", stats.syncs);
}

#[tokio::test]
async fn noting_what_is_committed_costs_no_sync() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..10, 50)).await;
    let before = engine.stats().syncs;
    for index in 0..10 {
        log.save_committed(Some(log_id(1, index))).await.unwrap();
    }
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 9)));
    engine.close();
    assert_eq!(engine.stats().syncs, before);
}

/// As for a replica that was removed from its group and added again, whose leader has the whole log.
#[tokio::test]
async fn a_cleared_group_keeps_its_vote_and_begins_anew() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    let mut busy = engine.group(GroupId::new(6)).unwrap();
    append(&mut log, entries(1, 0..60, 50)).await;
    log.save_vote(&Vote::new_committed(3, 1)).await.unwrap();
    log.purge(log_id(1, 40)).await.unwrap();
    log.clear_keeping_vote().await.unwrap();
    assert_eq!(span(&mut log).await, (None, None));
    append(&mut log, entries(4, 0..5, 50)).await;
    // Old files are freed, and with them the record of the clearing.
    for round in 0..200_u64 {
        append(&mut busy, entries(1, round * 10..round * 10 + 10, 10_000)).await;
        busy.purge(log_id(1, round * 10 + 5)).await.unwrap();
    }
    assert!(engine.stats().purge_runs > 0);
    for _ in 0..2 {
        let found = all(&mut log).await;
        assert_eq!(found, entries(4, 0..5, 50));
        drop(log);
        log = engine.group(GROUP).unwrap();
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
    }
    drop((log, busy, engine));
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(all(&mut log).await, entries(4, 0..5, 50));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
    log.clear_keeping_vote().await.unwrap();
    drop((log, engine));
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(span(&mut log).await, (None, None));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
}

#[tokio::test]
async fn purged_entries_give_their_disk_space_back() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    let mut quiet = engine.group(GroupId::new(6)).unwrap();
    append(&mut quiet, entries(1, 0..3, 50)).await;
    quiet.save_vote(&Vote::new(9, 1)).await.unwrap();
    for round in 0..200_u64 {
        append(&mut log, entries(1, round * 10..round * 10 + 10, 10_000)).await;
        log.purge(log_id(1, round * 10 + 5)).await.unwrap();
    }
    let used_bytes = engine.stats().used_bytes;
    assert!(
        used_bytes < 10 << 20,
        "{used_bytes} bytes for 20 MB written and purged"
    );
    drop((log, quiet, engine));
    let engine = open(&dir);
    let mut quiet = engine.group(GroupId::new(6)).unwrap();
    assert_eq!(
        all(&mut quiet).await,
        entries(1, 0..3, 50),
        "moved out of the freed files"
    );
    assert_eq!(quiet.read_vote().await.unwrap(), Some(Vote::new(9, 1)));
    let mut log = engine.group(GROUP).unwrap();
    assert_eq!(all(&mut log).await, entries(1, 1_996..2_000, 10_000));
}

#[tokio::test]
async fn a_closed_log_refuses_writes_and_frees_the_directory() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut log = engine.group(GROUP).unwrap();
    append(&mut log, entries(1, 0..3, 50)).await;
    assert!(matches!(
        LogEngine::open(dir.path(), options()),
        Err(OpenError::InUse { .. })
    ));
    engine.close();
    assert!(log.save_vote(&Vote::new(1, 1)).await.is_err());
    assert_eq!(all(&mut log).await.len(), 3);
    drop((log, engine));
    open(&dir);
}

#[tokio::test]
async fn only_the_newest_handle_of_a_group_writes() {
    let dir = TempDir::new().unwrap();
    let engine = open(&dir);
    let mut old = engine.group(GROUP).unwrap();
    append(&mut old, entries(1, 0..2, 50)).await;
    old.save_vote(&Vote::new(2, 1)).await.unwrap();
    let mut new = engine.group(GROUP).unwrap();

    let superseded = LogError::Superseded { group: GROUP.get() };
    let refused = |error: std::io::Error| {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<LogError>());
        assert_eq!(inner, Some(&superseded), "{error}");
    };
    refused(old.save_vote(&Vote::new(3, 1)).await.unwrap_err());
    refused(old.save_committed(Some(log_id(1, 1))).await.unwrap_err());
    refused(old.truncate_after(None).await.unwrap_err());
    refused(old.purge(log_id(1, 0)).await.unwrap_err());
    let late = old.append(entries(1, 2..3, 50), IOFlushed::noop()).await;
    refused(late.unwrap_err());

    assert_eq!(all(&mut old).await, entries(1, 0..2, 50), "it still reads");
    assert_eq!(new.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
    append(&mut new, entries(1, 2..3, 50)).await;
    new.save_vote(&Vote::new(3, 2)).await.unwrap();
    assert_eq!(span(&mut new).await, (None, Some(2)));
}
