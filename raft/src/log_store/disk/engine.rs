//! The one address of the log engine: entries and marks of all groups, one file sequence.
//!
//! Owns: the engine's configuration, its index shift and its bad habits. Must never: let an engine type or an engine
//! panic out, or decide what is written when.
//!
//! Three habits matter. The engine panics when an fsync fails; every call that can write is therefore caught and turned
//! into an error. A deleted key can return when the file with the deletion is purged before the file with the value, so
//! marks are only ever overwritten. And it asserts that no append cuts off entries while old files are freed, so both
//! must be asked for by one thread; reads may run beside them, but one can find its file just freed and must try again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use protobuf::well_known_types::BytesValue;
use raft_engine::env::FileSystem;
use raft_engine::{
    Command, Config, Engine, Error, LogBatch, MessageExt, ReadableSize, RecoveryMode,
};

use super::{Change, DiskBatch, LogDisk, Mark};
use crate::log_store::failure::{LogError, OpenError};
use crate::log_store::limits::DISK_READ_ENTRIES_MAX;
use crate::log_store::record;
use crate::types::Entry;

/// How large files and the whole log may grow.
#[derive(Debug, Clone, Copy)]
pub(in crate::log_store) struct DiskLimits {
    /// A file is full at this size.
    pub(in crate::log_store) file_bytes: u64,
    /// Old files are freed from this size of the log on.
    pub(in crate::log_store) purge_threshold_bytes: u64,
}

/// raft-engine behind [`LogDisk`].
pub(in crate::log_store) struct RaftEngineDisk<F: FileSystem> {
    /// Empty only while dropping.
    engine: Option<Engine<F>>,
}

impl<F: FileSystem> RaftEngineDisk<F> {
    /// Opens or creates the log in `dir`. A torn tail, as a crash leaves it, is cut off; damage anywhere else is an error.
    pub(in crate::log_store) fn open(
        dir: &Path,
        limits: DiskLimits,
        file_system: Arc<F>,
    ) -> Result<Self, OpenError> {
        let refused = |reason: String| OpenError::Engine {
            dir: dir.to_owned(),
            reason,
        };
        let text = dir
            .to_str()
            .ok_or_else(|| refused("the path is not valid UTF-8".to_owned()))?;
        let config = Config {
            dir: text.to_owned(),
            recovery_mode: RecoveryMode::TolerateTailCorruption,
            target_file_size: ReadableSize(limits.file_bytes),
            purge_threshold: ReadableSize(limits.purge_threshold_bytes),
            // Compression costs the one thing that is scarce, CPU on the committer's path.
            batch_compression_threshold: ReadableSize(0),
            // Two is what the smallest machine has; recovery is bound by the disk beyond that.
            recovery_threads: 2,
            ..Config::default()
        };
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Engine::open_with_file_system(config, Arc::clone(&file_system))
        }));
        let engine = match opened {
            Ok(Ok(engine)) => engine,
            Ok(Err(error @ (Error::Corruption(_) | Error::Codec(_)))) => {
                let file = damaged_file(dir, &file_system).unwrap_or_else(|| dir.to_owned());
                let reason = error.to_string();
                return Err(OpenError::DamagedFile { file, reason });
            }
            Ok(Err(error)) => return Err(refused(error.to_string())),
            Err(panic) => return Err(refused(panic_text(panic.as_ref()))),
        };
        Ok(Self {
            engine: Some(engine),
        })
    }

    fn engine(&self) -> &Engine<F> {
        self.engine.as_ref().expect("only drop takes the engine")
    }
}

impl<F: FileSystem> LogDisk for RaftEngineDisk<F> {
    fn write(&self, batch: DiskBatch, sync: bool) -> Result<usize, LogError> {
        caught(|| {
            let mut log_batch = log_batch(batch)?;
            self.engine().write(&mut log_batch, sync)
        })
    }

    fn read(
        &self,
        group: u64,
        from: u64,
        to: u64,
        bytes_max: Option<usize>,
    ) -> Result<Vec<Entry>, LogError> {
        let unreadable = |reason: String| LogError::Unreadable {
            group,
            reason: reason.into(),
        };
        let mut values: Vec<BytesValue> = Vec::new();
        let mut entries = Vec::new();
        let mut next = from;
        while next < to {
            let end = to.min(next.saturating_add(DISK_READ_ENTRIES_MAX));
            let (begin, stop) = (engine_index(next), engine_index(end));
            let read = catch_unwind(AssertUnwindSafe(|| {
                let engine = self.engine();
                with_own_block_cache(|| {
                    engine.fetch_entries_to::<Indexed>(group, begin, stop, bytes_max, &mut values)
                })
            }));
            match read {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(unreadable(error.to_string())),
                Err(panic) => return Err(unreadable(panic_text(panic.as_ref()))),
            }
            let fetched = values.len() as u64;
            for value in values.drain(..) {
                let entry = record::decode_entry(&Bytes::from(value.value))
                    .map_err(|source| LogError::Undecodable { group, source })?;
                entries.push(entry);
            }
            next = next.saturating_add(fetched);
            if fetched == 0 || bytes_max.is_some() {
                break;
            }
        }
        Ok(entries)
    }

    fn span(&self, group: u64) -> Option<(u64, u64)> {
        let first = self.engine().first_index(group)?;
        let last = self.engine().last_index(group)?;
        Some((first.checked_sub(1)?, last.checked_sub(1)?))
    }

    fn mark(&self, group: u64, mark: Mark) -> Option<Vec<u8>> {
        self.engine().get(group, mark.key())
    }

    fn groups(&self) -> Vec<u64> {
        self.engine().raft_groups()
    }

    fn free_old_files(&self) -> Result<Vec<u64>, LogError> {
        let mut groups = caught(|| with_own_block_cache(|| self.engine().purge_expired_files()))?;
        // The engine gathers them in a hash set; what follows from them must repeat under simulation.
        groups.sort_unstable();
        Ok(groups)
    }

    fn used_bytes(&self) -> u64 {
        self.engine().get_used_size() as u64
    }
}

impl<F: FileSystem> Drop for RaftEngineDisk<F> {
    fn drop(&mut self) {
        // Closing syncs, and a disk that already failed makes that panic; by then the failure is known.
        let engine = self.engine.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(engine)));
    }
}

/// The first log file in `dir` that cannot be read through; the engine says only that there is one. The newest file of a
/// sequence does not count: it may end in what a crash tore.
fn damaged_file<F: FileSystem>(dir: &Path, file_system: &Arc<F>) -> Option<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).ok()? {
        paths.push(entry.ok()?.path());
    }
    paths.sort();
    let of_kind = |kind: &str| -> Vec<PathBuf> {
        let matching = paths
            .iter()
            .filter(|path| path.extension().is_some_and(|found| found == kind));
        let mut matching: Vec<PathBuf> = matching.cloned().collect();
        matching.pop();
        matching
    };
    let damaged = |path: &PathBuf| {
        let read = catch_unwind(AssertUnwindSafe(|| {
            match Engine::dump_with_file_system(path, Arc::clone(file_system)) {
                Ok(mut items) => items.all(|item| item.is_ok()),
                Err(_) => false,
            }
        }));
        !read.unwrap_or(false)
    };
    let mut files = of_kind("raftlog").into_iter().chain(of_kind("rewrite"));
    files.find(damaged)
}

/// The engine's form of `batch`.
fn log_batch(batch: DiskBatch) -> raft_engine::Result<LogBatch> {
    let mut out = LogBatch::default();
    for (group, change) in batch.into_changes() {
        match change {
            Change::Entries(entries) => {
                let value = |entry: super::EncodedEntry| {
                    let mut value = BytesValue::new();
                    value.value = entry.into_bytes();
                    value
                };
                let values: Vec<BytesValue> = entries.into_iter().map(value).collect();
                out.add_entries::<Indexed>(group, &values)?;
            }
            Change::Mark(mark, value) => out.put(group, mark.key().to_vec(), value)?,
            Change::PurgeTo(index) => {
                let index = engine_index(index).saturating_add(1);
                out.add_command(group, Command::Compact { index });
            }
            Change::Forget => out.add_command(group, Command::Clean),
        }
    }
    Ok(out)
}

/// Tells the engine the index of an entry.
struct Indexed;

impl MessageExt for Indexed {
    type Entry = BytesValue;

    fn index(value: &BytesValue) -> u64 {
        engine_index(record::encoded_index(&value.value))
    }
}

/// The engine counts from 1, the consensus library from 0.
fn engine_index(index: u64) -> u64 {
    index.saturating_add(1)
}

/// The engine remembers the last block it read per thread, by file number, offset and length. A process has one engine; a simulation
/// has many on one thread, and files that lose their end and are written anew, so there each reading gets a thread to itself.
fn with_own_block_cache<T: Send>(read: impl FnOnce() -> T + Send) -> T {
    #[cfg(feature = "simulation")]
    if crate::simulation::is_running() {
        let joined = std::thread::scope(|scope| scope.spawn(read).join());
        return joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    read()
}

fn caught<T>(write: impl FnOnce() -> raft_engine::Result<T>) -> Result<T, LogError> {
    let reason = match catch_unwind(AssertUnwindSafe(write)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic_text(panic.as_ref()),
    };
    Err(LogError::Failed {
        reason: reason.into(),
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "the log engine panicked".to_owned())
}
