//! The real file system until it is told to fail.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use raft_engine::env::{DefaultFileSystem, FileSystem, Handle, Permission, WriteExt};

/// Everything works.
pub(crate) const SOUND: u8 = 0;
/// No write finds room.
pub(crate) const FULL: u8 = 1;
/// Writes work, syncs do not.
pub(crate) const SYNC_FAILS: u8 = 2;

/// The real file system until it is told to fail.
#[derive(Clone, Default)]
pub(crate) struct FlakyFs {
    mode: Arc<AtomicU8>,
}

impl FlakyFs {
    pub(crate) fn fail(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    fn check(&self, failing: u8) -> io::Result<()> {
        if self.mode.load(Ordering::SeqCst) == failing {
            return Err(io::Error::from_raw_os_error(if failing == FULL {
                28
            } else {
                5
            }));
        }
        Ok(())
    }
}

pub(crate) struct FlakyHandle {
    inner: Arc<<DefaultFileSystem as FileSystem>::Handle>,
    fs: FlakyFs,
}

impl Handle for FlakyHandle {
    fn truncate(&self, offset: usize) -> io::Result<()> {
        self.inner.truncate(offset)
    }

    fn file_size(&self) -> io::Result<usize> {
        self.inner.file_size()
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.check(SYNC_FAILS)?;
        self.inner.sync()
    }
}

pub(crate) struct FlakyFile {
    inner: <DefaultFileSystem as FileSystem>::Writer,
    fs: FlakyFs,
}

impl Write for FlakyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.check(FULL)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for FlakyFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.inner.read(bytes)
    }
}

impl Seek for FlakyFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl WriteExt for FlakyFile {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        self.inner.truncate(offset)
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        self.fs.check(FULL)?;
        self.inner.allocate(offset, size)
    }
}

impl FileSystem for FlakyFs {
    type Handle = FlakyHandle;
    type Reader = FlakyFile;
    type Writer = FlakyFile;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<FlakyHandle> {
        self.check(FULL)?;
        let inner = Arc::new(DefaultFileSystem.create(path)?);
        Ok(FlakyHandle {
            inner,
            fs: self.clone(),
        })
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<FlakyHandle> {
        let inner = Arc::new(DefaultFileSystem.open(path, permission)?);
        Ok(FlakyHandle {
            inner,
            fs: self.clone(),
        })
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        DefaultFileSystem.delete(path)
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        DefaultFileSystem.rename(from, to)
    }

    fn new_reader(&self, handle: Arc<FlakyHandle>) -> io::Result<FlakyFile> {
        let inner = DefaultFileSystem.new_reader(Arc::clone(&handle.inner))?;
        Ok(FlakyFile {
            inner,
            fs: self.clone(),
        })
    }

    fn new_writer(&self, handle: Arc<FlakyHandle>) -> io::Result<FlakyFile> {
        let inner = DefaultFileSystem.new_writer(Arc::clone(&handle.inner))?;
        Ok(FlakyFile {
            inner,
            fs: self.clone(),
        })
    }
}
