//! What the log store and the snapshot store cost on this disk, beside one alternative each.
//!
//! The stores are the nodes' own code, which this crate does not import: `holdfast-store-bench` measures them and this
//! command passes its figures on, so that all benches are run and read alike.
//!
//! Owns: running it. Must never: add figures of its own.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use tokio::process::Command;

use super::BenchArgs;
use super::report::{Measurement, Report};

/// The program that measures.
const PROGRAM: &str = "holdfast-store-bench";

/// Options of `bench disk`.
#[derive(Debug, Clone, Args)]
pub struct DiskArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Where to write; about 4 GB, removed at the end [default: the system's temporary directory].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Everything at a fiftieth of its size: shows that it works, says little.
    #[arg(long)]
    pub quick: bool,
}

/// What the program prints.
#[derive(Debug, Deserialize)]
struct Said {
    notes: Vec<String>,
    results: Vec<Measurement>,
}

pub(super) async fn run(args: DiskArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let program = dir.join(PROGRAM);
    let mut command = Command::new(&program);
    command.arg("--json").stderr(Stdio::inherit());
    if let Some(dir) = &args.dir {
        command.arg("--dir").arg(dir);
    }
    if args.quick {
        command.arg("--quick");
    }
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    anyhow::ensure!(output.status.success(), "{PROGRAM}: {}", output.status);
    let said = parse(&output.stdout)?;
    let mut report = Report::new("disk", &dir, said.results);
    report.notes = said.notes;
    Ok(report)
}

fn parse(output: &[u8]) -> anyhow::Result<Said> {
    serde_json::from_slice(output).with_context(|| format!("{PROGRAM} says what is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_figures_are_passed_on_as_they_are() {
        let said = br#"{"bench":"disk","notes":["no strace"],
            "results":[{"name":"a","value":1.5,"unit":"us","target":null}]}"#;
        let said = parse(said).unwrap();
        assert_eq!(said.notes, ["no strace"]);
        assert_eq!((said.results[0].value, &*said.results[0].unit), (1.5, "us"));
        assert!(parse(b"{}").is_err());
    }
}
