//! The parts, each run in a process of its own.
//!
//! Owns: the names of the figures that a part prints. Must never: start another process.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_raft::measure::{
    LogKind, device_write_bytes, fill_log, group_commit, open_log, purge_log,
};
use holdfast_raft::measure_snapshots::{SnapshotKind, fill_snapshots, open_snapshots};

use crate::report::Figure;

/// `NAME KIND DIR NUMBER…`
struct Part<'a> {
    kind: &'a str,
    dir: PathBuf,
    numbers: Vec<u64>,
}

impl Part<'_> {
    fn number(&self, at: usize) -> Result<u64, String> {
        let number = self.numbers.get(at).copied();
        number.ok_or_else(|| format!("the part needs {} numbers", at + 1))
    }

    fn log(&self) -> Result<LogKind, String> {
        LogKind::named(self.kind).ok_or_else(|| format!("there is no log {:?}", self.kind))
    }

    fn snapshots(&self) -> Result<SnapshotKind, String> {
        let kind = SnapshotKind::named(self.kind);
        kind.ok_or_else(|| format!("there is no snapshot store {:?}", self.kind))
    }
}

/// Runs one part and prints its figures, without the prefix that tells one run of a part from another, as one JSON line.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let [name, kind, dir, numbers @ ..] = words else {
        return Err("a part needs a name, a kind and a directory".to_owned());
    };
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| format!("{text:?} is not a number"))
    };
    let part = Part {
        kind,
        dir: dir.into(),
        numbers: numbers.iter().map(parse).collect::<Result<_, _>>()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(|error| error.to_string())?;
    let figures = runtime.block_on(async {
        match name.as_str() {
            "commit" => commit(&part).await,
            "fill-log" => fill(&part).await,
            "open-log" => open(&part),
            "purge-log" => purge(&part).await,
            "fill-snapshots" => fill_store(&part).await,
            "open-snapshots" => open_store(&part).await,
            other => Err(format!("there is no part {other:?}")),
        }
    })?;
    let line = serde_json::to_string(&figures).map_err(|error| error.to_string())?;
    println!("{line}");
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn present(figures: impl IntoIterator<Item = Option<Figure>>) -> Vec<Figure> {
    figures.into_iter().flatten().collect()
}

async fn commit(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let (groups, entries) = (part.number(0)?, part.number(1)?);
    let duration = Duration::from_millis(part.number(2)?);
    let commits_max = part.number(3).unwrap_or(u64::MAX);
    let sample = group_commit(
        &part.dir,
        part.log()?,
        groups,
        entries,
        duration,
        commits_max,
    )
    .await?;
    let commits = sample.commits as f64;
    Ok(present([
        Some(Figure::new("commits", commits, "")),
        Some(Figure::new(
            "entries_per_second",
            sample.entries_per_second,
            "entries/s",
        )),
        Some(Figure::new("commit_p50_us", micros(sample.round_p50), "µs")),
        Some(Figure::new("commit_p99_us", micros(sample.round_p99), "µs")),
        Some(Figure::new("syncs_per_entry", sample.syncs_per_entry, "")),
        Some(Figure::new(
            "written_per_payload",
            sample.written_per_payload_ratio,
            "ratio",
        )),
        sample
            .device_per_payload_ratio
            .map(|ratio| Figure::new("write_amplification", ratio, "ratio")),
    ]))
}

async fn fill(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let sample = fill_log(&part.dir, part.log()?, part.number(0)?, part.number(1)?).await?;
    let seconds = sample.took.as_secs_f64();
    Ok(vec![
        Figure::new("entries", sample.entries as f64, "entries"),
        Figure::new(
            "fill_entries_per_second",
            sample.entries as f64 / seconds,
            "entries/s",
        ),
        Figure::new("full_disk_bytes", sample.disk_bytes as f64, "B"),
    ])
}

fn open(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let sample = open_log(&part.dir, part.log()?)?;
    let load_us = micros(sample.load_all_groups) / (sample.groups.max(1) as f64);
    let memory =
        |name: &str, bytes: Option<u64>| bytes.map(|bytes| Figure::new(name, bytes as f64, "B"));
    Ok(present([
        Some(Figure::new("open_s", sample.open.as_secs_f64(), "s")),
        Some(Figure::new("groups", sample.groups as f64, "groups")),
        Some(Figure::new("load_group_us", load_us, "µs")),
        memory("open_resident_bytes", sample.open_resident_bytes),
        memory("loaded_resident_bytes", sample.loaded_resident_bytes),
    ]))
}

async fn purge(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let sample = purge_log(&part.dir, part.log()?).await?;
    Ok(vec![
        Figure::new("purge_s", sample.took.as_secs_f64(), "s"),
        Figure::new("live_bytes", sample.live_bytes as f64, "B"),
        Figure::new("purged_disk_bytes", sample.disk_bytes as f64, "B"),
        Figure::new("settled_disk_bytes", sample.settled_disk_bytes as f64, "B"),
    ])
}

async fn fill_store(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let bytes = usize::try_from(part.number(1)?).map_err(|error| error.to_string())?;
    let kind = part.snapshots()?;
    let before = device_write_bytes();
    let sample = fill_snapshots(&part.dir, kind, part.number(0)?, bytes, part.number(2)?).await?;
    // Taken here, when the store is closed and has written all that it had left.
    let device = device_write_bytes()
        .zip(before)
        .map(|(after, before)| after - before);
    let snapshots = sample.snapshots as f64;
    let live = sample.live_bytes as f64;
    Ok(present([
        Some(Figure::new("put_us", micros(sample.took) / snapshots, "µs")),
        device.map(|bytes| {
            let ratio = bytes as f64 / sample.payload_bytes as f64;
            Figure::new("write_amplification", ratio, "ratio")
        }),
        Some(Figure::new(
            "first_disk_per_live",
            sample.first_disk_bytes as f64 / live,
            "ratio",
        )),
        Some(Figure::new(
            "disk_per_live",
            sample.disk_bytes as f64 / live,
            "ratio",
        )),
        Some(Figure::new("live_bytes", live, "B")),
        sample
            .resident_bytes
            .map(|bytes| Figure::new("resident_bytes", bytes as f64, "B")),
    ]))
}

async fn open_store(part: &Part<'_>) -> Result<Vec<Figure>, String> {
    let sample = open_snapshots(&part.dir, part.snapshots()?).await?;
    Ok(present([
        Some(Figure::new("open_s", sample.open.as_secs_f64(), "s")),
        Some(Figure::new(
            "list_groups_s",
            sample.list_groups.as_secs_f64(),
            "s",
        )),
        Some(Figure::new("groups", sample.groups as f64, "groups")),
        Some(Figure::new("read_p50_us", micros(sample.read_p50), "µs")),
        sample
            .open_resident_bytes
            .map(|bytes| Figure::new("open_resident_bytes", bytes as f64, "B")),
    ]))
}
