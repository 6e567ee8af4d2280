//! Every figure that has a target, of all benches whose JSON is in a directory, as a table in Markdown.
//!
//! Owns: whether a target is met. Must never: leave a missed one out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::report::{Measurement, Report};

/// Options of `bench summary`.
#[derive(Debug, Clone, Args)]
pub struct SummaryArgs {
    /// Directory of `NAME.json` files, each the output of a bench with --json.
    pub dir: PathBuf,
}

pub(super) fn print(args: &SummaryArgs) -> anyhow::Result<()> {
    print!("{}", table(&read(&args.dir)?));
    Ok(())
}

/// File name without its ending, and what is in it; by name.
fn read(dir: &Path) -> anyhow::Result<Vec<(String, Report)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(&path)?;
            let report = serde_json::from_str(&text);
            let report = report.with_context(|| format!("{} is no report", path.display()))?;
            let name = path.file_stem().unwrap_or_default();
            all.push((name.to_string_lossy().into_owned(), report));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}

fn table(reports: &[(String, Report)]) -> String {
    let mut text = "| run | figure | value | target | met |\n|---|---|---|---|---|\n".to_owned();
    for (run, report) in reports {
        let promised = report.results.iter().filter(|m| m.target.is_some());
        for m in promised {
            let target = m.target.as_deref().unwrap_or_default();
            let met = match is_met(m) {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "?",
            };
            let value = if m.value.is_nan() {
                "not measured".to_owned()
            } else {
                format!("{:.3} {}", m.value, m.unit)
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {run} | {} | {value} | {target} | {met} |", m.name);
        }
    }
    text
}

/// `None` when the target is words, or nothing was measured.
fn is_met(m: &Measurement) -> Option<bool> {
    let target = m.target.as_deref()?;
    let (sign, limit) = target.split_once(' ').unwrap_or(("=", target));
    let limit: f64 = limit.parse().ok()?;
    if m.value.is_nan() {
        return None;
    }
    match sign {
        "<=" => Some(m.value <= limit),
        ">=" => Some(m.value >= limit),
        // What shall be zero is counted or is a difference of two counts over many replicas.
        "=" => Some((m.value - limit).abs() < 0.01),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_missed_or_not_known() {
        let of = |value, target: &str| is_met(&Measurement::new("a", value, "x").against(target));
        assert_eq!(of(1.0, "<= 1.05"), Some(true));
        assert_eq!(of(1.1, "<= 1.05"), Some(false));
        assert_eq!(of(29.0, ">= 30"), Some(false));
        assert_eq!(of(0.0, "0"), Some(true));
        assert_eq!(of(3.0, "0"), Some(false));
        assert_eq!(of(1.0, "close to 1"), None);
        assert_eq!(of(f64::NAN, ">= 30"), None);
    }

    #[test]
    fn missed_targets_stand_out_and_figures_without_one_are_left_away() {
        let results = vec![
            Measurement::new("free", 1.0, "s"),
            Measurement::new("rto_max_s", 2.5, "s").against("<= 2"),
        ];
        let report = Report::new("failover", Path::new("target/release"), results);
        let dir = tempfile::tempdir().unwrap();
        let json = serde_json::to_string(&report).unwrap();
        std::fs::write(dir.path().join("failover.json"), json).unwrap();
        let text = table(&read(dir.path()).unwrap());
        assert!(text.contains("| failover | rto_max_s | 2.500 s | <= 2 | **no** |"));
        assert!(!text.contains("free"));
    }
}
