//! Snapshots of all groups of a node, in checksummed pieces, the last two per group.
//!
//! Owns: what can be rebuilt from peers but had better not be. Must never: call a snapshot stored before the disk has
//! it, give out bytes that fail a checksum, or let the log forget what the older of two snapshots needs.
//!
//! A snapshot is written in this order, so that a crash leaves either no trace that counts or all of it:
//! pieces and their fsync, then the manifest that names them, then flush, fsync and reading back, then the third-newest is
//! dropped. Pieces are in files of their own, manifests in sled: `split` says why.

mod faulty;
mod files;
mod manifest;
pub mod measure;
pub(crate) mod pairs;
mod piece_files;
mod pieces;
mod split;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use holdfast_region_config::GroupId;

use self::faulty::FaultyPairs;
use self::manifest::Manifest;
use self::pairs::{Pairs, PairsError};
use self::pieces::{Damage, Pieces};
use self::split::SplitPairs;
use crate::disk::faults::DiskFaults;
use crate::log_store::PurgeFloor;
use crate::types::SnapshotMeta;

/// Largest snapshot that is taken. A show of a hundred thousand seats with all its history is below a tenth of it.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 256 << 20;

/// Snapshots kept per group.
const KEPT_PER_GROUP: usize = 2;

/// Memory sled may use for its pages. Snapshots are written once and read rarely, so caching buys little.
const CACHE_BYTES: u64 = 32 << 20;

/// Why a snapshot was not stored or could not be read. All but [`SnapshotError::TooLarge`] may pass, for example when
/// space was freed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// Larger than [`SNAPSHOT_BYTES_MAX`].
    #[error("a snapshot of {bytes} bytes is larger than {SNAPSHOT_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The store could not be read or written.
    #[error("cannot {action} in the snapshot store {}: {reason}", dir.display())]
    Store {
        /// What was tried.
        action: &'static str,
        /// Where.
        dir: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// What was just written reads back differently. Nothing that depends on it was done.
    #[error("the snapshot of {group} does not read back as written: {damage}")]
    NotAsWritten {
        /// The group.
        group: GroupId,
        /// How it differs.
        damage: String,
    },
}

impl From<SnapshotError> for io::Error {
    fn from(error: SnapshotError) -> Self {
        Self::other(error)
    }
}

/// Counters since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Snapshots stored.
    pub stored: u64,
    /// Bytes of snapshots stored.
    pub stored_bytes: u64,
    /// Snapshots dropped because a checksum failed.
    pub damaged: u64,
    /// Size of the store on disk now.
    pub disk_bytes: u64,
}

#[derive(Default)]
struct Counters {
    stored: AtomicU64,
    stored_bytes: AtomicU64,
    damaged: AtomicU64,
}

/// The node's snapshots. Clones share them.
#[derive(Clone)]
pub(crate) struct SnapshotStore {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    shelf: Pieces,
    /// One writer at a time: concurrent ones would only share the disk's bandwidth and hold their bytes longer.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// Guards the map only: per group, the index of the oldest kept snapshot, as far as it was asked for.
    floors: Mutex<BTreeMap<GroupId, Option<u64>>>,
    counters: Counters,
}

impl SnapshotStore {
    /// Opens or creates the store of the data directory `dir`. Blocks on the disk.
    pub(crate) fn open(dir: &Path) -> Result<Self, SnapshotError> {
        Self::opened(dir, |dir| Ok(Box::new(SplitPairs::open(dir, CACHE_BYTES)?)))
    }

    /// [`SnapshotStore::open`] on a disk that has trouble when it is told to.
    pub(crate) fn open_faulty(dir: &Path, faults: Arc<DiskFaults>) -> Result<Self, SnapshotError> {
        Self::opened(dir, |dir| {
            let pairs = SplitPairs::open(dir, CACHE_BYTES)?;
            Ok(Box::new(FaultyPairs::new(pairs, faults)))
        })
    }

    fn opened(
        dir: &Path,
        open: impl FnOnce(&Path) -> Result<Box<dyn Pairs>, PairsError>,
    ) -> Result<Self, SnapshotError> {
        let failed = |error: PairsError| SnapshotError::Store {
            action: "open",
            dir: dir.to_owned(),
            reason: error.to_string(),
        };
        Ok(Self::on(dir.to_owned(), open(dir).map_err(failed)?))
    }

    /// The store on `pairs`; `dir` is only named in errors.
    pub(crate) fn on(dir: PathBuf, pairs: Box<dyn Pairs>) -> Self {
        let inner = Inner {
            dir,
            shelf: Pieces::new(pairs),
            writer: Arc::default(),
            floors: Mutex::default(),
            counters: Counters::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Stores a snapshot of `group`; when this returns, it is on disk and was read back.
    pub(crate) async fn put(
        &self,
        group: GroupId,
        meta: SnapshotMeta,
        bytes: Bytes,
    ) -> Result<(), SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: bytes.len() });
        }
        let turn = Arc::clone(&self.inner.writer).lock_owned().await;
        self.blocking("store a snapshot", move |inner| {
            let stored = inner.put(group, &meta, &bytes);
            drop(turn);
            stored
        })
        .await
    }

    /// The newest sound snapshot of `group`. One that fails its checksums is dropped and the older one is used.
    pub(crate) async fn latest_valid(
        &self,
        group: GroupId,
    ) -> Result<Option<(SnapshotMeta, Bytes)>, SnapshotError> {
        self.blocking("read a snapshot", move |inner| inner.latest_valid(group))
            .await
    }

    /// Every group that has a snapshot, in order. Reads names only, from memory or the disk; blocks on it.
    pub(crate) fn groups(&self) -> Result<Vec<GroupId>, SnapshotError> {
        let inner = &self.inner;
        let groups = inner.shelf.groups();
        groups.map_err(|error| inner.failed("list the groups", &error))
    }

    /// Removes every snapshot of `group`.
    pub(crate) async fn remove_group(&self, group: GroupId) -> Result<(), SnapshotError> {
        let turn = Arc::clone(&self.inner.writer).lock_owned().await;
        self.blocking("remove snapshots", move |inner| {
            let seqs = inner
                .shelf
                .seqs(group)
                .map_err(|error| inner.failed("list", &error))?;
            for seq in seqs {
                inner.drop_snapshot(group, seq)?;
            }
            inner.floors().insert(group, None);
            inner.make_durable()?;
            drop(turn);
            Ok(())
        })
        .await
    }

    /// Opens the store anew after the disk failed. Waits for what is under way.
    pub(crate) async fn reopen(&self) -> Result<(), SnapshotError> {
        let turn = Arc::clone(&self.inner.writer).lock_owned().await;
        self.blocking("open again", move |inner| {
            let opened = inner.shelf.reopen();
            // What a failed write left half done shows when it is asked for anew.
            inner.floors().clear();
            drop(turn);
            opened.map_err(|error| inner.failed("open again", &error))
        })
        .await
    }

    /// Damages the newest snapshot of `group`.
    #[cfg(test)]
    pub(crate) fn damage_newest(&self, group: GroupId) {
        let shelf = &self.inner.shelf;
        let newest = shelf.seqs(group).unwrap().pop().unwrap();
        shelf.tear_piece(group, newest, 0);
    }

    /// Counters and size.
    pub(crate) fn stats(&self) -> SnapshotStats {
        let counters = &self.inner.counters;
        SnapshotStats {
            stored: counters.stored.load(Ordering::Relaxed),
            stored_bytes: counters.stored_bytes.load(Ordering::Relaxed),
            damaged: counters.damaged.load(Ordering::Relaxed),
            disk_bytes: self.inner.shelf.disk_bytes(),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let inner = Arc::clone(&self.inner);
        let ended = |error: tokio::task::JoinError| SnapshotError::Store {
            action,
            dir: self.inner.dir.clone(),
            reason: error.to_string(),
        };
        crate::blocking::run(move || work(&inner))
            .await
            .map_err(ended)?
    }
}

impl PurgeFloor for SnapshotStore {
    fn floor(&self, group: GroupId) -> Option<u64> {
        self.inner.floor(group)
    }
}

impl Inner {
    fn put(&self, group: GroupId, meta: &SnapshotMeta, bytes: &Bytes) -> Result<(), SnapshotError> {
        let older = self
            .shelf
            .seqs(group)
            .map_err(|error| self.failed("list", &error))?;
        if let Some((newest, _)) = self.latest_valid(group)?
            && self.is_superfluous(group, meta, &newest)?
        {
            return Ok(());
        }
        let seq = older.last().map_or(1, |newest| newest + 1);
        let manifest = Manifest::of(meta.clone(), bytes);
        let written = self
            .shelf
            .write(group, seq, &manifest, bytes)
            .map_err(|error| self.failed("write a snapshot", &error));
        if let Err(error) = written {
            // On a full disk, half a snapshot is in the way of everything else. What cannot be removed either is
            // overwritten by the next attempt.
            let _ = self.shelf.remove(group, seq);
            return Err(error);
        }
        self.make_durable()?;
        match self
            .shelf
            .read(group, seq)
            .map_err(|error| self.failed("read back", &error))?
        {
            Ok((read_meta, read)) if read_meta == *meta && read == *bytes => {}
            Ok(_) => return Err(self.not_as_written(group, seq, "other bytes")?),
            Err(damage) => return Err(self.not_as_written(group, seq, &damage.to_string())?),
        }
        let surplus = (older.len() + 1).saturating_sub(KEPT_PER_GROUP);
        for seq in older.iter().take(surplus) {
            self.drop_snapshot(group, *seq)?;
        }
        self.refresh_floor(group)?;
        self.counters.stored.fetch_add(1, Ordering::Relaxed);
        self.counters
            .stored_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Whether `meta` adds nothing to the kept snapshots, of which `newest` is the newest.
    fn is_superfluous(
        &self,
        group: GroupId,
        meta: &SnapshotMeta,
        newest: &SnapshotMeta,
    ) -> Result<bool, SnapshotError> {
        if newest.last_log_id != meta.last_log_id {
            // Built here while a newer one came from the leader: as the "newest" it would hide the state that the log
            // was purged to.
            return Ok(newest.last_log_id > meta.last_log_id);
        }
        // The same state again is worth keeping once: with two copies of it, the log before it can go. That is how a group
        // that has become idle gives its log's space back.
        let oldest = self
            .shelf
            .oldest(group)
            .map_err(|error| self.failed("list", &error))?;
        let copies = self
            .shelf
            .seqs(group)
            .map_err(|error| self.failed("list", &error))?;
        Ok(copies.len() >= KEPT_PER_GROUP
            && oldest.is_some_and(|oldest| oldest.last_log_id == meta.last_log_id))
    }

    fn latest_valid(&self, group: GroupId) -> Result<Option<(SnapshotMeta, Bytes)>, SnapshotError> {
        let seqs = self
            .shelf
            .seqs(group)
            .map_err(|error| self.failed("list", &error))?;
        for seq in seqs.into_iter().rev() {
            match self
                .shelf
                .read(group, seq)
                .map_err(|error| self.failed("read", &error))?
            {
                Ok(found) => return Ok(Some(found)),
                // Written by a newer release: whole, and not ours to drop.
                Err(Damage::Undecodable(error)) => {
                    return Err(SnapshotError::Store {
                        action: "read a snapshot of another version in",
                        dir: self.dir.clone(),
                        reason: error.to_string(),
                    });
                }
                Err(damage) => self.drop_damaged(group, seq, &damage)?,
            }
        }
        Ok(None)
    }

    fn drop_damaged(&self, group: GroupId, seq: u64, damage: &Damage) -> Result<(), SnapshotError> {
        tracing::warn!(%group, seq, %damage, "damaged snapshot dropped");
        self.counters.damaged.fetch_add(1, Ordering::Relaxed);
        self.drop_snapshot(group, seq)?;
        self.refresh_floor(group)
    }

    fn drop_snapshot(&self, group: GroupId, seq: u64) -> Result<(), SnapshotError> {
        self.shelf
            .remove(group, seq)
            .map_err(|error| self.failed("remove a snapshot", &error))
    }

    fn not_as_written(
        &self,
        group: GroupId,
        seq: u64,
        damage: &str,
    ) -> Result<SnapshotError, SnapshotError> {
        self.drop_snapshot(group, seq)?;
        Ok(SnapshotError::NotAsWritten {
            group,
            damage: damage.to_owned(),
        })
    }

    fn make_durable(&self) -> Result<(), SnapshotError> {
        #[cfg(feature = "simulation")]
        if crate::simulation::sabotaged(crate::simulation::Sabotage::SnapshotBeforeFsync) {
            return Ok(());
        }
        self.shelf
            .make_durable()
            .map_err(|error| self.failed("sync", &error))
    }

    fn floor(&self, group: GroupId) -> Option<u64> {
        if let Some(known) = self.floors().get(&group) {
            return *known;
        }
        // A store that cannot be read keeps the log, which is the safe side.
        self.refresh_floor(group).ok()?;
        self.floors().get(&group).copied().flatten()
    }

    fn refresh_floor(&self, group: GroupId) -> Result<(), SnapshotError> {
        let oldest = self
            .shelf
            .oldest(group)
            .map_err(|error| self.failed("list", &error))?;
        let floor = oldest.and_then(|meta| Some(meta.last_log_id?.index()));
        self.floors().insert(group, floor);
        Ok(())
    }

    fn floors(&self) -> MutexGuard<'_, BTreeMap<GroupId, Option<u64>>> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, action: &'static str, error: &PairsError) -> SnapshotError {
        SnapshotError::Store {
            action,
            dir: self.dir.clone(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
