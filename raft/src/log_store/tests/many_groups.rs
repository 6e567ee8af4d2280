//! Many groups in one log: who keeps it from shrinking, and what a group costs.

use holdfast_region_config::GroupId;
use openraft::storage::RaftLogStorage;
use tempfile::TempDir;

use super::writer::{append, entries, options};
use crate::log_store::LogEngine;
use crate::types::log_id;

const IDLE: GroupId = GroupId::new(1);
const BUSY: GroupId = GroupId::new(2);

/// Writes and purges until old files were looked for some times more.
async fn keep_busy(engine: &LogEngine, next: &mut u64) {
    let mut log = engine.group(BUSY).unwrap();
    let runs = engine.stats().purge_runs + 24;
    while engine.stats().purge_runs < runs {
        append(&mut log, entries(1, *next..*next + 50, 2_000)).await;
        *next += 50;
        log.purge(log_id(1, *next - 10)).await.unwrap();
    }
}

#[tokio::test]
async fn a_group_that_pins_old_files_is_named_until_it_purges() {
    let dir = TempDir::new().unwrap();
    let engine = LogEngine::open(dir.path(), options()).unwrap();
    let named = engine.groups_to_compact();
    let mut idle = engine.group(IDLE).unwrap();
    append(&mut idle, entries(1, 0..200, 1_000)).await;
    let mut next = 0;
    keep_busy(&engine, &mut next).await;
    assert_eq!(**named.borrow(), [IDLE]);

    idle.purge(log_id(1, 190)).await.unwrap();
    keep_busy(&engine, &mut next).await;
    assert!(named.borrow().is_empty(), "{:?}", named.borrow());
}

#[tokio::test]
async fn groups_that_nobody_uses_any_more_leave_nothing_in_memory() {
    let dir = TempDir::new().unwrap();
    let engine = LogEngine::open(dir.path(), options()).unwrap();
    let mut kept = Vec::new();
    for group in 0..5_000 {
        let log = engine.group(GroupId::new(group)).unwrap();
        if group < 50 {
            kept.push(log);
        }
    }
    let tracked = engine.inner.opened().as_ref().unwrap().tracked_cells();
    assert!(tracked <= 100, "{tracked} cells for 50 groups in use");
    assert_eq!(kept.len(), 50);
}
