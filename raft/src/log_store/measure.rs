//! What this disk and this log cost, for the benchmarks.
//!
//! Owns: the measured runs over the log store: group commits, and the life of a log from filling to opening again after
//! a purge. Must never: be used by the node itself; it is the only public door to the log store, and nothing of the
//! log's types shows through it.

mod commit;
mod life;
mod plain_wal;

use std::fs;
use std::path::Path;

pub use self::commit::{GroupCommitSample, group_commit};
pub use self::life::{LogFill, LogOpening, LogPurge, fill_log, open_log, purge_log};
use self::plain_wal::PlainWal;
use super::limits::FILE_BYTES_DEFAULT;
use super::{LogEngine, LogOptions, NodeIdentity};

/// Payload of a measured entry, bytes: the encoded batch of two or three holds.
pub const PAYLOAD_BYTES: usize = 200;

/// Which log is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// The one that nodes use.
    RaftEngine,
    /// A plain write-ahead log in preallocated segments, the floor. Only for comparison.
    PlainWal,
}

impl LogKind {
    /// Every kind, ours first.
    pub const ALL: [Self; 2] = [Self::RaftEngine, Self::PlainWal];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RaftEngine => "raft-engine",
            Self::PlainWal => "plain-wal",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn open(self, dir: &Path) -> Result<LogEngine, String> {
        let identity = NodeIdentity {
            cluster: "bench".to_owned(),
            node: 1,
        };
        let options = LogOptions::new(identity);
        let opened = match self {
            Self::RaftEngine => LogEngine::open(dir, options),
            Self::PlainWal => LogEngine::open_on(dir, options, |log_dir| {
                Ok(Box::new(PlainWal::open(log_dir, FILE_BYTES_DEFAULT)?))
            }),
        };
        opened.map_err(|error| error.to_string())
    }
}

/// Space that the files below `dir` take on disk, bytes; what cannot be read counts as nothing.
#[must_use]
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Bytes that this process caused to be sent to the disk, as the kernel counts them; `None` where it does not tell.
#[must_use]
pub fn device_write_bytes() -> Option<u64> {
    line_number("/proc/self/io", "write_bytes:")
}

/// Memory of this process that is resident, bytes; `None` where the kernel does not tell.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    line_number("/proc/self/status", "VmRSS:").map(|kib| kib * 1024)
}

fn line_number(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use openraft::storage::{RaftLogReader as _, RaftLogStorage as _};
    use tempfile::TempDir;

    use super::*;
    use crate::types::{Entry, log_id};

    /// Every group's entries; each must have its vote.
    async fn entries(engine: &LogEngine) -> Vec<Vec<Entry>> {
        let mut found = Vec::new();
        for group in engine.groups() {
            let mut log = engine.group(group).unwrap();
            assert!(log.read_vote().await.unwrap().is_some());
            found.push(log.try_get_log_entries(..).await.unwrap());
        }
        found
    }

    /// The alternative must keep what it is given, or its figures compare nothing.
    #[tokio::test]
    async fn every_kind_of_log_holds_its_groups_through_filling_purging_and_opening() {
        for kind in LogKind::ALL {
            let dir = TempDir::new().unwrap();
            let filled = fill_log(dir.path(), kind, 7, 300).await.unwrap();
            assert_eq!(filled.entries, 2_100);
            let engine = kind.open(dir.path()).unwrap();
            let full = entries(&engine).await;
            assert_eq!(full.len(), 7, "{}", kind.name());
            assert_eq!(full.iter().map(Vec::len).sum::<usize>(), 2_100);
            for group in engine.groups() {
                let mut log = engine.group(group).unwrap();
                log.purge(log_id(1, 199)).await.unwrap();
            }
            engine.close();
            drop(engine);
            let purged = entries(&kind.open(dir.path()).unwrap()).await;
            for (full, purged) in full.iter().zip(&purged) {
                assert_eq!(full[200..], purged[..], "{}", kind.name());
            }
        }
    }
}
