//! Whose data directory this is.
//!
//! Owns: the `IDENTITY` file (cluster, node, disk, format, checksum) and the lock that keeps a second process out. Must
//! never: adopt or repair a directory that does not match; a node that runs on another's log forgets what it voted.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::failure::OpenError;
use crate::directory::DiskId;

/// Format of a data directory as a whole. Raised when an older program could not read what a newer one writes.
pub(crate) const DIR_FORMAT: u64 = 1;

/// A child that this process is just starting holds copies of its files until it runs its own program, so a lock that was let
/// go may seem taken for a moment.
pub(crate) const LOCK_ATTEMPTS: u32 = 80;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(25);

const IDENTITY_FILE: &str = "IDENTITY";
const LOCK_FILE: &str = "LOCK";
const HEADING: &str = "holdfast data directory";
/// Longest identity file that is read; ours is about a hundred bytes.
const IDENTITY_BYTES_MAX: u64 = 4_096;

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// Number of the node in it.
    pub(crate) node: u64,
}

/// A data directory that is ours and locked until this is dropped.
#[derive(Debug)]
pub(crate) struct DirGuard {
    _lock: File,
    disk: DiskId,
}

impl DirGuard {
    /// Creates `dir` if need be, locks it and checks that it belongs to `identity`; a new directory is claimed for it.
    /// `log_dir` is where the log lives: one with files in it and no identity beside it is refused.
    pub(crate) fn claim(
        dir: &Path,
        log_dir: &Path,
        identity: &NodeIdentity,
    ) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
        let lock = lock(dir)?;
        let path = dir.join(IDENTITY_FILE);
        let known = if path
            .try_exists()
            .map_err(OpenError::io("look for", &path))?
        {
            check(&path, identity)?
        } else if has_files(log_dir)? {
            return Err(OpenError::IdentityMissing {
                dir: dir.to_owned(),
            });
        } else {
            None
        };
        let disk = match known {
            Some(disk) => disk,
            // New, or written by a release that did not number disks.
            None => {
                let disk = draw();
                write(dir, &path, identity, disk)?;
                disk
            }
        };
        Ok(Self { _lock: lock, disk })
    }

    /// Which disk this is.
    pub(crate) fn disk(&self) -> DiskId {
        self.disk
    }
}

/// Makes names created in or moved within `dir` survive a power loss.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), OpenError> {
    File::open(dir)
        .and_then(|open| open.sync_all())
        .map_err(OpenError::io("sync", dir))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(OpenError::io("open", &path))?;
    for _ in 1..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", path)(error)),
        }
    }
    Err(OpenError::InUse {
        dir: dir.to_owned(),
    })
}

fn has_files(dir: &Path) -> Result<bool, OpenError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::io("list", dir)(error)),
    }
}

fn draw() -> DiskId {
    loop {
        #[cfg(not(feature = "simulation"))]
        let bits = rand::random();
        #[cfg(feature = "simulation")]
        let bits = crate::simulation::random_bits();
        if let Some(disk) = DiskId::new(bits) {
            return disk;
        }
    }
}

fn body(identity: &NodeIdentity, disk: DiskId, format: u64) -> String {
    let NodeIdentity { cluster, node } = identity;
    format!("{HEADING}\nformat = {format}\ncluster = {cluster}\nnode = {node}\ndisk = {disk}\n")
}

fn checksum_line(body: &str) -> String {
    format!("checksum = {:016x}\n", xxh3_64(body.as_bytes()))
}

/// Written beside and renamed, so that a crash leaves either nothing or all of it.
fn write(dir: &Path, path: &Path, identity: &NodeIdentity, disk: DiskId) -> Result<(), OpenError> {
    let body = body(identity, disk, DIR_FORMAT);
    let fresh: PathBuf = dir.join("IDENTITY.new");
    let mut file = File::create(&fresh).map_err(OpenError::io("create", &fresh))?;
    file.write_all(body.as_bytes())
        .and_then(|()| file.write_all(checksum_line(&body).as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(OpenError::io("write", &fresh))?;
    fs::rename(&fresh, path).map_err(OpenError::io("create", path))?;
    sync_dir(dir)
}

/// Checks whose the directory is; its disk, when it has a number.
fn check(path: &Path, ours: &NodeIdentity) -> Result<Option<DiskId>, OpenError> {
    let bad = |problem: String| OpenError::BadIdentity {
        path: path.to_owned(),
        problem,
    };
    let length = fs::metadata(path)
        .map_err(OpenError::io("read", path))?
        .len();
    if length > IDENTITY_BYTES_MAX {
        return Err(bad(format!(
            "{length} bytes long, at most {IDENTITY_BYTES_MAX} expected"
        )));
    }
    let bytes = fs::read(path).map_err(OpenError::io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("not a text file".to_owned()))?;
    let body_end = text
        .rfind("checksum = ")
        .ok_or_else(|| bad("checksum is missing".to_owned()))?;
    let (body_text, checksum) = text.split_at(body_end);
    if checksum != checksum_line(body_text) {
        return Err(bad("checksum does not match the other lines".to_owned()));
    }
    if body_text.lines().next() != Some(HEADING) {
        return Err(bad(format!("first line is not {HEADING:?}")));
    }
    let format = number(body_text, "format").map_err(bad)?;
    if format > DIR_FORMAT {
        let path = path.to_owned();
        return Err(OpenError::NewerFormat {
            path,
            found: format,
            newest: DIR_FORMAT,
        });
    }
    let cluster = field(body_text, "cluster").map_err(bad)?;
    let node = number(body_text, "node").map_err(bad)?;
    same(path, "cluster", cluster, &ours.cluster)?;
    same(path, "node", &node.to_string(), &ours.node.to_string())?;
    let Ok(disk) = field(body_text, "disk") else {
        return Ok(None);
    };
    let number = u128::from_str_radix(disk, 16).ok().and_then(DiskId::new);
    number.map(Some).ok_or_else(|| {
        bad(format!(
            "disk is {disk:?}, a hexadecimal number was expected"
        ))
    })
}

fn same(path: &Path, field: &'static str, found: &str, expected: &str) -> Result<(), OpenError> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.to_owned(), expected.to_owned());
    Err(OpenError::NotOurs {
        path: path.to_owned(),
        field,
        found,
        expected,
    })
}

fn field<'a>(body: &'a str, name: &str) -> Result<&'a str, String> {
    body.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
        .ok_or_else(|| format!("{name} is missing"))
}

fn number(body: &str, name: &str) -> Result<u64, String> {
    let text = field(body, name)?;
    text.parse()
        .map_err(|_| format!("{name} is {text:?}, a number was expected"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn ours() -> NodeIdentity {
        NodeIdentity {
            cluster: "demo".to_owned(),
            node: 3,
        }
    }

    fn claim(dir: &Path, identity: &NodeIdentity) -> Result<DirGuard, OpenError> {
        DirGuard::claim(dir, &dir.join("log"), identity)
    }

    #[test]
    fn a_directory_opens_again_for_its_own_node() {
        let dir = TempDir::new().unwrap();
        let first = claim(dir.path(), &ours()).unwrap().disk();
        let again = claim(dir.path(), &ours()).unwrap().disk();
        assert_eq!(first, again, "a disk keeps its number");
        let other = TempDir::new().unwrap();
        assert_ne!(claim(other.path(), &ours()).unwrap().disk(), first);
    }

    #[test]
    fn a_directory_of_a_release_that_did_not_number_disks_gets_a_number() {
        let dir = TempDir::new().unwrap();
        let old = format!("{HEADING}\nformat = 1\ncluster = demo\nnode = 3\n");
        let text = format!("{old}{}", checksum_line(&old));
        fs::write(dir.path().join("IDENTITY"), text).unwrap();
        let first = claim(dir.path(), &ours()).unwrap().disk();
        assert_eq!(claim(dir.path(), &ours()).unwrap().disk(), first);
    }

    #[test]
    fn another_node_or_cluster_is_refused_by_field() {
        let dir = TempDir::new().unwrap();
        drop(claim(dir.path(), &ours()).unwrap());
        for (field, identity) in [
            ("node", NodeIdentity { node: 4, ..ours() }),
            (
                "cluster",
                NodeIdentity {
                    cluster: "other".to_owned(),
                    ..ours()
                },
            ),
        ] {
            let error = claim(dir.path(), &identity).unwrap_err();
            assert!(matches!(&error, OpenError::NotOurs { field: found, .. } if *found == field));
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = TempDir::new().unwrap();
        let newer = body(&ours(), draw(), DIR_FORMAT + 1);
        fs::write(
            dir.path().join("IDENTITY"),
            format!("{newer}{}", checksum_line(&newer)),
        )
        .unwrap();
        let error = claim(dir.path(), &ours()).unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::NewerFormat {
                    found: 2,
                    newest: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let dir = TempDir::new().unwrap();
        let first = claim(dir.path(), &ours()).unwrap();
        let error = claim(dir.path(), &ours()).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        drop(first);
        claim(dir.path(), &ours()).unwrap();
    }

    #[test]
    fn a_damaged_identity_is_refused() {
        let dir = TempDir::new().unwrap();
        drop(claim(dir.path(), &ours()).unwrap());
        let path = dir.path().join("IDENTITY");
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [
            text.replace("node = 3", "node = 4"),
            String::new(),
            "x".repeat(5_000),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = claim(dir.path(), &ours()).unwrap_err();
            assert!(matches!(error, OpenError::BadIdentity { .. }), "{error}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(claim(dir.path(), &ours()).is_err());
    }

    #[test]
    fn a_log_without_identity_is_refused() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        fs::write(dir.path().join("log").join("0001.raftlog"), b"x").unwrap();
        let error = claim(dir.path(), &ours()).unwrap_err();
        assert!(
            matches!(error, OpenError::IdentityMissing { .. }),
            "{error}"
        );
    }
}
