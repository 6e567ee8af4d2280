//! Every bound of the log store, and the relations between them.
//!
//! Owns: the numbers. Must never: hold logic; a bound that depends on the machine belongs in [`super::LogOptions`].

/// Requests that may wait for the committer, all groups together. At one request a group and a flush of 2 ms this is
/// eight flushes of a thousand busy groups; more would only be latency.
pub(crate) const QUEUE_REQUESTS_MAX: usize = 8_192;

/// Bytes of entries that may wait for the committer, all groups together. A slow disk therefore pushes back on
/// proposers instead of eating memory.
pub(crate) const QUEUE_BYTES_MAX: u32 = 64 << 20;

/// Requests in one group commit: enough that a thousand groups share a flush, few enough that building the batch stays
/// under a millisecond.
pub(crate) const BATCH_REQUESTS_MAX: usize = 4_096;

/// Bytes after which a batch is closed and flushed. Larger writes stop gaining throughput and only add latency.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;

/// Bytes of one group's newest entries kept in memory: what replication and `apply` read moments after the append.
pub(crate) const TAIL_BYTES_MAX: usize = 256 << 10;

/// Bytes of kept entries over all groups. Beyond it, groups keep only what is not durable yet.
pub(crate) const TAIL_BYTES_TOTAL_MAX: usize = 64 << 20;

/// Bytes of entries in one answer to replication, so that an append to a peer stays far below the transport's limit of
/// a frame and a lagging peer cannot make the leader load its whole log.
pub(crate) const LIMITED_READ_BYTES_MAX: usize = 1 << 20;

/// Entries fetched from disk in one call.
pub(crate) const DISK_READ_ENTRIES_MAX: u64 = 1_024;

/// Times a read is tried because a truncation, a purge or the freeing of a file ran beside it. All are rare, two in a
/// row are already a coincidence.
pub(crate) const READ_ATTEMPTS_MAX: usize = 8;

/// Voter sets of one membership (joint consensus has two).
pub(crate) const MEMBERSHIP_CONFIGS_MAX: u64 = 8;

/// Nodes of one membership.
pub(crate) const MEMBERSHIP_NODES_MAX: u64 = 1_024;

/// Size at which a log file is full. Small files let a purge free space soon; each costs a rotation of well under a
/// millisecond.
pub(crate) const FILE_BYTES_DEFAULT: u64 = 8 << 20;

/// Log size from which old files are purged: what few entries are still alive in them is moved and the files are
/// recycled. Together with recycled files the log takes at most 1.5 times this beyond its live entries.
pub(crate) const PURGE_THRESHOLD_BYTES_DEFAULT: u64 = 64 << 20;

const _: () = assert!(
    BATCH_BYTES_MAX < QUEUE_BYTES_MAX as usize,
    "or a full batch could never be gathered"
);
const _: () = assert!(
    LIMITED_READ_BYTES_MAX >= TAIL_BYTES_MAX,
    "or a replication read would be cut short although all of it is in memory"
);
const _: () = assert!(
    PURGE_THRESHOLD_BYTES_DEFAULT >= 2 * FILE_BYTES_DEFAULT,
    "or there is never a file old enough to purge"
);
