//! `holdfast-chaos bench`: promises measured, as a table for people or one JSON object for machines.
//!
//! Every bench says `{bench, machine, results: [{name, value, unit, target}]}`. A target is what the design promises;
//! a bench reports and does not fail by it, since machines differ.
//!
//! Owns: the form of a report. Must never: round a figure into a promise.

mod latency;
mod load;
mod scrape;
mod throughput;

pub mod hold;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

/// Which bench.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// Holds: latency against its floor over the emulated network, rate on one hot show, commands per Raft entry, bytes.
    Hold(HoldArgs),
}

/// Options of `bench hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// Print one JSON object on one line of standard output instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Directory of the binaries to measure [default: beside this program].
    #[arg(long, value_name = "DIR", alias = "release-binaries")]
    pub bin_dir: Option<PathBuf>,
    /// Holds measured for each pair of gateway and home region.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    pub samples: u32,
    /// Least time of each rate measurement, seconds; whole shows are always finished.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Numbers of clients in a closed loop.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    pub clients: Vec<usize>,
    /// Leave the latency part away.
    #[arg(long)]
    pub no_latency: bool,
    /// Leave the rate part away.
    #[arg(long)]
    pub no_rate: bool,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// What, with its circumstances after dots.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What the design promises, such as `<= 1.05`; null when it promises nothing.
    pub target: Option<String>,
}

impl Measurement {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            target: None,
        }
    }

    pub(crate) fn against(self, target: impl Into<String>) -> Self {
        Self {
            target: Some(target.into()),
            ..self
        }
    }
}

/// What was measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processor name.
    pub cpu: String,
    /// Logical cores.
    pub cores: usize,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Kernel.
    pub kernel: String,
    /// `debug` or `release`, by where the measured binaries are.
    pub build: String,
}

/// A finished bench.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub bench: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// Its figures.
    pub results: Vec<Measurement>,
}

/// Runs a bench and prints its report.
///
/// # Errors
/// When a cluster cannot be run.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    let BenchCommand::Hold(args) = command;
    let json = args.json;
    let report = hold::run(args).await?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.table());
    }
    Ok(())
}

impl Machine {
    pub(crate) fn here(bin_dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        let build = bin_dir
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            build,
        }
    }
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn table(&self) -> String {
        let m = &self.machine;
        let mut text = format!(
            "bench {} on {} ({} cores, {} MiB, Linux {}, {} build)\n",
            self.bench, m.cpu, m.cores, m.memory_mib, m.kernel, m.build
        );
        let width = self.results.iter().map(|r| r.name.len()).max().unwrap_or(0);
        for r in &self.results {
            let value = if r.value.abs() >= 1_000.0 {
                format!("{:.0}", r.value)
            } else {
                format!("{:.3}", r.value)
            };
            let target = r
                .target
                .as_deref()
                .map_or_else(String::new, |t| format!("  target {t}"));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  {:<width$}  {value:>12} {:<12}{target}",
                r.name, r.unit
            );
        }
        text
    }
}

/// The value below which `share` of the sorted samples lie (nearest rank).
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank between 0 and the number of samples"
    )]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or(f64::NAN)
}

/// A count as a figure; beyond 2^53 the last digits do not matter.
#[expect(clippy::cast_precision_loss, reason = "figures are read by people")]
pub(crate) fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.5), 50.0);
        assert_eq!(quantile(&samples, 0.99), 99.0);
        assert_eq!(quantile(&samples, 1.0), 100.0);
        assert_eq!(quantile(&[7.0], 0.01), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_report_is_one_object_with_a_target_or_null() {
        let report = Report {
            bench: "hold",
            machine: Machine::here(Path::new("target/release")),
            results: vec![
                Measurement::new("a", 1.0, "ms"),
                Measurement::new("b", 2.0, "ratio").against("<= 1.05"),
            ],
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["machine"]["build"], "release");
        assert!(json["results"][0]["target"].is_null());
        assert_eq!(json["results"][1]["target"], "<= 1.05");
        assert!(report.table().contains("target <= 1.05"));
    }
}
