//! What the log store keeps on disk, and the one interface to whatever keeps it.
//!
//! Owns: the vocabulary of changes and marks, and the promises that a log disk makes. Must never: name an engine; the one
//! that nodes use is in [`engine`], those that it is measured against are in the benchmark.

mod engine;
mod faulty_fs;

pub(super) use self::engine::{DiskLimits, RaftEngineDisk};
pub(super) use self::faulty_fs::FaultyFs;
use super::failure::LogError;
use super::record;
use crate::types::Entry;

/// A fact kept beside a group's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The vote.
    Vote,
    /// The last purged log id.
    Purged,
    /// The last committed log id, as far as it was noted.
    Committed,
    /// The log id behind which a truncation cut, until an append overwrites what it cut off.
    KeepTo,
}

impl Mark {
    /// The name it is kept under. Never changed: it is on disk.
    pub(super) fn key(self) -> &'static [u8] {
        match self {
            Self::Vote => b"vote",
            Self::Purged => b"purged",
            Self::Committed => b"committed",
            Self::KeepTo => b"keep-to",
        }
    }
}

/// An encoded entry. It begins with its index, as [`record::encoded_index`] reads it.
#[derive(Debug)]
pub(super) struct EncodedEntry(Vec<u8>);

impl EncodedEntry {
    /// Encodes `entry`.
    pub(super) fn new(entry: &Entry) -> Self {
        Self(record::encode_entry(entry))
    }

    /// Encoded size.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// One change to one group.
#[derive(Debug)]
pub(super) enum Change {
    /// Entries in index order. They replace what the log holds from the first of them on.
    Entries(Vec<EncodedEntry>),
    /// A mark set.
    Mark(Mark, Vec<u8>),
    /// Entries up to and including this index removed.
    PurgeTo(u64),
    /// Everything of the group removed, marks too.
    Forget,
}

/// Changes of many groups that become durable together or not at all, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct DiskBatch {
    changes: Vec<(u64, Change)>,
}

impl DiskBatch {
    /// Adds a change of `group`.
    pub(super) fn add(&mut self, group: u64, change: Change) {
        self.changes.push((group, change));
    }

    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes, each with its group.
    pub(super) fn into_changes(self) -> Vec<(u64, Change)> {
        self.changes
    }
}

/// What the log store needs from a log engine.
pub(super) trait LogDisk: Send + Sync {
    /// Writes `batch` in one piece, with one fdatasync when `sync`; returns the bytes written.
    fn write(&self, batch: DiskBatch, sync: bool) -> Result<usize, LogError>;
    /// Entries `[from, to)` of `group`, fewer when `bytes_max` is reached but at least one.
    fn read(
        &self,
        group: u64,
        from: u64,
        to: u64,
        bytes_max: Option<usize>,
    ) -> Result<Vec<Entry>, LogError>;
    /// First and last index held for `group`.
    fn span(&self, group: u64) -> Option<(u64, u64)>;
    /// A mark of `group`.
    fn mark(&self, group: u64, mark: Mark) -> Option<Vec<u8>>;
    /// Every group that has anything.
    fn groups(&self) -> Vec<u64>;
    /// Frees old files; returns the groups that hold so many old entries that they pin files until they purge.
    fn free_old_files(&self) -> Result<Vec<u64>, LogError>;
    /// Size of all files in use.
    fn used_bytes(&self) -> u64;
}
