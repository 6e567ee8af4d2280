//! The Raft log of a node: entries and votes of all its groups in one log, made durable together.
//!
//! Owns: what cannot be rebuilt. Must never: acknowledge before the disk has it, or answer from a log that has failed.
//!
//! ```text
//!   group 1 ─ GroupLog ─┐ bounded queue              ┌─> fdatasync ─> callbacks, in order
//!   group 2 ─ GroupLog ─┼──────────────> committer ──┤
//!   group n ─ GroupLog ─┘   one batch per sync       └─> now and then: frees old files
//! ```
//!
//! Read in this order: [`group`] (what consensus calls), [`group_state`] (the rules), [`committer`] (durability),
//! [`disk`] (the engine), [`record`] (the bytes), [`identity`] (whose directory this is).

mod bytes;
mod committer;
mod disk;
mod failure;
mod group;
mod group_state;
mod identity;
mod limits;
pub mod measure;
mod record;
mod request;
mod stats;
mod tail;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holdfast_region_config::GroupId;
use raft_engine::env::{DefaultFileSystem, FileSystem};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use self::bytes::{ByteReader, DecodeError, put_uvarint};
pub(crate) use self::committer::CommitterPlace;
use self::committer::{LogParts, RunningCommitter};
use self::disk::{Change, DiskLimits, LogDisk, RaftEngineDisk};
pub(crate) use self::failure::{LogError, LogHealth, OpenError};
use self::group::GroupCell;
pub(crate) use self::group::GroupLog;
use self::group_state::GroupState;
pub(crate) use self::identity::NodeIdentity;
use self::identity::{DirGuard, sync_dir};
use self::limits::{FILE_BYTES_DEFAULT, PURGE_THRESHOLD_BYTES_DEFAULT};
pub(crate) use self::record::{
    check_version, put_log_id, put_stored_membership, read_log_id, read_stored_membership,
};
use self::request::{Done, Request, Submitter, Work};
pub(crate) use self::stats::LogStats;
use crate::directory::DiskId;

/// Says which entries of a group must stay although a newer snapshot covers them.
pub(crate) trait PurgeFloor: Send + Sync {
    /// Entries behind this index must stay; `None` keeps all of them.
    fn floor(&self, group: GroupId) -> Option<u64>;
}

/// How to open a log.
pub(crate) struct LogOptions {
    /// Whose log it is; another's is refused.
    pub(crate) identity: NodeIdentity,
    /// What bounds purges: the snapshot store. Without one, a purge goes as far as asked.
    pub(crate) purge_floor: Option<Arc<dyn PurgeFloor>>,
    /// Size at which a log file is full.
    pub(crate) file_bytes: u64,
    /// Size of the log from which old files are freed; at least `file_bytes`.
    pub(crate) purge_threshold_bytes: u64,
    /// Where the committer runs.
    pub(crate) committer: CommitterPlace,
}

impl LogOptions {
    /// The defaults for `identity`.
    pub(crate) fn new(identity: NodeIdentity) -> Self {
        Self {
            identity,
            purge_floor: None,
            file_bytes: FILE_BYTES_DEFAULT,
            purge_threshold_bytes: PURGE_THRESHOLD_BYTES_DEFAULT,
            committer: CommitterPlace::Thread,
        }
    }
}

/// The node's log. Clones share it; it closes with the last of them, or by [`LogEngine::close`].
#[derive(Clone)]
pub(crate) struct LogEngine {
    inner: Arc<Inner>,
}

struct Inner {
    disk: DiskId,
    parts: LogParts,
    submitter: Submitter,
    purge_floor: Option<Arc<dyn PurgeFloor>>,
    /// Guards the map only, so that two handles of one group never load two states.
    groups: Mutex<BTreeMap<GroupId, Weak<GroupCell>>>,
    /// What closing takes away.
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Keeps the queue open.
    queue: mpsc::Sender<Request>,
    committer: RunningCommitter,
    /// Keeps other processes out.
    guard: DirGuard,
}

impl LogEngine {
    /// Opens or creates the log of the data directory `dir`. Blocks on the disk.
    pub(crate) fn open(dir: &Path, options: LogOptions) -> Result<Self, OpenError> {
        Self::open_with_file_system(dir, options, Arc::new(DefaultFileSystem))
    }

    /// [`LogEngine::open`] on another file system, which simulations make lose and refuse writes.
    pub(crate) fn open_with_file_system<F: FileSystem + 'static>(
        dir: &Path,
        options: LogOptions,
        file_system: Arc<F>,
    ) -> Result<Self, OpenError> {
        let limits = DiskLimits {
            file_bytes: options.file_bytes,
            purge_threshold_bytes: options.purge_threshold_bytes,
        };
        Self::open_on(dir, options, |log_dir| {
            Ok(Arc::new(RaftEngineDisk::open(
                log_dir,
                limits,
                file_system,
            )?))
        })
    }

    /// Opens the log on the disk that `open_disk` opens in the log's own directory.
    fn open_on(
        dir: &Path,
        options: LogOptions,
        open_disk: impl FnOnce(&Path) -> Result<Arc<dyn LogDisk>, OpenError>,
    ) -> Result<Self, OpenError> {
        let log_dir = Self::log_dir(dir);
        let guard = DirGuard::claim(dir, &log_dir, &options.identity)?;
        let disk_id = guard.disk();
        fs::create_dir_all(&log_dir).map_err(OpenError::io("create", &log_dir))?;
        let disk = open_disk(&log_dir)?;
        // The engine syncs what it writes to its files, not the names of the first ones.
        sync_dir(&log_dir)?;
        sync_dir(dir)?;
        let parts = LogParts::new(disk);
        let (queue, submitter, receiver) = Submitter::queue();
        let free_every_bytes = usize::try_from(options.file_bytes / 2).unwrap_or(usize::MAX);
        let committer =
            RunningCommitter::start(&parts, receiver, free_every_bytes, options.committer)
                .map_err(OpenError::io("start the log thread for", dir))?;
        let running = Mutex::new(Some(Running {
            queue,
            committer,
            guard,
        }));
        let groups = Mutex::default();
        let purge_floor = options.purge_floor;
        Ok(Self {
            inner: Arc::new(Inner {
                disk: disk_id,
                parts,
                submitter,
                purge_floor,
                groups,
                running,
            }),
        })
    }

    /// The disk that the log is on.
    pub(crate) fn disk_id(&self) -> DiskId {
        self.inner.disk
    }

    /// Where the log files of data directory `dir` are.
    pub(crate) fn log_dir(dir: &Path) -> PathBuf {
        dir.join("log")
    }

    /// The log of `group`, empty if it was never written. Reads one entry from disk when the group is not in use yet.
    pub(crate) fn group(&self, group: GroupId) -> Result<GroupLog, LogError> {
        let inner = &self.inner;
        let mut groups = inner.groups();
        let cell = match groups.get(&group).and_then(Weak::upgrade) {
            Some(cell) => cell,
            None => {
                let state = GroupState::load(inner.parts.disk.as_ref(), group.get())?;
                let cell = Arc::new(GroupCell::new(state, Arc::clone(&inner.parts.counters)));
                groups.insert(group, Arc::downgrade(&cell));
                cell
            }
        };
        drop(groups);
        let floor = inner.purge_floor.clone();
        Ok(GroupLog::new(
            group,
            cell,
            inner.submitter.clone(),
            inner.parts.clone(),
            floor,
        ))
    }

    /// Every group that has a vote or entries on disk, in order. From memory.
    pub(crate) fn groups(&self) -> Vec<GroupId> {
        let mut groups: Vec<GroupId> = self
            .inner
            .parts
            .disk
            .groups()
            .into_iter()
            .map(GroupId::new)
            .collect();
        groups.sort_unstable();
        groups
    }

    /// Removes everything of `group`, durably. No handle of it may be in use: a vote forgotten by a node that goes on
    /// voting breaks consensus.
    pub(crate) async fn remove_group(&self, group: GroupId) -> Result<(), LogError> {
        let slot = self.inner.submitter.slot(0).await?;
        let (tell, told) = oneshot::channel();
        self.inner.groups().remove(&group);
        slot.send(
            group.get(),
            Work::Durably(vec![Change::Forget]),
            0,
            Done::Waiter(tell),
        );
        told.await.unwrap_or(Err(LogError::Closed))
    }

    /// Counters and gauges.
    pub(crate) fn stats(&self) -> LogStats {
        let depth = self.inner.running().as_ref().map_or(0, |running| {
            running.queue.max_capacity() - running.queue.capacity()
        });
        let parts = &self.inner.parts;
        parts
            .counters
            .snapshot(depth as u64, parts.disk.used_bytes())
    }

    /// The groups that keep old log files from being freed, because they hold many entries that are old. They should
    /// take a snapshot and purge behind it, or the log stays larger than its live part. The newest list replaces the
    /// one before; a group that did not purge is in the next list too.
    pub(crate) fn groups_to_compact(&self) -> watch::Receiver<Arc<[GroupId]>> {
        self.inner.parts.pinning.subscribe()
    }

    /// Whether the log still works, now and as it changes.
    pub(crate) fn health(&self) -> watch::Receiver<LogHealth> {
        self.inner.parts.health.subscribe()
    }

    /// Completes what is queued, refuses what comes later and ends the thread. Blocks until then; a second call returns
    /// at once. The directory is free for another process once every [`GroupLog`] is gone too.
    pub(crate) fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn groups(&self) -> MutexGuard<'_, BTreeMap<GroupId, Weak<GroupCell>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let Some(running) = self.running().take() else {
            return;
        };
        drop(running.queue);
        running.committer.join();
        drop(running.guard);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
