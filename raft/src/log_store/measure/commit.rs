//! How fast entries become durable, and what that costs the disk.
//!
//! Owns: one measured cell: so many entries over so many groups a commit. Must never: count what opening the log cost.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdfast_region_config::GroupId;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use tokio::time::Instant;

use super::{LogKind, PAYLOAD_BYTES, device_write_bytes};
use crate::log_store::{GroupLog, LogEngine};
use crate::types::{AppData, Entry, TypeConfig, log_id};

/// What one cell showed.
#[derive(Debug, Clone, Copy)]
pub struct GroupCommitSample {
    /// Commits: rounds of entries that were made durable.
    pub commits: u64,
    /// Entries made durable per second.
    pub entries_per_second: f64,
    /// Flushes that the log asked for, per entry.
    pub syncs_per_entry: f64,
    /// Bytes written to log files per byte of payload.
    pub written_per_payload_ratio: f64,
    /// Bytes sent to the disk per byte of payload, by the kernel's count; `None` where it does not tell.
    pub device_per_payload_ratio: Option<f64>,
    /// Median time of a round: all its entries handed over until all are durable.
    pub round_p50: Duration,
    /// 99th percentile of the same.
    pub round_p99: Duration,
}

/// Writes rounds of `entries_per_round` entries, spread over `group_count` groups, each round when the one before is
/// durable, into a new log in `dir`, for `duration` or until `rounds_max` rounds are written.
///
/// # Errors
/// A description of what failed: the directory, the log, or a group.
pub async fn group_commit(
    dir: &Path,
    kind: LogKind,
    group_count: u64,
    entries_per_round: u64,
    duration: Duration,
    rounds_max: u64,
) -> Result<GroupCommitSample, String> {
    let engine = kind.open(dir)?;
    let mut writers = Writers::open(&engine, group_count)?;
    let mut rounds = Vec::new();
    let before = engine.stats();
    let device_before = device_write_bytes();
    let start = Instant::now();
    while start.elapsed() < duration && (rounds.len() as u64) < rounds_max {
        let round = Instant::now();
        writers.round(entries_per_round, true).await?;
        rounds.push(round.elapsed());
    }
    let seconds = start.elapsed().as_secs_f64();
    let device_after = device_write_bytes();
    let after = engine.stats();
    // At least one, so that a run of no rounds has figures too.
    let entries = (after.entries - before.entries).max(1) as f64;
    let payload_bytes = entries * PAYLOAD_BYTES as f64;
    rounds.sort_unstable();
    Ok(GroupCommitSample {
        commits: rounds.len() as u64,
        entries_per_second: entries / seconds,
        syncs_per_entry: (after.syncs - before.syncs) as f64 / entries,
        written_per_payload_ratio: (after.written_bytes - before.written_bytes) as f64
            / payload_bytes,
        device_per_payload_ratio: device_before
            .zip(device_after)
            .map(|(before, after)| (after - before) as f64 / payload_bytes),
        round_p50: percentile(&rounds, 50),
        round_p99: percentile(&rounds, 99),
    })
}

/// Groups that are written to in turn.
pub(super) struct Writers {
    /// Each group's log and the index after its last entry.
    pub(super) groups: Vec<(GroupLog, u64)>,
    next: usize,
    payload: Bytes,
}

impl Writers {
    /// Groups `0..count` of `engine`, all new.
    pub(super) fn open(engine: &LogEngine, count: u64) -> Result<Self, String> {
        let group = |group| engine.group(GroupId::new(group)).map_err(|e| e.to_string());
        let open = |number| group(number).map(|log| (log, 0_u64));
        Ok(Self::of((0..count).map(open).collect::<Result<_, _>>()?))
    }

    /// These groups, each with the index after its last entry.
    pub(super) fn of(groups: Vec<(GroupLog, u64)>) -> Self {
        Self {
            groups,
            next: 0,
            payload: Bytes::from(vec![0x5a; PAYLOAD_BYTES]),
        }
    }

    /// Hands over the entries of one round, one append a group, and waits until all are durable.
    pub(super) async fn round(&mut self, entry_count: u64, purge: bool) -> Result<(), String> {
        let appends = entry_count.min(self.groups.len() as u64);
        let mut waiting = Vec::new();
        for append in 0..appends {
            let share = entry_count / appends + u64::from(append < entry_count % appends);
            let at = self.next;
            self.next = (at + 1) % self.groups.len();
            let (log, end) = &mut self.groups[at];
            let entry = |index| Entry {
                log_id: log_id(1, index),
                payload: EntryPayload::Normal(AppData {
                    bytes: self.payload.clone(),
                }),
            };
            let batch: Vec<Entry> = (*end..*end + share).map(entry).collect();
            *end += share;
            let (tell, told) = TypeConfig::oneshot();
            log.append(batch, IOFlushed::signal(tell))
                .await
                .map_err(|e| e.to_string())?;
            waiting.push(told);
            if purge {
                keep_the_log_short(log, *end, share).await?;
            }
        }
        for durable in waiting {
            let outcome = durable.await.map_err(|_| "the log went away".to_owned())?;
            outcome.map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

/// Purges now and then, as snapshots would, so that old files are freed under the measurement.
async fn keep_the_log_short(log: &mut GroupLog, end: u64, added: u64) -> Result<(), String> {
    const KEPT_ENTRIES: u64 = 10_000;
    let crossed = end / KEPT_ENTRIES > (end - added) / KEPT_ENTRIES;
    if !crossed || end < 2 * KEPT_ENTRIES {
        return Ok(());
    }
    log.purge(log_id(1, end - KEPT_ENTRIES))
        .await
        .map_err(|e| e.to_string())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}
