//! The form of every bench's result: a table for people or one JSON object for machines.
//!
//! Owns: that form, and what is said of the machine. Must never: round a figure into a promise.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    /// What, with its circumstances after dots.
    pub name: String,
    /// How much; null when it could not be measured.
    #[serde(deserialize_with = "number_or_null")]
    pub value: f64,
    /// Of what.
    pub unit: Cow<'static, str>,
    /// What the design promises, such as `<= 1.05`; null when it promises nothing.
    pub target: Option<String>,
}

impl Measurement {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.into(),
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// One-minute load average when the bench ended: what else the machine had to do is in it.
    pub load_1min: f64,
}

/// A finished bench.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub bench: Cow<'static, str>,
    /// Where it ran.
    pub machine: Machine,
    /// Versions of the foreign programs it was measured against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// What a reader should know: what was left out and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its figures.
    pub results: Vec<Measurement>,
}

/// JSON has no word for what is not a number.
fn number_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

impl Machine {
    pub(crate) fn here(bin_dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let first = |text: &str| text.split_whitespace().next().map(str::to_owned);
        let memory_kib: u64 = first(&field(&read("/proc/meminfo"), "MemTotal"))
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0);
        let load_1min = first(&read("/proc/loadavg")).and_then(|load| load.parse().ok());
        let build = bin_dir
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            build,
            load_1min: load_1min.unwrap_or(f64::NAN),
        }
    }
}

impl Report {
    pub(crate) fn new(bench: &'static str, bin_dir: &Path, results: Vec<Measurement>) -> Self {
        Self {
            bench: bench.into(),
            machine: Machine::here(bin_dir),
            peers: Vec::new(),
            notes: Vec::new(),
            results,
        }
    }

    /// The report for people.
    #[must_use]
    pub fn table(&self) -> String {
        let m = &self.machine;
        let mut text = format!(
            "bench {} on {} ({} cores, {} MiB, Linux {}, {} build, load {})\n",
            self.bench, m.cpu, m.cores, m.memory_mib, m.kernel, m.build, m.load_1min
        );
        for peer in &self.peers {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  beside: {peer}");
        }
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
            let _ = writeln!(
                text,
                "  {:<width$}  {value:>12} {:<12}{target}",
                r.name, r.unit
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_object_with_a_target_or_null() {
        let results = vec![
            Measurement::new("a", 1.0, "ms"),
            Measurement::new("b", 2.0, "ratio").against("<= 1.05"),
        ];
        let mut report = Report::new("hold", Path::new("target/release"), results);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["machine"]["build"], "release");
        assert!(json["results"][0]["target"].is_null());
        assert_eq!(json["results"][1]["target"], "<= 1.05");
        assert!(json.get("notes").is_none());
        report.notes.push("etcd is not installed".to_owned());
        assert!(report.table().contains("target <= 1.05"));
        assert!(report.table().contains("note: etcd is not installed"));
    }
}
