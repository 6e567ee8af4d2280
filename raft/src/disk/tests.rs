//! Disks that fill up, fail and come back: one that only pretends, and a real small one where the tests may mount it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use holdfast_region_config::GroupId;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogReader as _, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;
use tempfile::TempDir;

use super::*;
use crate::log_store::{GroupLog, LogOptions, NodeIdentity};
use crate::types::{AppData, Entry, SnapshotMeta, StoredMembership, TypeConfig, Vote, log_id};

const GROUP: GroupId = GroupId::new(5);
const RESERVE_BYTES: u64 = 1 << 20;

fn stores(dir: &Path) -> (SnapshotStore, LogEngine) {
    let snapshots = SnapshotStore::open(dir).unwrap();
    let mut options = LogOptions::new(NodeIdentity {
        cluster: "test".to_owned(),
        node: 1,
    });
    options.file_bytes = 256 << 10;
    options.purge_threshold_bytes = 1 << 20;
    options.purge_floor = Some(Arc::new(snapshots.clone()));
    let log = LogEngine::open(dir, options).unwrap();
    (snapshots, log)
}

fn entry(index: u64) -> Entry {
    let bytes = Bytes::from(vec![index.to_le_bytes()[0]; 2_000]);
    Entry {
        log_id: log_id(1, index),
        payload: EntryPayload::Normal(AppData { bytes }),
    }
}

/// Whether the entry was acknowledged.
async fn append(log: &mut GroupLog, index: u64) -> bool {
    let (tell, told) = TypeConfig::oneshot();
    if log
        .append([entry(index)], IOFlushed::signal(tell))
        .await
        .is_err()
    {
        return false;
    }
    matches!(told.await, Ok(Ok(())))
}

async fn put_snapshot(snapshots: &SnapshotStore, index: u64, bytes: usize) -> bool {
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(1, index)),
        last_membership: StoredMembership::default(),
    };
    let bytes = Bytes::from(vec![index.to_le_bytes()[0]; bytes]);
    snapshots.put(GROUP, meta, bytes).await.is_ok()
}

/// A disk with as much room as it is told, which refuses probes when it is told.
#[derive(Default)]
struct PretendedDisk {
    free_bytes: AtomicU64,
    refuses: AtomicBool,
    probes: AtomicU64,
}

impl DataDisk for PretendedDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.free_bytes.load(Ordering::SeqCst))
    }

    fn probe(&self) -> io::Result<()> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        if self.refuses.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }
}

#[tokio::test]
async fn too_little_room_is_said_before_writes_fail_and_taken_back_with_a_margin() {
    let dir = TempDir::new().unwrap();
    let (_snapshots, log) = stores(dir.path());
    let disk = Arc::new(PretendedDisk::default());
    disk.free_bytes.store(2 * RESERVE_BYTES, Ordering::SeqCst);
    let guarded = GuardedDisk::new(Arc::clone(&disk) as Arc<dyn DataDisk>, RESERVE_BYTES);
    let mut health = log.health();
    let watching = tokio::spawn(guarded.watch(log.clone(), CancellationToken::new()));

    disk.free_bytes.store(RESERVE_BYTES - 1, Ordering::SeqCst);
    health.changed().await.unwrap();
    let state = DiskState::from(&*health.borrow_and_update());
    assert_eq!(
        state,
        DiskState::Full {
            free_bytes: RESERVE_BYTES - 1
        }
    );
    assert!(!state.takes_work() && state.remedy().is_some());
    let mut group = log.group(GROUP).unwrap();
    assert!(
        append(&mut group, 0).await,
        "what is under way still gets through"
    );
    group.save_vote(&Vote::new(1, 1)).await.unwrap();

    disk.free_bytes.store(RESERVE_BYTES + 1, Ordering::SeqCst);
    tokio::time::sleep(10 * LOOK_EVERY).await;
    assert!(
        !health.has_changed().unwrap(),
        "it does not flap at the mark"
    );
    disk.free_bytes
        .store(RESERVE_BYTES * 3 / 2, Ordering::SeqCst);
    health.changed().await.unwrap();
    assert_eq!(*health.borrow(), LogHealth::Healthy);
    watching.abort();
}

#[tokio::test]
async fn room_between_the_two_marks_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let (_snapshots, log) = stores(dir.path());
    let guarded = GuardedDisk::new(Arc::new(PretendedDisk::default()), RESERVE_BYTES);
    let full = |free_bytes| LogHealth::Full { free_bytes };
    let mut seen = Vec::new();
    for free_bytes in [3, 2, 1, 2, 3, 2].map(|half| half * RESERVE_BYTES / 2) {
        guarded.note(&log, free_bytes);
        seen.push(log.health().borrow().clone());
    }
    let low = full(RESERVE_BYTES / 2);
    let healthy = LogHealth::Healthy;
    assert_eq!(
        seen,
        [
            healthy.clone(),
            healthy.clone(),
            low.clone(),
            low,
            healthy.clone(),
            healthy
        ]
    );
}

#[tokio::test]
async fn recovery_waits_for_a_sound_probe_and_for_room() {
    let dir = TempDir::new().unwrap();
    let (snapshots, log) = stores(dir.path());
    let mut group = log.group(GROUP).unwrap();
    assert!(append(&mut group, 0).await);
    drop(group);
    let disk = Arc::new(PretendedDisk::default());
    disk.refuses.store(true, Ordering::SeqCst);
    let guarded = GuardedDisk::new(Arc::clone(&disk) as Arc<dyn DataDisk>, RESERVE_BYTES);
    let recovering = {
        let (log, snapshots) = (log.clone(), snapshots.clone());
        tokio::spawn(async move { guarded.recover(&log, &snapshots).await })
    };
    let probed = |count| {
        let disk = Arc::clone(&disk);
        async move {
            while disk.probes.load(Ordering::SeqCst) < count {
                tokio::time::sleep(PROBE_EVERY / 10).await;
            }
        }
    };
    probed(1).await;
    disk.refuses.store(false, Ordering::SeqCst);
    probed(3).await;
    assert!(!recovering.is_finished(), "there is no room yet");
    disk.free_bytes.store(2 * RESERVE_BYTES, Ordering::SeqCst);
    assert!(recovering.await.unwrap().is_empty());
    let mut group = log.group(GROUP).unwrap();
    assert!(append(&mut group, 1).await);
    assert_eq!(group.try_get_log_entries(..).await.unwrap().len(), 2);
}

#[test]
fn the_real_disk_has_room_and_takes_a_probe() {
    let dir = TempDir::new().unwrap();
    let disk = DirDisk::new(dir.path());
    assert!(disk.free_bytes().unwrap() > 0);
    disk.probe().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(DirDisk::new(&dir.path().join("gone")).probe().is_err());
}

/// A file system of a few MiB in memory; unmounted at the end.
struct SmallDisk {
    dir: PathBuf,
    _parent: TempDir,
}

impl SmallDisk {
    const BYTES: u64 = 8 << 20;

    /// `None`, with a word why, where the tests may not mount.
    fn mount() -> Option<Self> {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("small");
        fs::create_dir(&dir).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={}", Self::BYTES))
            .arg("holdfast-test")
            .arg(&dir)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                dir,
                _parent: parent,
            }),
            Ok(_) | Err(_) => {
                println!("skipped: a small file system cannot be mounted here (needs root)");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.dir).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

/// Everything that goes wrong on a disk that is really full, and everything that must be right again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_comes_back_from_a_disk_that_was_really_full() {
    let Some(small) = SmallDisk::mount() else {
        return;
    };
    let (snapshots, log) = stores(&small.dir);
    let guarded = GuardedDisk::new(Arc::new(DirDisk::new(&small.dir)), RESERVE_BYTES);
    let mut group = log.group(GROUP).unwrap();
    group.save_vote(&Vote::new(7, 1)).await.unwrap();
    assert!(put_snapshot(&snapshots, 0, 100_000).await);
    let mut acknowledged = 0;
    while acknowledged < 10 {
        assert!(append(&mut group, acknowledged).await);
        acknowledged += 1;
    }

    // Somebody else's file takes all the room.
    let ballast = small.dir.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
    drop(file);
    guarded.note(&log, guarded.free_bytes().unwrap());
    assert!(matches!(*log.health().borrow(), LogHealth::Full { .. }));
    assert!(
        !put_snapshot(&snapshots, 5, 1 << 20).await,
        "there is no room for a snapshot"
    );
    // What the log had allocated takes some more.
    while append(&mut group, acknowledged).await {
        acknowledged += 1;
        assert!(acknowledged < 10_000, "the disk is full");
    }
    assert!(matches!(*log.health().borrow(), LogHealth::Failed { .. }));
    assert!(group.save_vote(&Vote::new(8, 1)).await.is_err());
    assert!(guarded.try_recover(&log, &snapshots).await.is_err());

    fs::remove_file(&ballast).unwrap();
    drop(group);
    assert!(guarded.recover(&log, &snapshots).await.is_empty());
    assert_eq!(*log.health().borrow(), LogHealth::Healthy);
    let mut group = log.group(GROUP).unwrap();
    assert!(group.read_vote().await.unwrap() >= Some(Vote::new(7, 1)));
    let found = group.try_get_log_entries(..).await.unwrap();
    assert!(found.len() as u64 >= acknowledged);
    assert!(
        (0..)
            .zip(&found)
            .all(|(index, found)| *found == entry(index))
    );
    let next = found.len() as u64;
    assert!(append(&mut group, next).await);
    let (meta, _) = snapshots.latest_valid(GROUP).await.unwrap().unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(1, 0)));
    assert!(put_snapshot(&snapshots, 5, 1 << 20).await);
    drop(group);
    log.close();
    drop((log, snapshots));
}
