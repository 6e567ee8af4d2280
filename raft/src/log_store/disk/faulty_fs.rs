//! The real file system with the trouble of [`DiskFaults`].
//!
//! Owns: which of the engine's calls a trouble hits. Must never: be used by a node that was not asked to have trouble.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use raft_engine::env::{DefaultFileSystem, FileSystem, Handle, Permission, WriteExt};

use crate::disk::faults::DiskFaults;

/// See the module's head.
#[derive(Clone)]
pub(crate) struct FaultyFs {
    faults: Arc<DiskFaults>,
}

impl FaultyFs {
    pub(crate) fn new(faults: Arc<DiskFaults>) -> Self {
        Self { faults }
    }
}

pub(crate) struct FaultyHandle {
    inner: Arc<<DefaultFileSystem as FileSystem>::Handle>,
    fs: FaultyFs,
}

impl Handle for FaultyHandle {
    fn truncate(&self, offset: usize) -> io::Result<()> {
        self.inner.truncate(offset)
    }

    fn file_size(&self) -> io::Result<usize> {
        self.inner.file_size()
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.faults.on_sync()?;
        self.inner.sync()
    }
}

pub(crate) struct FaultyFile {
    inner: <DefaultFileSystem as FileSystem>::Writer,
    fs: FaultyFs,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fs.faults.on_write()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for FaultyFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.inner.read(bytes)
    }
}

impl Seek for FaultyFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl WriteExt for FaultyFile {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        self.inner.truncate(offset)
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        self.fs.faults.on_write()?;
        self.inner.allocate(offset, size)
    }
}

impl FileSystem for FaultyFs {
    type Handle = FaultyHandle;
    type Reader = FaultyFile;
    type Writer = FaultyFile;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<FaultyHandle> {
        self.faults.on_write()?;
        let inner = Arc::new(DefaultFileSystem.create(path)?);
        Ok(FaultyHandle {
            inner,
            fs: self.clone(),
        })
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<FaultyHandle> {
        let inner = Arc::new(DefaultFileSystem.open(path, permission)?);
        Ok(FaultyHandle {
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

    fn new_reader(&self, handle: Arc<FaultyHandle>) -> io::Result<FaultyFile> {
        let inner = DefaultFileSystem.new_reader(Arc::clone(&handle.inner))?;
        Ok(FaultyFile {
            inner,
            fs: self.clone(),
        })
    }

    fn new_writer(&self, handle: Arc<FaultyHandle>) -> io::Result<FaultyFile> {
        let inner = DefaultFileSystem.new_writer(Arc::clone(&handle.inner))?;
        Ok(FaultyFile {
            inner,
            fs: self.clone(),
        })
    }
}
