//! What the log has done since it was opened.
//!
//! Owns: the counters. Must never: decide anything by them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the log was opened, and two gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogStats {
    /// Requests completed: appends, votes, truncations, purges.
    pub(crate) requests: u64,
    /// Group commits written, synced or not.
    pub(crate) batches: u64,
    /// Group commits that ended with an fdatasync.
    pub(crate) syncs: u64,
    /// Time spent on those, write and sync together, µs.
    pub(crate) sync_us: u64,
    /// Entries made durable.
    pub(crate) entries: u64,
    /// Bytes written to log files.
    pub(crate) written_bytes: u64,
    /// Runs that looked for old files to free.
    pub(crate) purge_runs: u64,
    /// Groups that pinned old files at the last such run: they hold many entries and should snapshot and purge.
    pub(crate) pinning_groups: u64,
    /// Purges that went less far than asked, because the older retained snapshot still needs the entries.
    pub(crate) clamped_purges: u64,
    /// Requests waiting for the committer now.
    pub(crate) queue_depth: u64,
    /// Size of the log files in use now.
    pub(crate) used_bytes: u64,
}

/// The live counters behind [`LogStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_us: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) purge_runs: AtomicU64,
    pub(super) pinning_groups: AtomicU64,
    pub(super) clamped_purges: AtomicU64,
    /// Bytes of entries that all groups keep in memory.
    pub(super) tail_bytes: AtomicU64,
}

impl Counters {
    /// The counters now; the gauges come from the caller.
    pub(super) fn snapshot(&self, queue_depth: u64, used_bytes: u64) -> LogStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogStats {
            requests: read(&self.requests),
            batches: read(&self.batches),
            syncs: read(&self.syncs),
            sync_us: read(&self.sync_us),
            entries: read(&self.entries),
            written_bytes: read(&self.written_bytes),
            purge_runs: read(&self.purge_runs),
            pinning_groups: read(&self.pinning_groups),
            clamped_purges: read(&self.clamped_purges),
            queue_depth,
            used_bytes,
        }
    }
}

/// Adds `count`.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
