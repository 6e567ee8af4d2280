//! The store of a node: manifests in sled, pieces in files.
//!
//! Owns: the order between the two. Must never: let a manifest become durable before its pieces.
//!
//! sled is at home with small records and not with large values that come and go: rewriting the pages around them cost up to
//! forty times the bytes of the snapshots themselves, and its file does not shrink (`docs/adr/0013-disk-space-and-failure.md`).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pairs::{Change, Pairs, PairsError, Shelf, SledPairs};
use super::piece_files::PieceFiles;

/// See the module's head.
pub(super) struct SplitPairs {
    sled: SledPairs,
    files: PieceFiles,
    /// A sync failed. What the system then says of these files is worth nothing; only opening them again tells.
    broken: AtomicBool,
}

impl From<std::io::Error> for PairsError {
    fn from(error: std::io::Error) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

impl SplitPairs {
    /// Opens or creates the store of the data directory `dir`.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, PairsError> {
        Ok(Self {
            sled: SledPairs::open(&dir.join("state"), cache_bytes)?,
            files: PieceFiles::open(dir.join("snapshots"))?,
            broken: AtomicBool::new(false),
        })
    }

    /// Carries out `write` unless a sync failed before; notes when one fails.
    fn guarded(&self, write: impl FnOnce() -> Result<(), PairsError>) -> Result<(), PairsError> {
        if self.broken.load(Ordering::Acquire) {
            return Err(PairsError {
                reason: "an earlier sync failed, the store has to be opened again".to_owned(),
            });
        }
        write().inspect_err(|_| self.broken.store(true, Ordering::Release))
    }
}

impl Pairs for SplitPairs {
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError> {
        if shelf == Shelf::Manifests {
            // sled may write what it is given at any time from here on.
            self.guarded(|| Ok(self.files.sync()?))?;
            return self.sled.change(shelf, changes);
        }
        for (key, value) in changes {
            match value {
                Some(value) => self.files.write(&key, &value)?,
                None => {
                    return Err(PairsError {
                        reason: "pieces are removed together".to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError> {
        if shelf == Shelf::Pieces
            && let Some(value) = self.files.read(key)?
        {
            return Ok(Some(value));
        }
        // Before pieces had files of their own, sled kept them too.
        self.sled.get(shelf, key)
    }

    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError> {
        self.sled.keys(shelf, prefix)
    }

    fn remove_all(&self, shelf: Shelf, prefix: &[u8]) -> Result<(), PairsError> {
        if shelf == Shelf::Pieces {
            self.files.remove(prefix)?;
        }
        self.sled.remove_all(shelf, prefix)
    }

    fn make_durable(&self) -> Result<(), PairsError> {
        self.guarded(|| {
            self.files.sync()?;
            self.sled.make_durable()
        })
    }

    fn disk_bytes(&self) -> u64 {
        self.sled.disk_bytes() + self.files.disk_bytes()
    }
}
