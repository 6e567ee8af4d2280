//! How fast this disk makes entries durable, for the group-commit benchmark.
//!
//! Owns: one measured cell: so many entries over so many groups a commit. Must never: be used by the node itself; it is
//! the only public door to the log store, and nothing of the log's types shows through it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdfast_region_config::GroupId;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use tokio::time::Instant;

use super::{GroupLog, LogEngine, LogOptions, NodeIdentity};
use crate::types::{AppData, Entry, TypeConfig, log_id};

/// Payload of a measured entry, bytes: the encoded batch of two or three holds.
pub const PAYLOAD_BYTES: usize = 200;

/// What one cell showed.
#[derive(Debug, Clone, Copy)]
pub struct GroupCommitSample {
    /// Entries made durable per second.
    pub entries_per_second: f64,
    /// fdatasync calls per entry.
    pub syncs_per_entry: f64,
    /// Bytes written to log files per byte of payload.
    pub written_per_payload_ratio: f64,
    /// Median time of a round: all its entries handed over until all are durable.
    pub round_p50: Duration,
    /// 99th percentile of the same.
    pub round_p99: Duration,
}

/// Writes rounds of `entries_per_round` entries, spread over `group_count` groups, each round when the one before is
/// durable, for `duration`, into a new log in `dir`.
///
/// # Errors
/// A description of what failed: the directory, the log, or a group.
pub async fn group_commit(
    dir: &Path,
    group_count: u64,
    entries_per_round: u64,
    duration: Duration,
) -> Result<GroupCommitSample, String> {
    let identity = NodeIdentity {
        cluster: "bench".to_owned(),
        node: 1,
    };
    let engine = LogEngine::open(dir, LogOptions::new(identity)).map_err(|e| e.to_string())?;
    let mut groups = Vec::new();
    for group in 0..group_count {
        let log = engine
            .group(GroupId::new(group))
            .map_err(|e| e.to_string())?;
        groups.push((log, 0_u64));
    }
    let payload = Bytes::from(vec![0x5a; PAYLOAD_BYTES]);
    let mut next_group = 0;
    let mut rounds = Vec::new();
    let before = engine.stats();
    let start = Instant::now();
    while start.elapsed() < duration {
        let round = Instant::now();
        one_round(&mut groups, &mut next_group, entries_per_round, &payload).await?;
        rounds.push(round.elapsed());
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = engine.stats();
    let entries = (after.entries - before.entries) as f64;
    rounds.sort_unstable();
    Ok(GroupCommitSample {
        entries_per_second: entries / seconds,
        syncs_per_entry: (after.syncs - before.syncs) as f64 / entries,
        written_per_payload_ratio: (after.written_bytes - before.written_bytes) as f64
            / (entries * PAYLOAD_BYTES as f64),
        round_p50: percentile(&rounds, 50),
        round_p99: percentile(&rounds, 99),
    })
}

/// Hands over the entries of one round, one append a group, and waits until all are durable.
async fn one_round(
    groups: &mut [(GroupLog, u64)],
    next_group: &mut usize,
    entry_count: u64,
    payload: &Bytes,
) -> Result<(), String> {
    let group_count = groups.len() as u64;
    let appends = entry_count.min(group_count);
    let mut waiting = Vec::new();
    for append in 0..appends {
        let share = entry_count / appends + u64::from(append < entry_count % appends);
        let (log, end) = &mut groups[*next_group];
        *next_group = (*next_group + 1) % usize::try_from(group_count).unwrap_or(1);
        let entry = |index| Entry {
            log_id: log_id(1, index),
            payload: EntryPayload::Normal(AppData {
                bytes: payload.clone(),
            }),
        };
        let batch: Vec<Entry> = (*end..*end + share).map(entry).collect();
        *end += share;
        let (tell, told) = TypeConfig::oneshot();
        log.append(batch, IOFlushed::signal(tell))
            .await
            .map_err(|e| e.to_string())?;
        waiting.push(told);
        keep_the_log_short(log, *end, share).await?;
    }
    for durable in waiting {
        let outcome = durable.await.map_err(|_| "the log went away".to_owned())?;
        outcome.map_err(|e| e.to_string())?;
    }
    Ok(())
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
