//! The log while its directory is open: from opening it to the moment when nothing of it is left in memory.
//!
//! Owns: the order of opening and closing, and the groups in use. Must never: open the directory twice at once.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Weak};

use holdfast_region_config::GroupId;
use tokio::sync::{mpsc, watch};

use super::committer::{LogParts, RunningCommitter};
use super::disk::LogDisk;
use super::failure::{LogError, OpenError};
use super::group::GroupCell;
use super::group_state::GroupState;
use super::identity::{DirGuard, sync_dir};
use super::request::{Request, Submitter};
use super::{LogEngine, LogOptions};
use crate::directory::DiskId;

/// Opens a disk in the log's own directory.
pub(super) type OpenDisk = dyn Fn(&Path) -> Result<Box<dyn LogDisk>, OpenError> + Send + Sync;

/// A disk that says when it is closed: whoever still reads keeps it open.
pub(super) struct SharedDisk {
    disk: Box<dyn LogDisk>,
    /// Declared behind the disk: dropped when that is closed.
    _open: watch::Sender<()>,
}

impl Deref for SharedDisk {
    type Target = dyn LogDisk;

    fn deref(&self) -> &Self::Target {
        self.disk.as_ref()
    }
}

/// The groups that have handles.
#[derive(Default)]
struct InUse {
    cells: BTreeMap<GroupId, Weak<GroupCell>>,
    /// Size at which cells that nobody uses any more are looked for.
    sweep_at: usize,
}

/// See the module's head.
pub(super) struct Opened {
    pub(super) disk_id: DiskId,
    pub(super) parts: LogParts,
    pub(super) submitter: Submitter,
    in_use: InUse,
    /// What closing takes away.
    running: Option<Running>,
    /// Ends when the disk is closed.
    open: watch::Receiver<()>,
}

/// A log that still takes requests.
pub(super) struct Running {
    /// Keeps the queue open.
    queue: mpsc::Sender<Request>,
    committer: RunningCommitter,
    /// Keeps other processes out.
    guard: DirGuard,
}

impl Running {
    /// Completes what is queued and ends the committer. Blocks until then.
    pub(super) fn stop(self) {
        drop(self.queue);
        self.committer.join();
        drop(self.guard);
    }
}

impl Opened {
    /// Opens the log of the data directory `dir`; `parts` are the parts that outlive it, around the new disk.
    pub(super) fn open(
        dir: &Path,
        options: &LogOptions,
        open_disk: &OpenDisk,
        parts: impl FnOnce(Arc<SharedDisk>) -> LogParts,
    ) -> Result<Self, OpenError> {
        let log_dir = LogEngine::log_dir(dir);
        let guard = DirGuard::claim(dir, &log_dir, &options.identity)?;
        fs::create_dir_all(&log_dir).map_err(OpenError::io("create", &log_dir))?;
        let disk = open_disk(&log_dir)?;
        // The engine syncs what it writes to its files, not the names of the first ones.
        sync_dir(&log_dir)?;
        sync_dir(dir)?;
        let (sender, open) = watch::channel(());
        let parts = parts(Arc::new(SharedDisk {
            disk,
            _open: sender,
        }));
        let (queue, submitter, receiver) = Submitter::queue();
        let free_every_bytes = usize::try_from(options.file_bytes / 2).unwrap_or(usize::MAX);
        let place = options.committer.clone();
        let committer = RunningCommitter::start(&parts, receiver, free_every_bytes, place)
            .map_err(OpenError::io("start the log thread for", dir))?;
        Ok(Self {
            disk_id: guard.disk(),
            parts,
            submitter,
            in_use: InUse::default(),
            running: Some(Running {
                queue,
                committer,
                guard,
            }),
            open,
        })
    }

    /// The state of `group`, from disk when it is not in use yet.
    pub(super) fn cell(&mut self, group: GroupId) -> Result<Arc<GroupCell>, LogError> {
        let InUse { cells, sweep_at } = &mut self.in_use;
        if let Some(cell) = cells.get(&group).and_then(Weak::upgrade) {
            return Ok(cell);
        }
        let state = GroupState::load(&**self.parts.disk, group.get())?;
        let cell = Arc::new(GroupCell::new(group, state, &self.parts));
        cells.insert(group, Arc::downgrade(&cell));
        if cells.len() >= *sweep_at {
            cells.retain(|_, cell| cell.strong_count() > 0);
            // Twice what is in use, so that a sweep is paid for by as many loads.
            *sweep_at = (2 * cells.len()).max(64);
        }
        Ok(cell)
    }

    /// Cells kept track of, in use or not yet swept.
    #[cfg(test)]
    pub(super) fn tracked_cells(&self) -> usize {
        self.in_use.cells.len()
    }

    /// Requests that wait for the committer.
    pub(super) fn queue_depth(&self) -> u64 {
        let depth = |running: &Running| running.queue.max_capacity() - running.queue.capacity();
        self.running.as_ref().map_or(0, depth) as u64
    }

    /// What has to be stopped, once.
    pub(super) fn take_running(&mut self) -> Option<Running> {
        self.running.take()
    }

    /// Lets go of the log; the receiver ends when everybody else has.
    pub(super) fn let_go(self) -> watch::Receiver<()> {
        self.open
    }
}
