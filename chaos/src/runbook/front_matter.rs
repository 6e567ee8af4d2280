//! What a page says about itself, as TOML between two lines `+++`.
//!
//! Owns: its keys, and writing back what was measured. Must never: change anything else of a page.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;

use crate::fault::FaultSpec;

/// Keys of the nodes' `[limits]` that a page may set for its cluster.
const NODE_LIMITS: [&str; 8] = [
    "commands_per_show_max",
    "disk_reserve_mib",
    "drain_ms_max",
    "hibernate_after_ms",
    "payment_timeout_ms",
    "replace_after_s",
    "snapshot_every_entries",
    "unload_after_ms",
];

/// The front matter of a page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontMatter {
    /// Names of the alerts in `runbooks/alerts/` that lead here; none for what is done by plan.
    pub alerts: Vec<String>,
    /// Those of them that are not seen in the lab, each with the reason.
    #[serde(default)]
    pub alerts_not_seen: BTreeMap<String, String>,
    /// With which others it is run.
    pub speed: Speed,
    /// How long an operator may need from the page's first command to a good answer of its last, minutes.
    pub budget_minutes: f64,
    /// How long the commands took when they were last run, minutes. Written by `runbook check --write`.
    pub minutes: Option<f64>,
    /// The day of that run. Written by `runbook check --write`.
    pub last_drilled: Option<String>,
    /// Invariants (`docs/INVARIANTS.md`) that the page is about.
    #[serde(default)]
    pub invariants: Vec<String>,
    /// The cluster that the page is tried on.
    #[serde(default)]
    pub lab: LabSpec,
    /// What is broken while the page is worked through.
    #[serde(default)]
    pub fault: Vec<FaultSpec>,
}

/// Which pages are run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Speed {
    /// In CI.
    Fast,
    /// By hand.
    Slow,
}

/// The cluster that a page is tried on.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabSpec {
    /// Regions, from the first of the preset on, 1 to 5.
    pub regions: usize,
    /// Nodes in each, at least 1.
    pub nodes_per_region: u16,
    /// Whether ways between regions take their round trip.
    pub wan: bool,
    /// Buyers at each gateway who buy while the page is worked through.
    pub buyers_per_gateway: u64,
    /// The node that `holdfastctl` asks when a command names none: one that the fault leaves alone.
    pub ask: String,
    /// Whether the next region of the preset is set up and not started, for a page that adds it.
    pub newcomer: bool,
    /// `[limits]` of the nodes that differ from their defaults.
    pub node_limits: BTreeMap<String, u32>,
}

impl Default for LabSpec {
    fn default() -> Self {
        Self {
            regions: 3,
            nodes_per_region: 1,
            wan: false,
            buyers_per_gateway: 0,
            ask: "n1".to_owned(),
            newcomer: false,
            node_limits: BTreeMap::new(),
        }
    }
}

impl LabSpec {
    /// [`Self::node_limits`] in the form that a cluster takes.
    ///
    /// # Errors
    /// A limit that pages do not set.
    pub fn limits(&self) -> anyhow::Result<Vec<(&'static str, u32)>> {
        let known = |(name, value): (&String, &u32)| {
            let known = NODE_LIMITS.iter().find(|known| *known == name);
            let known = known.with_context(|| format!("a page cannot set the limit {name}"))?;
            Ok((*known, *value))
        };
        self.node_limits.iter().map(known).collect()
    }
}

impl FrontMatter {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let front: Self = toml::from_str(text).context("front matter")?;
        front.lab.limits().context("front matter")?;
        Ok(front)
    }
}

/// `text` with the measured minutes and the day in its front matter.
///
/// # Errors
/// When the page has no front matter.
pub fn with_measurement(text: &str, minutes: f64, day: &str) -> anyhow::Result<String> {
    let (front, body, _) = super::page::split(text)?;
    let values = [
        ("minutes", format!("minutes = {minutes:.2}")),
        ("last_drilled", format!("last_drilled = \"{day}\"")),
    ];
    let mut lines: Vec<String> = front.lines().map(str::to_owned).collect();
    for (key, line) in values {
        let tables = lines
            .iter()
            .position(|line| line.starts_with('['))
            .unwrap_or(lines.len());
        let is_key = |line: &&mut String| line.split('=').next().is_some_and(|k| k.trim() == key);
        match lines[..tables].iter_mut().find(is_key) {
            Some(old) => *old = line,
            None => {
                let end = lines[..tables].iter().rposition(|line| !line.is_empty());
                lines.insert(end.map_or(0, |at| at + 1), line);
            }
        }
    }
    Ok(format!("+++\n{}\n+++\n{body}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "+++\nalerts = []\nspeed = \"slow\"\nbudget_minutes = 5\n\n[lab]\nregions = 3\n+++\n# T\n";

    #[test]
    fn measurements_are_put_before_the_tables_and_replaced_the_next_time() {
        let once = with_measurement(PAGE, 0.4, "2026-11-21").unwrap();
        let twice = with_measurement(&once, 0.51, "2026-11-22").unwrap();
        assert_eq!(
            twice,
            "+++\nalerts = []\nspeed = \"slow\"\nbudget_minutes = 5\nminutes = 0.51\nlast_drilled = \"2026-11-22\"\n\n\
             [lab]\nregions = 3\n+++\n# T\n"
        );
    }

    #[test]
    fn an_unknown_key_or_limit_is_refused() {
        assert!(FrontMatter::parse("alerts = []\nspeed = \"fast\"\nbudget_minutes = 1\n").is_ok());
        let unknown = "alerts = []\nspeed = \"fast\"\nbudget_minutes = 1\nowner = \"me\"\n";
        assert!(FrontMatter::parse(unknown).is_err());
        let limit =
            "alerts = []\nspeed = \"fast\"\nbudget_minutes = 1\nlab.node_limits.colour = 1\n";
        assert!(FrontMatter::parse(limit).is_err());
    }
}
