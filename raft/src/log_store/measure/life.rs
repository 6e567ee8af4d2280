//! The life of a log: filled, opened again, purged, opened again.
//!
//! Owns: the runs and what they report. Must never: open a log that it filled in the same process when it measures
//! opening or memory; the benchmark starts a process for that.

use std::path::Path;
use std::time::Duration;

use holdfast_region_config::GroupId;
use openraft::storage::RaftLogStorage;
use tokio::time::Instant;

use super::commit::Writers;
use super::{LogKind, PAYLOAD_BYTES, disk_bytes, resident_bytes};
use crate::log_store::{GroupLog, LogEngine};
use crate::types::{Vote, log_id};

/// Entries a commit while filling.
const FILL_ENTRIES_PER_COMMIT: u64 = 256;

/// Entries kept of each hundred when the log is purged.
const KEPT_PERCENT: u64 = 5;

/// Bytes of payload written after a purge, spread over the groups, so that old files are looked for as in a running node.
const SETTLE_BYTES: u64 = 96 << 20;

/// What filling showed.
#[derive(Debug, Clone, Copy)]
pub struct LogFill {
    /// Entries written.
    pub entries: u64,
    /// How long that took.
    pub took: Duration,
    /// Space of the log, bytes.
    pub disk_bytes: u64,
}

/// What opening showed.
#[derive(Debug, Clone, Copy)]
pub struct LogOpening {
    /// Time until the log can be used.
    pub open: Duration,
    /// Time until every group was loaded, on top.
    pub load_all_groups: Duration,
    /// Groups found.
    pub groups: u64,
    /// Memory after opening, bytes, above that of the process before.
    pub open_resident_bytes: Option<u64>,
    /// Memory after loading every group, bytes, above that of the process before.
    pub loaded_resident_bytes: Option<u64>,
}

/// What purging showed.
#[derive(Debug, Clone, Copy)]
pub struct LogPurge {
    /// Time in which all groups purged.
    pub took: Duration,
    /// Bytes of payload that are alive at the end.
    pub live_bytes: u64,
    /// Space of the log right after, bytes.
    pub disk_bytes: u64,
    /// Space of the log after it was written to for a while, bytes.
    pub settled_disk_bytes: u64,
}

/// Fills a new log in `dir`: `group_count` groups of `entries_per_group` entries and a vote each.
///
/// # Errors
/// A description of what failed.
pub async fn fill_log(
    dir: &Path,
    kind: LogKind,
    group_count: u64,
    entries_per_group: u64,
) -> Result<LogFill, String> {
    let engine = kind.open(dir)?;
    let start = Instant::now();
    let mut writers = Writers::open(&engine, group_count)?;
    let mut votes = tokio::task::JoinSet::new();
    for (mut log, _) in writers.groups.iter().map(|(log, end)| (log.clone(), *end)) {
        votes.spawn(async move { log.save_vote(&Vote::new_committed(1, 1)).await });
    }
    for vote in votes.join_all().await {
        vote.map_err(|e| e.to_string())?;
    }
    let entries = group_count * entries_per_group;
    let mut written = 0;
    while written < entries {
        let count = FILL_ENTRIES_PER_COMMIT.min(entries - written);
        writers.round(count, false).await?;
        written += count;
    }
    let took = start.elapsed();
    drop(writers);
    engine.close();
    Ok(LogFill {
        entries,
        took,
        disk_bytes: disk_bytes(&LogEngine::log_dir(dir)),
    })
}

/// Opens the log in `dir` and then every group in it.
///
/// # Errors
/// A description of what failed.
pub fn open_log(dir: &Path, kind: LogKind) -> Result<LogOpening, String> {
    let resident_before = resident_bytes();
    let above = |now: Option<u64>| Some(now?.saturating_sub(resident_before?));
    let start = Instant::now();
    let engine = kind.open(dir)?;
    let open = start.elapsed();
    let open_resident_bytes = above(resident_bytes());
    let start = Instant::now();
    let loaded = load_all(&engine)?;
    Ok(LogOpening {
        open,
        load_all_groups: start.elapsed(),
        groups: loaded.len() as u64,
        open_resident_bytes,
        loaded_resident_bytes: above(resident_bytes()),
    })
}

fn load_all(engine: &LogEngine) -> Result<Vec<(GroupId, GroupLog)>, String> {
    let load = |group| engine.group(group).map(|log| (group, log));
    let loaded = engine.groups().into_iter().map(load);
    loaded.collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// Purges all but the newest 5 % of every group of the log in `dir`, then writes to the log and purges that too, as a
/// running node would.
///
/// # Errors
/// A description of what failed.
pub async fn purge_log(dir: &Path, kind: LogKind) -> Result<LogPurge, String> {
    let engine = kind.open(dir)?;
    let log_dir = LogEngine::log_dir(dir);
    let mut groups = load_all(&engine)?;
    let start = Instant::now();
    let mut kept_entries = 0;
    let mut purges = tokio::task::JoinSet::new();
    for (_, log) in &mut groups {
        let state = log.get_log_state().await.map_err(|e| e.to_string())?;
        let end = state.last_log_id.map_or(0, |id| id.index() + 1);
        let kept = (end * KEPT_PERCENT / 100).max(1);
        kept_entries += kept;
        let mut log = log.clone();
        purges.spawn(async move { log.purge(log_id(1, end.saturating_sub(kept + 1))).await });
    }
    for purge in purges.join_all().await {
        purge.map_err(|e| e.to_string())?;
    }
    let took = start.elapsed();
    let disk_after = disk_bytes(&log_dir);
    let live_bytes = kept_entries * PAYLOAD_BYTES as u64;
    settle(&engine).await?;
    drop(groups);
    engine.close();
    Ok(LogPurge {
        took,
        live_bytes,
        disk_bytes: disk_after,
        settled_disk_bytes: disk_bytes(&log_dir),
    })
}

/// A group of its own that writes and purges.
async fn settle(engine: &LogEngine) -> Result<(), String> {
    let busy = engine
        .group(GroupId::new(u64::MAX))
        .map_err(|e| e.to_string())?;
    let mut writers = Writers::of(vec![(busy, 0)]);
    let rounds = SETTLE_BYTES / (FILL_ENTRIES_PER_COMMIT * PAYLOAD_BYTES as u64);
    for _ in 0..rounds {
        writers.round(FILL_ENTRIES_PER_COMMIT, false).await?;
        for (log, end) in &mut writers.groups {
            let upto = log_id(1, *end - 1);
            log.purge(upto).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
