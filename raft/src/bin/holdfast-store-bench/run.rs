//! The whole bench: every part as a process of its own, their figures named, compared and set beside targets.
//!
//! Owns: the order, the working directory and counting fsyncs by strace. Must never: leave files behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_raft::measure::LogKind;
use holdfast_raft::measure_snapshots::SnapshotKind;

use crate::args::Plan;
use crate::report::{Figure, Report};

/// Groups of the large log.
const LOG_GROUPS: u64 = 100;

/// Commits and entries a commit of the run whose fsyncs are counted.
const COUNTED_COMMITS: u64 = 300;
const COUNTED_ENTRIES: u64 = 8;

/// Calls that make something durable, or pretend to.
const SYNC_CALLS: [&str; 5] = ["fsync", "fdatasync", "sync_file_range", "msync", "syncfs"];

/// Times that every snapshot is replaced after both are there.
const SNAPSHOT_ROUNDS: u64 = 6;

/// Where the parts write; removed with everything in it at the end.
struct Workshop {
    dir: PathBuf,
}

impl Workshop {
    fn open(parent: &Path) -> Result<Self, String> {
        let dir = parent.join(format!("holdfast-store-bench-{}", std::process::id()));
        fs::create_dir_all(&dir)
            .map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
        Ok(Self { dir })
    }

    /// A new directory.
    fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir)
            .map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
        Ok(dir)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("cannot remove {}: {error}", self.dir.display());
        }
    }
}

/// Runs what `plan` asks for.
pub(crate) fn all(plan: &Plan) -> Result<Report, String> {
    let workshop = Workshop::open(&plan.dir)?;
    let mut report = Report::new();
    if plan.wants("commit") {
        commits(plan, &workshop, &mut report)?;
    }
    if plan.wants("fsync") {
        fsyncs(&workshop, &mut report)?;
    }
    if plan.wants("log") {
        logs(plan, &workshop, &mut report)?;
    }
    if plan.wants("snapshots") {
        snapshots(plan, &workshop, &mut report)?;
    }
    Ok(report)
}

/// Starts this program for one part; its figures, each name under `prefix`.
fn part(prefix: &str, words: &[&str], dir: &Path, numbers: &[u64]) -> Result<Vec<Figure>, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.arg("part").args(words).arg(dir);
    command.args(numbers.iter().map(u64::to_string));
    eprintln!("measuring {prefix} …");
    figures(prefix, &mut command)
}

fn figures(prefix: &str, command: &mut Command) -> Result<Vec<Figure>, String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start {prefix}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{prefix} ended with {}", output.status));
    }
    let mut found: Vec<Figure> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{prefix} printed something else: {error}"))?;
    for figure in &mut found {
        figure.name = format!("{prefix}.{}", figure.name);
    }
    Ok(found)
}

fn commits(plan: &Plan, workshop: &Workshop, report: &mut Report) -> Result<(), String> {
    for groups in [1, LOG_GROUPS] {
        for entries in [1, 64, 256] {
            for kind in LogKind::ALL {
                let name = kind.name();
                let dir = workshop.fresh(&format!("commit-{name}-{groups}-{entries}"))?;
                let prefix = format!("commit.{name}.groups_{groups}.entries_{entries}");
                let numbers = [groups, entries, plan.millis];
                report
                    .results
                    .extend(part(&prefix, &["commit", name], &dir, &numbers)?);
                remove(&dir);
            }
            let at = |kind: LogKind| {
                format!(
                    "commit.{}.groups_{groups}.entries_{entries}.entries_per_second",
                    kind.name()
                )
            };
            let name = format!("ratio_plain_wal.groups_{groups}.entries_{entries}");
            report.ratio(&name, &at(LogKind::RaftEngine), &at(LogKind::PlainWal));
        }
    }
    Ok(())
}

/// Runs the same commits under strace, and none, and takes the difference.
fn fsyncs(workshop: &Workshop, report: &mut Report) -> Result<(), String> {
    if Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        report
            .notes
            .push("fsyncs were not counted: strace is not installed".to_owned());
        return Ok(());
    }
    for kind in LogKind::ALL {
        let name = kind.name();
        let mut counted = Vec::new();
        for commits in [0, COUNTED_COMMITS] {
            let dir = workshop.fresh(&format!("fsync-{name}-{commits}"))?;
            let summary = workshop.dir.join("strace");
            let this = std::env::current_exe().map_err(|error| error.to_string())?;
            let mut command = Command::new("strace");
            command.args(["-f", "-c", "-U", "name,calls", "-e"]);
            command.arg(format!("trace={}", SYNC_CALLS.join(",")));
            command.arg("-o").arg(&summary).arg(this);
            command.args(["part", "commit", name]).arg(&dir);
            command.args([1, COUNTED_ENTRIES, 60_000, commits].map(|number| number.to_string()));
            let prefix = format!("fsync.{name}");
            if let Err(problem) = figures(&prefix, &mut command) {
                report
                    .notes
                    .push(format!("fsyncs of {name} were not counted: {problem}"));
                return Ok(());
            }
            counted.push(calls(&fs::read_to_string(&summary).unwrap_or_default()));
            remove(&dir);
        }
        let [idle, busy] = counted.as_slice() else {
            continue;
        };
        for (call, (idle, busy)) in SYNC_CALLS.iter().zip(idle.iter().zip(busy)) {
            let per_commit = (*busy as f64 - *idle as f64) / COUNTED_COMMITS as f64;
            let name = format!("fsync.{name}.{call}_per_commit");
            report.results.push(Figure::new(name, per_commit, "calls"));
        }
    }
    report.target("fsync.raft-engine.fdatasync_per_commit", "= 1");
    Ok(())
}

/// Calls by name, in the order of [`SYNC_CALLS`], from strace's summary.
fn calls(summary: &str) -> Vec<u64> {
    let count = |name: &&str| {
        let line = summary.lines().find_map(|line| {
            let (call, count) = line.trim().split_once(char::is_whitespace)?;
            (call == *name).then_some(count)
        });
        line.and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    };
    SYNC_CALLS.iter().map(count).collect()
}

/// A log of few groups with many entries each, and one of many groups with few.
fn logs(plan: &Plan, workshop: &Workshop, report: &mut Report) -> Result<(), String> {
    for groups in [LOG_GROUPS, plan.groups] {
        for kind in LogKind::ALL {
            let name = kind.name();
            let dir = workshop.fresh(&format!("log-{name}-{groups}"))?;
            let prefix = format!("log.{name}.groups_{groups}");
            let entries = (plan.entries / groups).max(1);
            let results = &mut report.results;
            results.extend(part(
                &prefix,
                &["fill-log", name],
                &dir,
                &[groups, entries],
            )?);
            results.extend(part(
                &format!("{prefix}.full"),
                &["open-log", name],
                &dir,
                &[],
            )?);
            results.extend(part(&prefix, &["purge-log", name], &dir, &[])?);
            results.extend(part(
                &format!("{prefix}.purged"),
                &["open-log", name],
                &dir,
                &[],
            )?);
            let at = |figure: &str| format!("{prefix}.{figure}");
            report.ratio(
                &at("settled_disk_per_live"),
                &at("settled_disk_bytes"),
                &at("live_bytes"),
            );
            remove(&dir);
        }
    }
    let many = format!(
        "log.{}.groups_{}.full.open_s",
        LogKind::RaftEngine.name(),
        plan.groups
    );
    report.target(&many, "<= 2, with the snapshot store");
    Ok(())
}

fn snapshots(plan: &Plan, workshop: &Workshop, report: &mut Report) -> Result<(), String> {
    for kind in SnapshotKind::ALL {
        let name = kind.name();
        let dir = workshop.fresh(&format!("snapshots-{name}"))?;
        let prefix = format!("snapshots.{name}");
        let numbers = [plan.groups, plan.snapshot_bytes, SNAPSHOT_ROUNDS];
        let results = &mut report.results;
        results.extend(part(&prefix, &["fill-snapshots", name], &dir, &numbers)?);
        results.extend(part(&prefix, &["open-snapshots", name], &dir, &[])?);
        remove(&dir);
    }
    Ok(())
}

/// Early, so that the whole bench needs the room of its largest part only.
fn remove(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        eprintln!("cannot remove {}: {error}", dir.display());
    }
}
