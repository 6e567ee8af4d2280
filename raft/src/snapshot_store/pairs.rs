//! The one address of sled: pairs of bytes in two ordered shelves, made durable on demand.
//!
//! Owns: the narrow interface that the snapshots need of a store, and sled behind it. Must never: know what is in a pair.

use std::path::Path;

use sled::{Batch, Db, Tree};

use super::files::SyncedFiles;
use crate::log_store::{LOCK_ATTEMPTS, LOCK_PAUSE};

/// Which of the two a pair is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shelf {
    /// One pair a snapshot.
    Manifests,
    /// One pair a piece.
    Pieces,
}

/// A pair to set, or with `None` to remove.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What the store said when it could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct PairsError {
    pub(crate) reason: String,
}

/// Removals in one change.
const REMOVALS_PER_CHANGE: usize = 16;

/// What the snapshot store needs of a store of pairs.
pub(crate) trait Pairs: Send + Sync + 'static {
    /// Carries out `changes`, all or, after a crash, none. A crash before [`Pairs::make_durable`] may lose the newest
    /// changes, never older ones alone.
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError>;
    /// The value of a key.
    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError>;
    /// The keys that begin with `prefix`, in order.
    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError>;
    /// Removes the pairs whose keys begin with `prefix`; a crash may leave some of them.
    fn remove_all(&self, shelf: Shelf, prefix: &[u8]) -> Result<(), PairsError> {
        for keys in self.keys(shelf, prefix)?.chunks(REMOVALS_PER_CHANGE) {
            let removals = keys.iter().map(|key| (key.clone(), None)).collect();
            self.change(shelf, removals)?;
        }
        Ok(())
    }
    /// Returns once everything is on disk.
    fn make_durable(&self) -> Result<(), PairsError>;
    /// Size on disk, 0 when it cannot be told.
    fn disk_bytes(&self) -> u64;
    /// Lets go of every file and opens them anew: after a failed write or sync only that tells what they hold. A store
    /// without files has nothing to do.
    fn reopen(&self) -> Result<(), PairsError> {
        Ok(())
    }
}

/// sled, with the fsyncs that it leaves out.
pub(super) struct SledPairs {
    db: Db,
    manifests: Tree,
    pieces: Tree,
    files: SyncedFiles,
}

impl From<sled::Error> for PairsError {
    fn from(error: sled::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

impl SledPairs {
    /// Opens or creates the store in `dir`, with at most `cache_bytes` of memory for its pages.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, PairsError> {
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes);
        let db = open_unlocked(&config)?;
        Ok(Self {
            manifests: db.open_tree(b"snapshot-manifests")?,
            pieces: db.open_tree(b"snapshot-pieces")?,
            files: SyncedFiles::new(dir.to_owned()),
            db,
        })
    }

    fn tree(&self, shelf: Shelf) -> &Tree {
        match shelf {
            Shelf::Manifests => &self.manifests,
            Shelf::Pieces => &self.pieces,
        }
    }
}

/// Opens the database, with some patience for a lock that is only seemingly taken ([`LOCK_ATTEMPTS`]).
fn open_unlocked(config: &sled::Config) -> sled::Result<Db> {
    for _ in 1..LOCK_ATTEMPTS {
        match config.open() {
            // sled gives it no kind of its own.
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}

impl Pairs for SledPairs {
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError> {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        // sled keeps one log for both trees: what is lost in a crash is lost from its end.
        Ok(self.tree(shelf).apply_batch(batch)?)
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError> {
        let value = self.tree(shelf).get(key)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError> {
        let keys = self.tree(shelf).scan_prefix(prefix).keys();
        keys.map(|key| Ok(key?.to_vec())).collect()
    }

    /// sled's own flush ends in the page cache, so the files are synced here.
    fn make_durable(&self) -> Result<(), PairsError> {
        self.db.flush()?;
        self.files.sync().map_err(|error| PairsError {
            reason: error.to_string(),
        })
    }

    fn disk_bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}
