//! Replicas whose snapshots are gone.

use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogReader as _, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;
use tempfile::TempDir;

use super::*;
use crate::log_store::{LogOptions, NodeIdentity};
use crate::types::{Entry, StoredMembership, TypeConfig, Vote, log_id};

const GROUP: GroupId = GroupId::new(5);

struct Replica {
    log: LogEngine,
    snapshots: SnapshotStore,
    _dir: TempDir,
}

impl Replica {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let identity = NodeIdentity {
            cluster: "test".to_owned(),
            node: 1,
        };
        Self {
            log: LogEngine::open(dir.path(), LogOptions::new(identity)).unwrap(),
            snapshots: SnapshotStore::open(dir.path()).unwrap(),
            _dir: dir,
        }
    }

    async fn append(&self, term: u64, indexes: std::ops::Range<u64>) {
        let entry = |index| Entry {
            log_id: log_id(term, index),
            payload: EntryPayload::Blank,
        };
        let (tell, told) = TypeConfig::oneshot();
        let mut log = self.log.group(GROUP).unwrap();
        log.append(indexes.map(entry), IOFlushed::signal(tell))
            .await
            .unwrap();
        told.await.unwrap().unwrap();
    }

    async fn open(&self) -> Result<Option<u64>, OpenReplicaError> {
        let (_, state) = open_replica(&self.log, &self.snapshots, GROUP).await?;
        let applied = state.shared().read().applied;
        Ok(applied.map(|id| id.index()))
    }

    async fn indexes(&self) -> Vec<u64> {
        let mut log = self.log.group(GROUP).unwrap();
        let entries = log.try_get_log_entries(..).await.unwrap();
        entries.iter().map(|entry| entry.log_id.index()).collect()
    }
}

fn snapshot(term: u64, index: u64) -> (SnapshotMeta, Bytes) {
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(term, index)),
        last_membership: StoredMembership::default(),
    };
    (meta, Machine::empty(GROUP).encode().unwrap())
}

/// A snapshot at 50 came from the leader when the log ended at 9; entries up to 59 followed. Then it was damaged.
async fn replica_that_lost_an_installed_snapshot() -> Replica {
    let replica = Replica::new();
    replica.append(1, 0..10).await;
    let (meta, bytes) = snapshot(2, 50);
    replica.snapshots.put(GROUP, meta, bytes).await.unwrap();
    let mut log = replica.log.group(GROUP).unwrap();
    log.purge(log_id(2, 50)).await.unwrap();
    log.save_vote(&Vote::new(3, 1)).await.unwrap();
    replica.append(2, 51..60).await;
    assert_eq!(replica.open().await.unwrap(), Some(50));
    replica.snapshots.damage_newest(GROUP);
    replica
}

#[tokio::test]
async fn a_replica_that_lost_an_installed_snapshot_says_what_it_needs() {
    let replica = replica_that_lost_an_installed_snapshot().await;
    let error = replica.open().await.unwrap_err();
    let OpenReplicaError::NeedsReseed(needs) = error else {
        panic!("{error}");
    };
    let expected = NeedsReseed {
        group: GROUP,
        purged: log_id(2, 50),
        applied: None,
    };
    assert_eq!(needs, expected);
}

#[tokio::test]
async fn a_snapshot_from_a_peer_closes_the_gap_and_takes_nothing_that_was_acknowledged() {
    let replica = replica_that_lost_an_installed_snapshot().await;
    assert!(replica.open().await.is_err());
    let Replica { log, snapshots, .. } = &replica;
    let (meta, bytes) = snapshot(1, 40);
    let error = reseed(log, snapshots, GROUP, meta, bytes)
        .await
        .unwrap_err();
    assert!(matches!(error, ReseedError::TooOld { .. }), "{error}");
    let (meta, _) = snapshot(2, 55);
    let noise = Bytes::from_static(b"noise");
    let error = reseed(log, snapshots, GROUP, meta, noise)
        .await
        .unwrap_err();
    assert!(matches!(error, ReseedError::Unreadable(_)), "{error}");
    assert!(replica.open().await.is_err());

    let (meta, bytes) = snapshot(2, 55);
    reseed(log, snapshots, GROUP, meta, bytes).await.unwrap();
    assert_eq!(replica.open().await.unwrap(), Some(55));
    assert_eq!(replica.indexes().await, Vec::from_iter(51..60));
    let vote = log.group(GROUP).unwrap().read_vote().await.unwrap();
    assert_eq!(vote, Some(Vote::new(3, 1)));
}

#[tokio::test]
async fn entries_that_a_snapshot_contradicts_are_cut_off() {
    let replica = Replica::new();
    replica.append(1, 0..10).await;
    let (meta, bytes) = snapshot(2, 7);
    replica.snapshots.put(GROUP, meta, bytes).await.unwrap();
    assert_eq!(replica.open().await.unwrap(), Some(7));
    assert!(
        replica.indexes().await.is_empty(),
        "term 1 lost against term 2"
    );
}

#[tokio::test]
async fn entries_that_a_snapshot_continues_stay() {
    let replica = Replica::new();
    replica.append(1, 0..10).await;
    let (meta, bytes) = snapshot(1, 7);
    replica.snapshots.put(GROUP, meta, bytes).await.unwrap();
    assert_eq!(replica.open().await.unwrap(), Some(7));
    assert_eq!(replica.indexes().await, Vec::from_iter(0..10));
}

#[tokio::test]
async fn a_replica_that_was_removed_starts_anew_with_its_vote() {
    let replica = replica_that_lost_an_installed_snapshot().await;
    let log = replica.log.group(GROUP).unwrap();
    log.clear_keeping_vote().await.unwrap();
    drop(log);
    replica.snapshots.remove_group(GROUP).await.unwrap();
    assert_eq!(replica.open().await.unwrap(), None);
    assert!(replica.indexes().await.is_empty());
    let mut log = replica.log.group(GROUP).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 1)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_log_id, state.last_purged_log_id), (None, None));
    let (meta, bytes) = snapshot(4, 55);
    replica.snapshots.put(GROUP, meta, bytes).await.unwrap();
    log.purge(log_id(4, 55)).await.unwrap();
    replica.append(4, 56..58).await;
    assert_eq!(replica.open().await.unwrap(), Some(55));
    assert_eq!(replica.indexes().await, [56, 57]);
}
