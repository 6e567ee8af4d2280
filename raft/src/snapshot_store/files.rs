//! Making sled's files durable.
//!
//! Owns: the fsyncs that sled 0.34 leaves out on its write path. Must never: skip a file that holds part of a snapshot.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The files of one sled database.
pub(super) struct SyncedFiles {
    dir: PathBuf,
    /// Guards the names of blob files synced so far. sled writes a blob once and never changes it.
    blobs: Mutex<HashSet<OsString>>,
}

impl SyncedFiles {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            blobs: Mutex::default(),
        }
    }

    /// Syncs everything that was written since the last call, names included.
    pub(super) fn sync(&self) -> io::Result<()> {
        let blob_dir = self.dir.join("blobs");
        let mut present = HashSet::new();
        if blob_dir.try_exists()? {
            for entry in fs::read_dir(&blob_dir)? {
                present.insert(entry?.file_name());
            }
            let mut synced = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            for name in present.difference(&synced) {
                match File::open(blob_dir.join(name)) {
                    Ok(blob) => blob.sync_all()?,
                    // Freed meanwhile: nothing that is needed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            *synced = present;
            File::open(&blob_dir)?.sync_all()?;
        }
        // Last, because it is what points at the blobs.
        File::open(self.dir.join("db"))?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }
}
