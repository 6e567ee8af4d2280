//! Between openraft and the pure state machines: decode, apply, answer, publish; snapshots out and in.
//!
//! Owns: the in-memory state of one group on this node, and that what it says it applied it has applied. Must never: decide
//! anything; decisions are in `holdfast_inventory::apply`, `directory::apply` and `buyer_index::state`.
//!
//! ```text
//!  committed entry ─ decode ─ apply ─┬─ answer to the proposer (leader only)
//!                                    └─ applied index published: readers, workers, watchers
//! ```
//!
//! The state is behind a std `RwLock`: written for one entry at a time, read for the time of a map or a copy, never held
//! across an await.

use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use holdfast_inventory::state::InventoryState;
use holdfast_region_config::GroupId;
use openraft::EntryPayload;
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use tokio::sync::watch;

use crate::applied::Applied;
use crate::buyer_index::{self, BuyerIndexState};
use crate::directory::{self, DirectoryState};
use crate::snapshot_store::SnapshotStore;
use crate::types::{
    AppData, LogId, Snapshot, SnapshotData, SnapshotMeta, StoredMembership, TypeConfig,
};

/// The state of one group, by kind.
#[derive(Debug, Clone)]
pub(crate) enum Machine {
    /// A show's inventory.
    Show(Box<InventoryState>),
    /// Group 0.
    Directory(Box<DirectoryState>),
    /// Who has which orders, in one jurisdiction.
    BuyerIndex(Box<BuyerIndexState>),
}

impl Machine {
    /// An empty state for the group; its number says which kind.
    pub(crate) fn empty(group: GroupId) -> Self {
        if group.is_directory() {
            Self::Directory(Box::default())
        } else if group.is_buyer_index() {
            Self::BuyerIndex(Box::default())
        } else {
            Self::Show(Box::default())
        }
    }

    /// Applies one entry's bytes; an error means they are not an entry that this release can read.
    fn apply(&mut self, bytes: &[u8]) -> Result<Applied, io::Error> {
        match self {
            Self::Show(state) => {
                let entry = holdfast_inventory::codec::decode_entry(bytes).map_err(invalid_data)?;
                #[cfg(feature = "simulation")]
                let entry = crate::simulation::sabotage::renamed(entry, state.entries_applied());
                Ok(Applied::Show(holdfast_inventory::apply(state, &entry)))
            }
            Self::Directory(state) => {
                let commands = directory::decode_commands(bytes).map_err(invalid_data)?;
                Ok(Applied::Directory(
                    commands.into_iter().map(|c| state.apply(c)).collect(),
                ))
            }
            Self::BuyerIndex(state) => {
                let entry = buyer_index::decode_entry(bytes).map_err(invalid_data)?;
                Ok(Applied::BuyerIndex(state.apply(&entry)))
            }
        }
    }

    /// The state as a snapshot.
    pub(crate) fn encode(&self) -> Result<Bytes, io::Error> {
        match self {
            Self::Show(state) => Ok(Bytes::from(holdfast_inventory::codec::encode_snapshot(
                state,
            ))),
            Self::Directory(state) => directory::encode_snapshot(state).map_err(invalid_data),
            Self::BuyerIndex(state) => buyer_index::encode_snapshot(state).map_err(invalid_data),
        }
    }

    /// The state of a snapshot; an error means that this release cannot read it.
    pub(crate) fn decode(group: GroupId, bytes: &[u8]) -> Result<Self, io::Error> {
        if group.is_directory() {
            let state = directory::decode_snapshot(bytes).map_err(invalid_data)?;
            return Ok(Self::Directory(Box::new(state)));
        }
        if group.is_buyer_index() {
            let state = buyer_index::decode_snapshot(bytes).map_err(invalid_data)?;
            return Ok(Self::BuyerIndex(Box::new(state)));
        }
        let state = holdfast_inventory::codec::decode_snapshot(bytes).map_err(invalid_data)?;
        Ok(Self::Show(Box::new(state)))
    }
}

fn invalid_data(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The state and how far it is.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) machine: Machine,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

/// One group's state, shared by apply, snapshots and readers.
#[derive(Debug)]
pub(crate) struct Shared {
    group: GroupId,
    position: RwLock<Position>,
    /// Index of the last applied entry plus one; 0 = nothing applied.
    applied: watch::Sender<u64>,
}

impl Shared {
    /// The state as of now; hold it briefly.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Position> {
        // Apply panics only on a broken invariant in debug builds; the process is then on its way down.
        self.position.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Position> {
        self.position
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the number of applied entries (last applied index plus one).
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// The number of applied entries. What was answered is counted.
    pub(crate) fn applied_count(&self) -> u64 {
        *self.applied.borrow()
    }

    fn publish(&self, applied: Option<LogId>) {
        self.applied
            .send_replace(applied.map_or(0, |id| id.index() + 1));
    }
}

/// openraft's view of [`Shared`]; clones share it.
#[derive(Clone)]
pub(crate) struct StateMachine {
    shared: Arc<Shared>,
    snapshots: SnapshotStore,
}

impl StateMachine {
    /// Loads the newest sound snapshot of the group, or starts empty.
    pub(crate) async fn open(group: GroupId, snapshots: SnapshotStore) -> Result<Self, io::Error> {
        let mut position = Position {
            machine: Machine::empty(group),
            applied: None,
            membership: StoredMembership::default(),
        };
        if let Some((meta, bytes)) = snapshots.latest_valid(group).await? {
            position.machine = Machine::decode(group, &bytes)?;
            position.applied = meta.last_log_id;
            position.membership = meta.last_membership;
        }
        let (applied, _) = watch::channel(0);
        let shared = Arc::new(Shared {
            group,
            position: RwLock::new(position),
            applied,
        });
        let at = shared.read().applied;
        shared.publish(at);
        #[cfg(feature = "simulation")]
        crate::simulation::witness::loaded(group, at, &shared.read().machine);
        Ok(Self { shared, snapshots })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    fn apply_entry(
        &self,
        log_id: LogId,
        payload: EntryPayload<AppData, u64, ()>,
    ) -> Result<Applied, io::Error> {
        let mut position = self.shared.write();
        let next = position.applied.map_or(0, |id| id.index() + 1);
        if log_id.index() != next {
            // Whatever led here (a log purged behind the state), going on would make this replica differ from the others.
            return Err(io::Error::other(format!(
                "entry {} was handed to apply, {next} is next",
                log_id.index()
            )));
        }
        #[cfg(feature = "simulation")]
        let bytes = match &payload {
            EntryPayload::Normal(data) => data.bytes.clone(),
            EntryPayload::Blank | EntryPayload::Membership(_) => Bytes::new(),
        };
        let applied = match payload {
            EntryPayload::Blank => Applied::Nothing,
            EntryPayload::Normal(data) => {
                #[cfg(feature = "simulation")]
                if crate::simulation::sabotage::applies_twice(&position.machine) {
                    position.machine.apply(&data.bytes)?;
                }
                position.machine.apply(&data.bytes)?
            }
            EntryPayload::Membership(membership) => {
                position.membership = StoredMembership::new(Some(log_id), membership);
                Applied::Nothing
            }
        };
        position.applied = Some(log_id);
        #[cfg(feature = "simulation")]
        crate::simulation::witness::applied(
            self.shared.group,
            log_id,
            &bytes,
            &applied,
            &position.machine,
        );
        Ok(applied)
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let position = self.shared.read();
        Ok((position.applied, position.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut last = None;
        while let Some((entry, responder)) = entries.try_next().await? {
            let log_id = entry.log_id;
            let answer = self.apply_entry(log_id, entry.payload).inspect_err(|error| {
                tracing::error!(group = %self.shared.group, %log_id, %error, "committed entry cannot be applied, the group stops");
            })?;
            last = Some(log_id);
            if let Some(responder) = responder {
                // Published before the answer, so that who gets the answer can read what it caused.
                self.shared.publish(last);
                responder.send(answer);
            }
        }
        if last.is_some() {
            self.shared.publish(last);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let machine = Machine::decode(self.shared.group, &snapshot)?;
        // On disk first: openraft purges the log behind it as soon as this returns.
        self.snapshots
            .put(self.shared.group, meta.clone(), snapshot)
            .await?;
        *self.shared.write() = Position {
            machine,
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
        };
        self.shared.publish(meta.last_log_id);
        #[cfg(feature = "simulation")]
        crate::simulation::witness::loaded(
            self.shared.group,
            meta.last_log_id,
            &self.shared.read().machine,
        );
        tracing::info!(group = %self.shared.group, index = meta.last_log_id.map(|id| id.index()), "snapshot installed from the leader");
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let newest = self.snapshots.latest_valid(self.shared.group).await?;
        Ok(newest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        // Copied under the lock, encoded outside it: apply waits for a copy, not for the encoding.
        let (machine, meta) = {
            let position = self.shared.read();
            let meta = SnapshotMeta {
                last_log_id: position.applied,
                last_membership: position.membership.clone(),
            };
            (position.machine.clone(), meta)
        };
        let encoded = crate::blocking::run(move || machine.encode());
        let bytes = encoded.await.map_err(io::Error::other)??;
        let stored = self
            .snapshots
            .put(self.shared.group, meta.clone(), bytes.clone())
            .await;
        if let Err(error) = stored {
            // An error here would stop the group. It need not: the log is purged only as far as a *stored* snapshot
            // (`PurgeFloor`), so all that suffers is disk space, and the next snapshot is tried in due course.
            tracing::error!(group = %self.shared.group, %error, "snapshot not stored, the log is kept");
        }
        Ok(Snapshot {
            meta,
            snapshot: bytes,
        })
    }
}
