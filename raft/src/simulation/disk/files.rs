//! The log's files: a file system for the log engine that keeps synced and unsynced bytes apart.
//!
//! Owns: bytes, sectors, what a crash leaves. Must never: touch a real file but for the empty ones that stand for names, because
//! the engine lists its directory itself. Names (create, rename, delete) survive a crash at once, as on a journalling file system.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_engine::env::{FileSystem, Handle, Permission, WriteExt};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Disk, Health, Tear};

/// What a disk writes in one piece.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
struct FileData {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Writes since the last sync, in order.
    unsynced: Vec<(usize, usize)>,
}

impl FileData {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[at..end].copy_from_slice(bytes);
        self.unsynced.push((at, bytes.len()));
    }

    /// What is cut off or added reads as zeros, which is a write too.
    fn set_len(&mut self, length: usize) {
        let before = self.now.len();
        self.now.resize(length, 0);
        let (from, to) = (before.min(length), before.max(length));
        self.unsynced.push((from, to - from));
    }

    fn sync(&mut self) {
        self.synced.resize(self.now.len(), 0);
        for (at, length) in self.unsynced.drain(..) {
            let end = (at + length).min(self.now.len());
            if at < end {
                self.synced[at..end].copy_from_slice(&self.now[at..end]);
            }
        }
    }

    /// Keeps `from..to` of what was written.
    fn keep(&mut self, from: usize, to: usize) {
        let to = to.min(self.now.len());
        if from >= to {
            return;
        }
        if self.synced.len() < to {
            self.synced.resize(to, 0);
        }
        self.synced[from..to].copy_from_slice(&self.now[from..to]);
    }

    fn crash(&mut self, tear: Tear, random: &mut StdRng) {
        let unsynced = std::mem::take(&mut self.unsynced);
        match tear {
            Tear::LoseAll => {}
            Tear::KeepAll => {
                self.synced.resize(self.now.len(), 0);
                for (at, length) in unsynced {
                    self.keep(at, at + length);
                }
            }
            Tear::Prefix => {
                let count = random.random_range(0..=unsynced.len());
                for (number, (at, length)) in unsynced.into_iter().take(count).enumerate() {
                    let torn = number + 1 == count && length > 0;
                    let kept = if torn {
                        random.random_range(0..=length)
                    } else {
                        length
                    };
                    self.keep(at, at + kept);
                }
            }
            Tear::Sectors => {
                for (at, length) in unsynced {
                    let mut from = at;
                    while from < at + length {
                        let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(at + length);
                        if random.random_bool(0.5) {
                            self.keep(from, to);
                        }
                        from = to;
                    }
                }
            }
        }
        self.now.clone_from(&self.synced);
    }
}

type SharedFile = Arc<Mutex<FileData>>;

fn lock(file: &SharedFile) -> MutexGuard<'_, FileData> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All files of a disk by name.
#[derive(Default)]
pub(super) struct Files {
    by_name: BTreeMap<String, SharedFile>,
}

impl Files {
    pub(super) fn crash(&mut self, tear: Tear, random: &mut StdRng) {
        for file in self.by_name.values_mut() {
            // A new file object: what a dead process still writes to the old one goes nowhere.
            let mut data = std::mem::take(&mut *lock(file));
            data.crash(tear, random);
            *file = Arc::new(Mutex::new(data));
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
}

/// The file system as one process sees it.
#[derive(Clone)]
pub(crate) struct SimulatedFileSystem {
    disk: Arc<Disk>,
    generation: u64,
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn no_space() -> io::Error {
    // The engine looks at the number.
    io::Error::from_raw_os_error(28)
}

impl SimulatedFileSystem {
    pub(crate) fn new(disk: Arc<Disk>, generation: u64) -> Self {
        Self { disk, generation }
    }

    /// Whether this process is still the one that runs; a dead one's operations succeed and do nothing.
    fn lives(&self) -> bool {
        self.disk.is_current(self.generation)
    }

    fn check_space(&self) -> io::Result<()> {
        if self.lives() && self.disk.state().health == Health::Full {
            return Err(no_space());
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> io::Result<SharedFile> {
        let state = self.disk.state();
        let file = state.files.by_name.get(&name_of(path));
        file.cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// An open file.
pub(crate) struct SimulatedHandle {
    file: SharedFile,
    fs: SimulatedFileSystem,
}

impl Handle for SimulatedHandle {
    fn truncate(&self, offset: usize) -> io::Result<()> {
        lock(&self.file).set_len(offset);
        Ok(())
    }

    fn file_size(&self) -> io::Result<usize> {
        Ok(lock(&self.file).now.len())
    }

    fn sync(&self) -> io::Result<()> {
        if !self.fs.lives() {
            return Ok(());
        }
        let disk = &self.fs.disk;
        let mut state = disk.state();
        if state.health == Health::NextSyncFails {
            state.health = Health::Sound;
            drop(state);
            disk.panic_expected
                .store(true, std::sync::atomic::Ordering::Relaxed);
            return Err(io::Error::other("simulated failure of fsync"));
        }
        drop(state);
        lock(&self.file).sync();
        Ok(())
    }
}

/// A position in an open file.
pub(crate) struct SimulatedCursor {
    handle: Arc<SimulatedHandle>,
    at: usize,
}

impl Read for SimulatedCursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let file = lock(&self.handle.file);
        let rest = file.now.get(self.at..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for SimulatedCursor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.handle.fs.check_space()?;
        lock(&self.handle.file).write(self.at, bytes);
        self.at += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SimulatedCursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => i64::try_from(at).unwrap_or(i64::MAX),
            SeekFrom::Current(by) => i64::try_from(self.at).unwrap_or(i64::MAX) + by,
            SeekFrom::End(by) => {
                i64::try_from(lock(&self.handle.file).now.len()).unwrap_or(i64::MAX) + by
            }
        };
        self.at = usize::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at as u64)
    }
}

impl WriteExt for SimulatedCursor {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        self.handle.truncate(offset)
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        self.handle.fs.check_space()?;
        let mut file = lock(&self.handle.file);
        let length = file.now.len().max(offset + size);
        file.set_len(length);
        Ok(())
    }
}

impl FileSystem for SimulatedFileSystem {
    type Handle = SimulatedHandle;
    type Reader = SimulatedCursor;
    type Writer = SimulatedCursor;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<SimulatedHandle> {
        self.check_space()?;
        let file = SharedFile::default();
        if self.lives() {
            std::fs::File::create(path.as_ref())?;
            let mut state = self.disk.state();
            state
                .files
                .by_name
                .insert(name_of(path.as_ref()), Arc::clone(&file));
        }
        Ok(SimulatedHandle {
            file,
            fs: self.clone(),
        })
    }

    fn open<P: AsRef<Path>>(&self, path: P, _: Permission) -> io::Result<SimulatedHandle> {
        Ok(SimulatedHandle {
            file: self.file(path.as_ref())?,
            fs: self.clone(),
        })
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        if self.lives() {
            std::fs::remove_file(path.as_ref())?;
            let mut state = self.disk.state();
            state.files.by_name.remove(&name_of(path.as_ref()));
        }
        Ok(())
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        if self.lives() {
            std::fs::rename(from.as_ref(), to.as_ref())?;
            let mut state = self.disk.state();
            if let Some(file) = state.files.by_name.remove(&name_of(from.as_ref())) {
                state.files.by_name.insert(name_of(to.as_ref()), file);
            }
        }
        Ok(())
    }

    fn new_reader(&self, handle: Arc<SimulatedHandle>) -> io::Result<SimulatedCursor> {
        Ok(SimulatedCursor { handle, at: 0 })
    }

    fn new_writer(&self, handle: Arc<SimulatedHandle>) -> io::Result<SimulatedCursor> {
        Ok(SimulatedCursor { handle, at: 0 })
    }
}
