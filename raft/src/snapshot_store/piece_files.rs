//! The pieces of snapshots, one file a snapshot.
//!
//! Owns: the files below `snapshots/` and their names on disk. Must never: know what is in a piece, or call a file
//! durable before it and its name are synced.
//!
//! A piece is at `number × stride` of its snapshot's file, behind its length (4 bytes, big-endian). A freed snapshot is an
//! unlinked file, so the space that snapshots take is the space of those that are kept.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::manifest::PIECE_BYTES_MAX;

/// Bytes of a key that name the snapshot; the rest is the number of the piece.
pub(super) const SNAPSHOT_KEY_BYTES: usize = 16;

/// Distance between two pieces: the largest with its checksum and its length, rounded up.
const STRIDE_BYTES: u64 = PIECE_BYTES_MAX as u64 + 64;

/// Length of a piece's length.
const LENGTH_BYTES: usize = 4;

/// See the module's head.
pub(super) struct PieceFiles {
    dir: PathBuf,
    /// Guards the names of files written since the last sync.
    unsynced: Mutex<BTreeSet<PathBuf>>,
    /// Guards the space that all files take, once somebody asked for it.
    disk_bytes: Mutex<Option<u64>>,
}

impl PieceFiles {
    /// Opens or creates the directory `dir`. Reads nothing.
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self {
            dir,
            unsynced: Mutex::default(),
            disk_bytes: Mutex::default(),
        })
    }

    /// Writes the piece `key`.
    pub(super) fn write(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let (path, number) = self.place(key)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(&self.dir);
                fs::create_dir_all(folder)?;
                sync(&self.dir)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        let length = u32::try_from(value.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(LENGTH_BYTES + value.len());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(value);
        if bytes.len() as u64 > STRIDE_BYTES {
            return Err(io::Error::other("a piece is larger than its place"));
        }
        // Noted first: what a failed write left behind is also there to be synced or removed.
        locked(&self.unsynced).insert(path.clone());
        let before = space(&file)?;
        let written = file.write_all_at(&bytes, number * STRIDE_BYTES);
        self.count(before, space(&file)?);
        written
    }

    /// The piece `key`, if it is there.
    pub(super) fn read(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let (path, number) = self.place(key)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let at = number * STRIDE_BYTES;
        let mut length = [0; LENGTH_BYTES];
        let read = |bytes: &mut [u8], at: u64| match file.read_exact_at(bytes, at) {
            Ok(()) => Ok(true),
            // A torn file is a damaged snapshot, not a broken disk.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        };
        if !read(&mut length, at)? {
            return Ok(None);
        }
        let length = u64::from(u32::from_be_bytes(length));
        if length > STRIDE_BYTES {
            return Ok(None);
        }
        let mut value = vec![0; usize::try_from(length).unwrap_or(0)];
        let whole = read(&mut value, at + LENGTH_BYTES as u64)?;
        Ok(whole.then_some(value))
    }

    /// Removes every piece of a snapshot.
    pub(super) fn remove(&self, snapshot: &[u8]) -> io::Result<()> {
        let (path, _) = self.place(snapshot)?;
        let before = fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        locked(&self.unsynced).remove(&path);
        self.count(before, 0);
        Ok(())
    }

    /// Syncs every file written since the last call, and its name.
    pub(super) fn sync(&self) -> io::Result<()> {
        let files = std::mem::take(&mut *locked(&self.unsynced));
        let mut folders = BTreeSet::new();
        for path in &files {
            sync(path)?;
            folders.extend(path.parent());
        }
        folders.into_iter().try_for_each(sync)
    }

    /// Space that all files take. Looks at each of them the first time.
    pub(super) fn disk_bytes(&self) -> u64 {
        let mut known = locked(&self.disk_bytes);
        *known.get_or_insert_with(|| walk(&self.dir))
    }

    fn count(&self, before: u64, after: u64) {
        if let Some(known) = locked(&self.disk_bytes).as_mut() {
            *known = (*known + after).saturating_sub(before);
        }
    }

    /// File and number of the piece `key`; the number is 0 for a key that names the snapshot only.
    fn place(&self, key: &[u8]) -> io::Result<(PathBuf, u64)> {
        let (snapshot, number) = key
            .split_first_chunk::<SNAPSHOT_KEY_BYTES>()
            .ok_or_else(|| io::Error::other("a piece's key is too short"))?;
        let number = number
            .first_chunk::<4>()
            .map_or(0, |number| u32::from_be_bytes(*number));
        let (group, seq) = snapshot.split_at(8);
        // A directory of tens of thousands of names is slow to change; 256 of them are not.
        let folder = group.last().copied().unwrap_or(0);
        let name = format!("{}-{}.snapshot", hex(group), hex(seq));
        let path = self.dir.join(format!("{folder:02x}")).join(name);
        Ok((path, u64::from(number)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn space(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks() * 512)
}

fn walk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => walk(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn key(group: u64, number: u32) -> Vec<u8> {
        let mut key = group.to_be_bytes().to_vec();
        key.extend_from_slice(&7_u64.to_be_bytes());
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn pieces_come_back_and_go_together() {
        let dir = TempDir::new().unwrap();
        let files = PieceFiles::open(dir.path().to_owned()).unwrap();
        let pieces = [vec![1; PIECE_BYTES_MAX + 8], Vec::new(), vec![3; 100]];
        for (number, piece) in (0..).zip(&pieces) {
            files.write(&key(5, number), piece).unwrap();
            files.write(&key(6, number), piece).unwrap();
        }
        files.sync().unwrap();
        let full_bytes = files.disk_bytes();
        for (number, piece) in (0..).zip(&pieces) {
            assert_eq!(files.read(&key(5, number)).unwrap().as_ref(), Some(piece));
        }
        assert_eq!(files.read(&key(5, 3)).unwrap(), None);
        files.remove(&key(5, 0)[..SNAPSHOT_KEY_BYTES]).unwrap();
        files.remove(&key(5, 0)[..SNAPSHOT_KEY_BYTES]).unwrap();
        assert_eq!(files.read(&key(5, 0)).unwrap(), None);
        assert_eq!(files.read(&key(6, 2)).unwrap(), Some(vec![3; 100]));
        assert_eq!(files.disk_bytes(), full_bytes / 2);
        assert_eq!(files.disk_bytes(), walk(dir.path()));
    }

    #[test]
    fn a_cut_file_has_no_such_piece() {
        let dir = TempDir::new().unwrap();
        let files = PieceFiles::open(dir.path().to_owned()).unwrap();
        files.write(&key(5, 0), &[9; 1_000]).unwrap();
        let (path, _) = files.place(&key(5, 0)).unwrap();
        for length in [999, 3, 0] {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length)
                .unwrap();
            assert_eq!(files.read(&key(5, 0)).unwrap(), None);
        }
        fs::write(&path, [0xff; 70]).unwrap();
        assert_eq!(files.read(&key(5, 0)).unwrap(), None);
    }

    #[test]
    fn a_piece_larger_than_its_place_is_refused() {
        let dir = TempDir::new().unwrap();
        let files = PieceFiles::open(dir.path().to_owned()).unwrap();
        assert!(
            files
                .write(&key(5, 0), &vec![0; PIECE_BYTES_MAX + 61])
                .is_err()
        );
    }
}
