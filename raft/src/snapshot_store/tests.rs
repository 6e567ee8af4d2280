//! The snapshot store on a real disk.

use tempfile::TempDir;

use super::manifest::PIECE_BYTES_MAX;
use super::*;
use crate::types::{StoredMembership, log_id};

const GROUP: GroupId = GroupId::new(7);

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(log_id(2, index)),
        last_membership: StoredMembership::default(),
    }
}

fn bytes(index: u64) -> Bytes {
    let pattern = |at: usize| (at as u64 * 31 + index).to_le_bytes()[0];
    (0..3 * PIECE_BYTES_MAX + 11).map(pattern).collect()
}

async fn put(store: &SnapshotStore, group: GroupId, index: u64) {
    store.put(group, meta(index), bytes(index)).await.unwrap();
}

async fn newest(store: &SnapshotStore, group: GroupId) -> Option<u64> {
    let (meta, found) = store.latest_valid(group).await.unwrap()?;
    let index = meta.last_log_id.unwrap().index();
    assert_eq!(
        found,
        bytes(index),
        "a snapshot given out is the one put in"
    );
    Some(index)
}

#[tokio::test]
async fn the_last_two_snapshots_stay() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    assert_eq!(
        (newest(&store, GROUP).await, store.floor(GROUP)),
        (None, None)
    );
    for (index, floor) in [(10, 10), (20, 10), (30, 20), (40, 30)] {
        put(&store, GROUP, index).await;
        assert_eq!(newest(&store, GROUP).await, Some(index));
        assert_eq!(store.floor(GROUP), Some(floor));
    }
    assert_eq!(store.inner.shelf.seqs(GROUP).unwrap(), [3, 4]);
    assert_eq!(store.stats().stored, 4);
}

#[tokio::test]
async fn a_torn_piece_costs_one_snapshot_not_the_group() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    put(&store, GROUP, 10).await;
    put(&store, GROUP, 20).await;
    store.inner.shelf.tear_piece(GROUP, 2, 1);
    assert_eq!(newest(&store, GROUP).await, Some(10));
    assert_eq!(store.stats().damaged, 1);
    assert_eq!(store.floor(GROUP), Some(10));
    put(&store, GROUP, 30).await;
    assert_eq!(newest(&store, GROUP).await, Some(30));
    assert_eq!(store.floor(GROUP), Some(10));
}

#[tokio::test]
async fn snapshots_are_found_again_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    put(&store, GROUP, 10).await;
    put(&store, GROUP, 20).await;
    put(&store, GroupId::new(8), 5).await;
    drop(store);
    let store = SnapshotStore::open(dir.path()).unwrap();
    assert_eq!(store.floor(GROUP), Some(10));
    assert_eq!(newest(&store, GROUP).await, Some(20));
    assert_eq!(newest(&store, GroupId::new(8)).await, Some(5));
}

#[tokio::test]
async fn removing_a_group_leaves_its_neighbours() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    for group in [6, 7, 8] {
        put(&store, GroupId::new(group), group).await;
    }
    store.remove_group(GROUP).await.unwrap();
    assert_eq!(
        (newest(&store, GROUP).await, store.floor(GROUP)),
        (None, None)
    );
    assert_eq!(newest(&store, GroupId::new(6)).await, Some(6));
    assert_eq!(newest(&store, GroupId::new(8)).await, Some(8));
}

#[tokio::test]
async fn an_empty_snapshot_is_a_snapshot() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    store
        .put(GROUP, SnapshotMeta::default(), Bytes::new())
        .await
        .unwrap();
    let (meta, bytes) = store.latest_valid(GROUP).await.unwrap().unwrap();
    assert_eq!((meta, bytes), (SnapshotMeta::default(), Bytes::new()));
    assert_eq!(store.floor(GROUP), None);
}

#[tokio::test]
async fn snapshot_that_comes_late_does_not_hide_a_newer_one() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    put(&store, GROUP, 50).await;
    put(&store, GROUP, 20).await;
    assert_eq!(newest(&store, GROUP).await, Some(50));
    assert_eq!(store.floor(GROUP), Some(50));
    assert_eq!(store.stats().stored, 1);
}

#[tokio::test]
async fn the_same_state_again_lets_the_log_before_it_go() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    put(&store, GROUP, 10).await;
    put(&store, GROUP, 50).await;
    assert_eq!(store.floor(GROUP), Some(10));
    for _ in 0..3 {
        put(&store, GROUP, 50).await;
        assert_eq!(store.floor(GROUP), Some(50));
    }
    assert_eq!(store.stats().stored, 3, "two copies are enough");
    store.inner.shelf.tear_piece(GROUP, 3, 0);
    assert_eq!(newest(&store, GROUP).await, Some(50));
}

#[tokio::test]
async fn replaced_snapshots_give_their_space_back() {
    let dir = TempDir::new().unwrap();
    let store = SnapshotStore::open(dir.path()).unwrap();
    put(&store, GROUP, 1).await;
    put(&store, GROUP, 2).await;
    let two_bytes = store.stats().disk_bytes;
    for index in 3..60 {
        put(&store, GROUP, index).await;
    }
    let later_bytes = store.stats().disk_bytes;
    assert!(
        later_bytes < 2 * two_bytes,
        "{two_bytes} bytes for two snapshots, {later_bytes} after many"
    );
    assert_eq!(store.groups().unwrap(), [GROUP]);
}

/// What was written before pieces had files of their own.
#[tokio::test]
async fn snapshots_whose_pieces_are_in_sled_are_still_read_and_replaced() {
    let dir = TempDir::new().unwrap();
    let old = SnapshotStore::opened(dir.path(), |dir| {
        let pairs = super::pairs::SledPairs::open(&dir.join("state"), CACHE_BYTES)?;
        Ok(Box::new(pairs))
    })
    .unwrap();
    put(&old, GROUP, 10).await;
    put(&old, GROUP, 20).await;
    drop(old);
    let store = SnapshotStore::open(dir.path()).unwrap();
    assert_eq!(newest(&store, GROUP).await, Some(20));
    for index in [30, 40] {
        put(&store, GROUP, index).await;
        assert_eq!(newest(&store, GROUP).await, Some(index));
    }
    store.remove_group(GROUP).await.unwrap();
    assert_eq!(newest(&store, GROUP).await, None);
}
