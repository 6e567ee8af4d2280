//! The store of a node: manifests in sled, pieces in files.
//!
//! Owns: the order between the two, and opening both anew. Must never: let a manifest become durable before its pieces.
//!
//! sled is at home with small records and not with large values that come and go: rewriting the pages around them cost up to
//! forty times the bytes of the snapshots themselves, and its file does not shrink (`docs/adr/0013-disk-space-and-failure.md`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::pairs::{Change, Pairs, PairsError, Shelf, SledPairs};
use super::piece_files::PieceFiles;

/// See the module's head.
pub(super) struct SplitPairs {
    dir: PathBuf,
    cache_bytes: u64,
    /// Guards the open files: taken for writing only to open them anew. `None` when that failed.
    opened: RwLock<Option<Opened>>,
    /// sled met an error since it was opened.
    broken: AtomicBool,
}

struct Opened {
    sled: SledPairs,
    files: PieceFiles,
}

impl Opened {
    fn open(dir: &Path, cache_bytes: u64) -> Result<Self, PairsError> {
        Ok(Self {
            sled: SledPairs::open(&dir.join("state"), cache_bytes)?,
            files: PieceFiles::open(dir.join("snapshots"))?,
        })
    }
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
            dir: dir.to_owned(),
            cache_bytes,
            opened: RwLock::new(Some(Opened::open(dir, cache_bytes)?)),
            broken: AtomicBool::new(false),
        })
    }

    /// Runs `work` on the open files. After a failure of sled they are opened anew first: it goes on refusing once it met an
    /// error, and what a failed sync left in its files only reading them tells.
    fn with<T>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, PairsError>,
    ) -> Result<T, PairsError> {
        if self.broken.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or_else(|| PairsError {
            reason: "the store is closed".to_owned(),
        })?;
        work(opened)
    }

    /// Runs `work` on sled and notes when it fails.
    fn with_sled<T>(
        &self,
        work: impl FnOnce(&SledPairs) -> Result<T, PairsError>,
    ) -> Result<T, PairsError> {
        self.with(|opened| {
            work(&opened.sled).inspect_err(|_| self.broken.store(true, Ordering::Release))
        })
    }
}

impl Pairs for SplitPairs {
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError> {
        if shelf == Shelf::Manifests {
            // sled may write what it is given at any time from here on.
            self.with(|opened| Ok(opened.files.sync()?))?;
            return self.with_sled(|sled| sled.change(shelf, changes));
        }
        self.with(|opened| {
            for (key, value) in changes {
                let value = value.ok_or_else(|| PairsError {
                    reason: "pieces are removed together".to_owned(),
                })?;
                opened.files.write(&key, &value)?;
            }
            Ok(())
        })
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError> {
        if shelf == Shelf::Pieces
            && let Some(value) = self.with(|opened| Ok(opened.files.read(key)?))?
        {
            return Ok(Some(value));
        }
        // Before pieces had files of their own, sled kept them too.
        self.with_sled(|sled| sled.get(shelf, key))
    }

    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError> {
        self.with_sled(|sled| sled.keys(shelf, prefix))
    }

    fn remove_all(&self, shelf: Shelf, prefix: &[u8]) -> Result<(), PairsError> {
        if shelf == Shelf::Pieces {
            self.with(|opened| Ok(opened.files.remove(prefix)?))?;
        }
        self.with_sled(|sled| sled.remove_all(shelf, prefix))
    }

    fn make_durable(&self) -> Result<(), PairsError> {
        self.with(|opened| Ok(opened.files.sync()?))?;
        self.with_sled(SledPairs::make_durable)
    }

    fn disk_bytes(&self) -> u64 {
        self.with(|opened| Ok(opened.sled.disk_bytes() + opened.files.disk_bytes()))
            .unwrap_or(0)
    }

    fn reopen(&self) -> Result<(), PairsError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: sled locks its files.
        *opened = None;
        *opened = Some(Opened::open(&self.dir, self.cache_bytes)?);
        self.broken.store(false, Ordering::Release);
        Ok(())
    }
}
