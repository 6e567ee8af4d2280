//! What the snapshot store costs: writing, room on disk as snapshots are replaced, opening again.
//!
//! Owns: the measured runs over the snapshot store. Must never: be used by the node itself.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdfast_region_config::GroupId;
use tokio::time::Instant;

use super::pairs::SledPairs;
use super::{CACHE_BYTES, KEPT_PER_GROUP, SnapshotStore};
use crate::log_store::measure::{disk_bytes, resident_bytes};
use crate::types::{SnapshotMeta, StoredMembership, log_id};

/// Which snapshot store is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// The one that nodes use: manifests in sled, pieces in files.
    SledAndFiles,
    /// Pieces in sled too. Only for comparison.
    Sled,
}

impl SnapshotKind {
    /// Every kind, ours first.
    pub const ALL: [Self; 2] = [Self::SledAndFiles, Self::Sled];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SledAndFiles => "sled-and-files",
            Self::Sled => "sled",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn open(self, dir: &Path) -> Result<SnapshotStore, String> {
        match self {
            Self::SledAndFiles => SnapshotStore::open(dir),
            Self::Sled => SnapshotStore::opened(dir, |dir| {
                Ok(Box::new(SledPairs::open(&dir.join("state"), CACHE_BYTES)?))
            }),
        }
        .map_err(|error| error.to_string())
    }
}

/// What writing snapshots showed.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotFill {
    /// Snapshots written.
    pub snapshots: u64,
    /// How long that took.
    pub took: Duration,
    /// Bytes of snapshots written.
    pub payload_bytes: u64,
    /// Bytes of snapshots that are kept at the end.
    pub live_bytes: u64,
    /// Space of the store when every group had its snapshots for the first time, bytes.
    pub first_disk_bytes: u64,
    /// Space of the store at the end, bytes.
    pub disk_bytes: u64,
    /// Memory at the end, bytes, above that of the process before.
    pub resident_bytes: Option<u64>,
}

/// What opening showed.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotOpening {
    /// Time until the store can be used.
    pub open: Duration,
    /// Time to list the groups that have a snapshot, on top.
    pub list_groups: Duration,
    /// Groups found.
    pub groups: u64,
    /// Median time to read the newest snapshot of a group.
    pub read_p50: Duration,
    /// Memory after opening, bytes, above that of the process before.
    pub open_resident_bytes: Option<u64>,
    /// Space of the store once opened, bytes.
    pub disk_bytes: u64,
}

/// Writes `rounds` snapshots of `snapshot_bytes` for each of `group_count` groups, one round of all groups after another.
///
/// # Errors
/// A description of what failed.
pub async fn fill_snapshots(
    dir: &Path,
    kind: SnapshotKind,
    group_count: u64,
    snapshot_bytes: usize,
    rounds: u64,
) -> Result<SnapshotFill, String> {
    let resident_before = resident_bytes();
    let store = kind.open(dir)?;
    let start = Instant::now();
    let mut first_disk_bytes = 0;
    for round in 0..rounds {
        for group in 0..group_count {
            let meta = SnapshotMeta {
                last_log_id: Some(log_id(1, round + 1)),
                last_membership: StoredMembership::default(),
            };
            let bytes = content(group ^ (round << 32), snapshot_bytes);
            store
                .put(GroupId::new(group), meta, bytes)
                .await
                .map_err(|e| e.to_string())?;
        }
        if round + 1 == KEPT_PER_GROUP as u64 {
            first_disk_bytes = disk_bytes(dir);
        }
    }
    let took = start.elapsed();
    let kept = rounds.min(KEPT_PER_GROUP as u64);
    let of = |count: u64| count * snapshot_bytes as u64;
    let above = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
    let resident = above(resident_bytes(), resident_before);
    drop(store);
    Ok(SnapshotFill {
        snapshots: rounds * group_count,
        took,
        payload_bytes: of(rounds * group_count),
        live_bytes: of(kept * group_count),
        first_disk_bytes,
        disk_bytes: disk_bytes(dir),
        resident_bytes: resident,
    })
}

/// Opens the store in `dir`, lists its groups and reads some of them.
///
/// # Errors
/// A description of what failed, or that a snapshot is gone.
pub async fn open_snapshots(dir: &Path, kind: SnapshotKind) -> Result<SnapshotOpening, String> {
    /// Groups read, spread over all.
    const READS: usize = 200;
    let resident_before = resident_bytes();
    let start = Instant::now();
    let store = kind.open(dir)?;
    let open = start.elapsed();
    let open_resident = resident_bytes();
    let start = Instant::now();
    let groups = store.groups().map_err(|e| e.to_string())?;
    let list_groups = start.elapsed();
    let mut reads = Vec::new();
    for group in groups.iter().step_by((groups.len() / READS).max(1)) {
        let start = Instant::now();
        let found = store
            .latest_valid(*group)
            .await
            .map_err(|e| e.to_string())?;
        reads.push(start.elapsed());
        found.ok_or_else(|| format!("{group} has lost its snapshots"))?;
    }
    reads.sort_unstable();
    Ok(SnapshotOpening {
        open,
        list_groups,
        groups: groups.len() as u64,
        read_p50: reads.get(reads.len() / 2).copied().unwrap_or_default(),
        open_resident_bytes: resident_before
            .zip(open_resident)
            .map(|(before, now)| now.saturating_sub(before)),
        disk_bytes: disk_bytes(dir),
    })
}

/// Bytes that differ from snapshot to snapshot and do not compress to nothing.
fn content(seed: u64, count: usize) -> Bytes {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(count + 8);
    while out.len() < count {
        // xorshift: cheap and good enough to be incompressible.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(count);
    Bytes::from(out)
}
