//! Sees that the drills have teeth: a node with a bug in it must not get through.
//!
//! Owns: which drill is to find which bug. Must never: leave a broken binary where an ordinary one is looked for.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// Who has to find a bug.
#[derive(Debug, Clone, Copy)]
enum Finder {
    /// This drill, by a check or a loss.
    Drill(&'static str),
    /// The alerts of this page of the runbooks.
    Alerts(&'static str),
}

/// Bug, and who must find it.
const BUGS: [(&str, Finder); 6] = [
    (
        "acknowledge-before-commit",
        Finder::Drill("partition-leader"),
    ),
    ("stale-map-as-fresh", Finder::Drill("partition-leader")),
    ("drop-outbox-record", Finder::Drill("expiry-edge")),
    ("ignore-idempotency-key", Finder::Drill("retry-storm")),
    ("expire-early", Finder::Drill("lose-the-leader")),
    ("miscount", Finder::Alerts("suspected-double-sale")),
];
/// What `drill run` ends with when a hypothesis did not hold.
const NOT_HELD: i32 = 1;
/// Lines shown of what was found.
const LINES_MAX: usize = 6;

/// Builds the broken node into a directory of its own and runs the drill of each bug, or of one.
///
/// # Errors
/// The build failed, a drill could not be run, or a bug was not found.
pub(crate) fn run(root: &Path, args: &[String]) -> anyhow::Result<()> {
    let chosen = match args {
        [] => BUGS.to_vec(),
        [bug] => {
            let known = BUGS.into_iter().find(|(name, _)| name == bug);
            let names: Vec<&str> = BUGS.iter().map(|(name, _)| *name).collect();
            vec![known.with_context(|| format!("no bug {bug:?}; there are {}", names.join(", ")))?]
        }
        _ => bail!("one bug at a time, or none for all"),
    };
    let bin_dir = build(root)?;
    let mut missed = Vec::new();
    for (bug, finder) in chosen {
        let is_found = match finder {
            Finder::Drill(drill) => {
                println!("== {bug}: {drill}");
                found(&bin_dir, bug, drill, &bin_dir.join(bug))?
            }
            Finder::Alerts(page) => {
                println!("== {bug}: the alerts of {page}");
                somebody_is_paged(root, &bin_dir, bug, page)?
            }
        };
        if !is_found {
            missed.push(bug);
        }
    }
    ensure!(missed.is_empty(), "not found: {}", missed.join(", "));
    println!("every bug was found");
    Ok(())
}

/// A target directory of its own: an ordinary build must never find the broken node in its place.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    };
    let target = target.join("sabotage");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--locked", "--workspace", "--bins"])
        .args(["--features", "holdfast-node/sabotage", "--target-dir"])
        .arg(&target)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the build failed");
    Ok(target.join("debug"))
}

fn found(bin_dir: &Path, bug: &str, drill: &str, out: &Path) -> anyhow::Result<bool> {
    let program = bin_dir.join("holdfast-chaos");
    let status = Command::new(&program)
        .args(["drill", "run", drill, "--bin-dir"])
        .arg(bin_dir)
        .arg("--out")
        .arg(out)
        .env("HOLDFAST_SABOTAGE", bug)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    match status.code() {
        Some(0) => Ok(false),
        Some(NOT_HELD) => objections(out),
        _ => bail!("the drill {drill} could not be run: {status}"),
    }
}

/// Whether every alert of a page fires in a real Prometheus.
fn somebody_is_paged(root: &Path, bin_dir: &Path, bug: &str, page: &str) -> anyhow::Result<bool> {
    let program = bin_dir.join("holdfast-chaos");
    let status = Command::new(&program)
        .current_dir(root)
        .args([
            "runbook",
            "check",
            page,
            "--with-prometheus",
            "--alerts-only",
        ])
        .env("HOLDFAST_SABOTAGE", bug)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status.success())
}

/// Prints what the checks objected to; whether they objected to anything. A drill that only missed a figure found no bug.
fn objections(out: &Path) -> anyhow::Result<bool> {
    let mut found = false;
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path().join("report.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let report: serde_json::Value = serde_json::from_str(&text)?;
        for check in report["checks"].as_array().into_iter().flatten() {
            let violations = check["violations"].as_array().map_or(0, Vec::len);
            let name = check["name"].as_str().unwrap_or_default();
            let name = name.split(':').next().unwrap_or_default();
            if violations > 0 {
                found = true;
                println!("   {name}: {violations} violations");
            }
        }
        let lost = report["rpo"]["lost"].as_array().into_iter().flatten();
        for line in lost.filter_map(serde_json::Value::as_str).take(LINES_MAX) {
            found = true;
            println!("   lost: {line}");
        }
    }
    Ok(found)
}
