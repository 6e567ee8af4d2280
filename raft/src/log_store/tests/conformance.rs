//! openraft's storage conformance suite on the real log store, with a state machine as small as it can be over the real
//! snapshot store.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, StorageError};
use tempfile::TempDir;

use super::writer::{GROUP, options};
use crate::applied::Applied;
use crate::log_store::{GroupLog, LogEngine};
use crate::snapshot_store::SnapshotStore;
use crate::types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};

/// Counts entries; that is state enough for the suite.
#[derive(Clone)]
struct Counter {
    applied: Option<LogId>,
    membership: StoredMembership,
    count: u64,
    snapshots: SnapshotStore,
}

impl RaftSnapshotBuilder<TypeConfig> for Counter {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        };
        let snapshot = Bytes::copy_from_slice(&self.count.to_be_bytes());
        self.snapshots
            .put(GROUP, meta.clone(), snapshot.clone())
            .await?;
        Ok(Snapshot { meta, snapshot })
    }
}

impl RaftStateMachine<TypeConfig> for Counter {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.applied = Some(entry.log_id);
            self.count += 1;
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(Applied::Nothing);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: Bytes,
    ) -> Result<(), io::Error> {
        self.snapshots
            .put(GROUP, meta.clone(), data.clone())
            .await?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.count = data
            .first_chunk()
            .map_or(0, |count| u64::from_be_bytes(*count));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let newest = self.snapshots.latest_valid(GROUP).await?;
        Ok(newest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, GroupLog, Counter, (LogEngine, TempDir)> for Builder {
    async fn build(
        &self,
    ) -> Result<((LogEngine, TempDir), GroupLog, Counter), StorageError<TypeConfig>> {
        let dir = TempDir::new().expect("a temporary directory");
        let log = LogEngine::open(dir.path(), options()).expect("a new log opens");
        let group = log.group(GROUP).expect("a new group is empty");
        let snapshots = SnapshotStore::open(dir.path()).expect("a new store opens");
        let counter = Counter {
            applied: None,
            membership: StoredMembership::default(),
            count: 0,
            snapshots,
        };
        Ok(((log, dir), group, counter))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openraft_finds_nothing_wrong() {
    Suite::<TypeConfig, GroupLog, Counter, Builder, (LogEngine, TempDir)>::test_all(Builder)
        .await
        .unwrap();
}
