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
mod ledger;
mod limits;
pub mod measure;
mod opened;
mod record;
mod reopen;
mod request;
mod stats;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_region_config::GroupId;
use raft_engine::env::{DefaultFileSystem, FileSystem};
use tokio::sync::watch;

pub(crate) use self::bytes::{ByteReader, DecodeError, put_uvarint};
pub(crate) use self::committer::CommitterPlace;
#[cfg(feature = "simulation")]
pub(crate) use self::committer::DiskTime;
use self::committer::LastingParts;
use self::disk::{DiskLimits, FaultyFs, LogDisk, RaftEngineDisk};
pub(crate) use self::failure::{LogError, LogHealth, OpenError};
pub(crate) use self::group::GroupLog;
pub(crate) use self::identity::{LOCK_ATTEMPTS, LOCK_PAUSE, NodeIdentity};
pub(crate) use self::ledger::LostState;
use self::limits::{FILE_BYTES_DEFAULT, PURGE_THRESHOLD_BYTES_DEFAULT};
use self::opened::{OpenDisk, Opened};
pub(crate) use self::record::{
    check_version, put_log_id, put_stored_membership, read_log_id, read_stored_membership,
};
pub(crate) use self::stats::LogStats;
use crate::directory::DiskId;
use crate::disk::faults::DiskFaults;

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
    dir: PathBuf,
    options: LogOptions,
    open_disk: Box<OpenDisk>,
    disk_id: DiskId,
    /// Guards what is open; `None` while the log is being opened again.
    opened: Mutex<Option<Opened>>,
    /// What outlives one opening: health, counters, what groups were told.
    lasting: LastingParts,
    /// Ends when nothing of the log that was let go of is in memory any more.
    letting_go: Mutex<Option<watch::Receiver<()>>>,
}

impl LogEngine {
    /// Opens or creates the log of the data directory `dir`. Blocks on the disk.
    pub(crate) fn open(dir: &Path, options: LogOptions) -> Result<Self, OpenError> {
        Self::open_with_file_system(dir, options, Arc::new(DefaultFileSystem))
    }

    /// [`LogEngine::open`] on a disk that has trouble when it is told to.
    pub(crate) fn open_faulty(
        dir: &Path,
        options: LogOptions,
        faults: Arc<DiskFaults>,
    ) -> Result<Self, OpenError> {
        Self::open_with_file_system(dir, options, Arc::new(FaultyFs::new(faults)))
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
        Self::open_on(dir, options, move |log_dir| {
            let disk = RaftEngineDisk::open(log_dir, limits, Arc::clone(&file_system))?;
            Ok(Box::new(disk))
        })
    }

    /// Opens the log on the disk that `open_disk` opens in the log's own directory, now and whenever it is opened again.
    fn open_on(
        dir: &Path,
        options: LogOptions,
        open_disk: impl Fn(&Path) -> Result<Box<dyn LogDisk>, OpenError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let lasting = LastingParts::default();
        let opened = Opened::open(dir, &options, &open_disk, |disk| lasting.around(disk))?;
        let inner = Inner {
            dir: dir.to_owned(),
            options,
            open_disk: Box::new(open_disk),
            disk_id: opened.disk_id,
            opened: Mutex::new(Some(opened)),
            lasting,
            letting_go: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The disk that the log is on.
    pub(crate) fn disk_id(&self) -> DiskId {
        self.inner.disk_id
    }

    /// Where the log files of data directory `dir` are.
    pub(crate) fn log_dir(dir: &Path) -> PathBuf {
        dir.join("log")
    }

    /// The log of `group`, empty if it was never written. Reads one entry from disk when the group is not in use yet.
    pub(crate) fn group(&self, group: GroupId) -> Result<GroupLog, LogError> {
        // A failed log is let go of; nobody may take hold of it anew.
        self.inner.lasting.health.check()?;
        let mut opened = self.inner.opened();
        let opened = opened.as_mut().ok_or(LogError::Closed)?;
        let cell = opened.cell(group)?;
        let floor = self.inner.options.purge_floor.clone();
        Ok(GroupLog::new(
            group,
            cell,
            opened.submitter.clone(),
            opened.parts.clone(),
            floor,
        ))
    }

    /// Every group that has a vote or entries on disk, in order. From memory.
    pub(crate) fn groups(&self) -> Vec<GroupId> {
        let groups = match &*self.inner.opened() {
            Some(opened) => opened.parts.disk.groups(),
            None => Vec::new(),
        };
        let mut groups: Vec<GroupId> = groups.into_iter().map(GroupId::new).collect();
        groups.sort_unstable();
        groups
    }

    /// Counters and gauges.
    pub(crate) fn stats(&self) -> LogStats {
        let (depth, used_bytes) = match &*self.inner.opened() {
            Some(opened) => (opened.queue_depth(), opened.parts.disk.used_bytes()),
            None => (0, 0),
        };
        self.inner.lasting.counters.snapshot(depth, used_bytes)
    }

    /// The groups that keep old log files from being freed, because they hold many entries that are old. They should
    /// take a snapshot and purge behind it, or the log stays larger than its live part. The newest list replaces the
    /// one before; a group that did not purge is in the next list too.
    pub(crate) fn groups_to_compact(&self) -> watch::Receiver<Arc<[GroupId]>> {
        self.inner.lasting.pinning.subscribe()
    }

    /// Whether the log still works, now and as it changes.
    pub(crate) fn health(&self) -> watch::Receiver<LogHealth> {
        self.inner.lasting.health.subscribe()
    }

    /// Notes how much room the file system has: `short` when that is less than is kept in reserve.
    pub(crate) fn note_room(&self, free_bytes: u64, short: bool) {
        self.inner.lasting.health.note_room(free_bytes, short);
    }

    /// Completes what is queued, refuses what comes later and ends the thread. Blocks until then; a second call returns
    /// at once. The directory is free for another process once every [`GroupLog`] is gone too.
    pub(crate) fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let running = self.opened().as_mut().and_then(Opened::take_running);
        if let Some(running) = running {
            running.stop();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
pub(crate) mod tests;
