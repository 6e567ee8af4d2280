//! Trouble that a disk is told to have, for drills and tests on real processes.
//!
//! Owns: what the trouble is at the moment, and what it does to a write, a sync and the room that is left. Must never: be on
//! the way of a node that was not asked to have it.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nix::errno::Errno;

use super::{DataDisk, DirDisk};

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskTrouble {
    /// Every write and every sync takes this much longer, ms.
    pub delay_ms: u32,
    /// No write finds room.
    pub full: bool,
    /// Writes work, syncs do not.
    pub sync_fails: bool,
    /// Room that the disk claims to have, bytes; `None` is what it really has.
    pub free_bytes: Option<u64>,
}

impl DiskTrouble {
    /// Nothing is wrong.
    pub const NONE: Self = Self {
        delay_ms: 0,
        full: false,
        sync_fails: false,
        free_bytes: None,
    };
}

/// The trouble of one node's disk; changed from outside while the node runs.
#[derive(Debug, Default)]
pub struct DiskFaults {
    /// Held for a copy.
    now: RwLock<DiskTrouble>,
}

impl DiskFaults {
    /// From now on this is wrong, and nothing else.
    pub fn set(&self, trouble: DiskTrouble) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// What is wrong now.
    #[must_use]
    pub fn now(&self) -> DiskTrouble {
        *self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a write; blocks for the delay.
    pub(crate) fn on_write(&self) -> io::Result<()> {
        let trouble = self.now();
        wait(trouble);
        if trouble.full {
            return Err(Errno::ENOSPC.into());
        }
        Ok(())
    }

    /// Before a sync; blocks for the delay.
    pub(crate) fn on_sync(&self) -> io::Result<()> {
        let trouble = self.now();
        wait(trouble);
        if trouble.sync_fails {
            return Err(Errno::EIO.into());
        }
        Ok(())
    }
}

fn wait(trouble: DiskTrouble) {
    if trouble.delay_ms > 0 {
        std::thread::sleep(Duration::from_millis(trouble.delay_ms.into()));
    }
}

/// A data directory's file system with that trouble.
pub(crate) struct FaultyDisk {
    disk: DirDisk,
    faults: Arc<DiskFaults>,
}

impl FaultyDisk {
    pub(crate) fn new(dir: &Path, faults: Arc<DiskFaults>) -> Self {
        let disk = DirDisk::new(dir);
        Self { disk, faults }
    }
}

impl DataDisk for FaultyDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        let trouble = self.faults.now();
        match (trouble.full, trouble.free_bytes) {
            (true, _) => Ok(0),
            (false, Some(bytes)) => Ok(bytes),
            (false, None) => self.disk.free_bytes(),
        }
    }

    fn probe(&self) -> io::Result<()> {
        self.faults.on_write()?;
        self.faults.on_sync()?;
        self.disk.probe()
    }
}
