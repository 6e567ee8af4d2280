//! The disk under a node's data directory: how much room it has, whether it takes writes, and how the node comes back when it
//! does again.
//!
//! Owns: the reserve below which the node takes no new work, the probe, and the order of recovery. Must never: decide what a
//! group does about it; the host refuses proposals, gives leaderships away and closes groups.
//!
//! ```text
//!            room < reserve                     a write or a sync failed
//!  Healthy ────────────────> Full ──────────────────────────────────────> Failed
//!     ▲  ◄─── room > 1.5 × reserve ──┘                                      │
//!     └── probe written and synced, stores opened again, nothing missing ◄──┘
//! ```

pub(crate) mod faults;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::log_store::{LogEngine, LogHealth, LostState};
use crate::snapshot_store::SnapshotStore;

/// Room kept in reserve by default, bytes: votes and the end of what is in flight need a fraction of it, and a file of the log
/// and a snapshot are written whole.
pub const DISK_RESERVE_BYTES_DEFAULT: u64 = 256 << 20;

/// How often the room is looked at. At a gigabyte a second, half the default reserve is written meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(125);

/// How often a failed disk is probed.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a probe: a few blocks, so that it needs room of its own.
const PROBE_BYTES: usize = 64 << 10;

const PROBE_FILE: &str = "PROBE";

/// Whether the node's disk takes writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// It does, and there is room.
    Healthy,
    /// It does, but there is less room than the reserve. The node should take no new work.
    Full {
        /// Room for this process, bytes.
        free_bytes: u64,
    },
    /// A write or a sync failed. The node acknowledges nothing until its stores were opened again.
    Failed {
        /// What the system said.
        reason: String,
    },
}

impl DiskState {
    /// As a gauge: 0 healthy, 1 full, 2 failed.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Full { .. } => 1,
            Self::Failed { .. } => 2,
        }
    }

    /// Whether new work may be taken.
    #[must_use]
    pub const fn takes_work(&self) -> bool {
        matches!(self, Self::Healthy)
    }

    /// What an operator should do; `None` when nothing.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Healthy => None,
            Self::Full { .. } => Some(
                "free space on the file system of the data directory, or enlarge it; the node takes work again by itself",
            ),
            Self::Failed { .. } => Some(
                "free space or repair the file system of the data directory; the node opens its stores again by itself once \
                 a test write succeeds; if the disk is broken, replace the node",
            ),
        }
    }
}

impl From<&LogHealth> for DiskState {
    fn from(health: &LogHealth) -> Self {
        match health {
            LogHealth::Healthy => Self::Healthy,
            LogHealth::Full { free_bytes } => Self::Full {
                free_bytes: *free_bytes,
            },
            LogHealth::Failed { reason } => Self::Failed {
                reason: reason.to_string(),
            },
        }
    }
}

/// The file system under the data directory. Simulations and tests bring their own.
pub(crate) trait DataDisk: Send + Sync + 'static {
    /// Room for this process, bytes.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Writes, syncs, reads back and removes something small.
    fn probe(&self) -> io::Result<()>;
}

/// The real one.
pub(crate) struct DirDisk {
    dir: PathBuf,
}

impl DirDisk {
    /// The file system that the data directory `dir` is on.
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }
}

impl DataDisk for DirDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        let stat = statvfs(&self.dir)?;
        // What is left for everybody, not what is kept for root.
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    fn probe(&self) -> io::Result<()> {
        let path = self.dir.join(PROBE_FILE);
        let probed = probe_file(&path);
        // Also after a failure: half a probe takes the room that is missing.
        let removed = fs::remove_file(&path);
        probed.and(removed)
    }
}

fn probe_file(path: &Path) -> io::Result<()> {
    let bytes = vec![0x5a; PROBE_BYTES];
    let mut file = File::create(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    let mut read = Vec::with_capacity(PROBE_BYTES);
    File::open(path)?.read_to_end(&mut read)?;
    if read == bytes {
        Ok(())
    } else {
        Err(io::Error::other("the probe does not read back as written"))
    }
}

/// A disk that never fills up, for hosts that keep nothing on a real one.
pub(crate) struct EndlessDisk;

impl DataDisk for EndlessDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn probe(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The disk, and how much room it must have.
#[derive(Clone)]
pub(crate) struct GuardedDisk {
    disk: Arc<dyn DataDisk>,
    reserve_bytes: u64,
}

impl GuardedDisk {
    pub(crate) fn new(disk: Arc<dyn DataDisk>, reserve_bytes: u64) -> Self {
        Self {
            disk,
            reserve_bytes,
        }
    }

    /// Room for this process, bytes; `None` when it cannot be told.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.disk.free_bytes().ok()
    }

    /// Room from which on the node takes work again: more than the reserve, so that it does not flap.
    fn enough_bytes(&self) -> u64 {
        self.reserve_bytes.saturating_add(self.reserve_bytes / 2)
    }

    /// Looks at the room until `stop`, and tells `log`.
    pub(crate) async fn watch(self, log: LogEngine, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let disk = Arc::clone(&self.disk);
            let looked = blocking::run(move || disk.free_bytes()).await;
            if let Ok(Ok(free_bytes)) = looked {
                self.note(&log, free_bytes);
            }
        }
    }

    /// Tells `log` how much room there is. Between the two marks nothing changes.
    fn note(&self, log: &LogEngine, free_bytes: u64) {
        if free_bytes < self.reserve_bytes {
            log.note_room(free_bytes, true);
        } else if free_bytes >= self.enough_bytes() {
            log.note_room(free_bytes, false);
        }
    }

    /// Waits until the disk takes writes and has room, then opens both stores again, in place. Before that, every group has
    /// to be let go of: this waits until nobody holds a file any more. Ends when both are open; it may be given up and
    /// called again.
    ///
    /// Returns the groups that hold less than they had acknowledged. The host keeps those closed and has them replaced.
    pub(crate) async fn recover(
        &self,
        log: &LogEngine,
        snapshots: &SnapshotStore,
    ) -> Vec<LostState> {
        let mut said = String::new();
        loop {
            match self.try_recover(log, snapshots).await {
                Ok(lost) => {
                    tracing::info!(lost = lost.len(), "disk works again, stores opened again");
                    return lost;
                }
                // The same words each second would hide everything else.
                Err(reason) if reason == said => {}
                Err(reason) => {
                    tracing::warn!(reason, "disk does not work yet, trying again");
                    said = reason;
                }
            }
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }

    async fn try_recover(
        &self,
        log: &LogEngine,
        snapshots: &SnapshotStore,
    ) -> Result<Vec<LostState>, String> {
        let disk = Arc::clone(&self.disk);
        let probed = blocking::run(move || disk.probe().and_then(|()| disk.free_bytes())).await;
        let free_bytes = probed
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let enough_bytes = self.enough_bytes();
        if free_bytes < enough_bytes {
            // Opening writes too, and half a recovery helps nobody.
            return Err(format!(
                "fewer than {enough_bytes} bytes are free on the file system of the data directory"
            ));
        }
        // First, for the log asks it how far it may purge.
        snapshots
            .reopen()
            .await
            .map_err(|error| error.to_string())?;
        log.reopen().await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
