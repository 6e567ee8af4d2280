//! A drill as a file: what must be so, what is broken, what is expected.
//!
//! Owns: the form of the file and what makes one wrong, said with the field and the reason. Must never: run anything.

use std::collections::BTreeMap;
use std::path::Path;

use holdfast_region_config::Topology;
use serde::Deserialize;

use super::expect;
use super::promise::Promise;
use crate::fault::FaultSpec;
use crate::workload::{Kind, RoomSpec, WorkloadSpec};

/// Longest drill from its first fault to its end, s: whoever needs more wants a soak test.
const LASTS_MAX_S: f64 = 3_600.0;
/// Most shows of one drill: each is asked for its leader twice a second.
const SHOWS_MAX: u32 = 500;
/// Most clients of one workload, before a spike.
const CLIENTS_MAX: u32 = 500;

/// Keys of a node's `[limits]` that a drill may change.
pub(super) const NODE_LIMITS: &[&str] = &[
    "snapshot_every_entries",
    "snapshot_keep_entries",
    "hibernate_after_ms",
    "unload_after_ms",
    "replace_after_s",
    "disk_reserve_mib",
    "drain_ms_max",
];

/// Keys of a gateway's `[limits]` that a drill may change.
pub(super) const GATEWAY_LIMITS: &[&str] = &["requests_in_flight_max", "writes_in_flight_max"];

/// Why a drill file is not one.
#[derive(Debug, thiserror::Error)]
pub enum DrillFileError {
    /// Not TOML, or an unknown or missing field.
    #[error("{drill}: {source}")]
    Form {
        /// Name of the drill.
        drill: String,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// Fields that contradict each other or are out of range.
    #[error("{drill}: {}", problems.join("; "))]
    Wrong {
        /// Name of the drill.
        drill: String,
        /// Field and reason of each.
        problems: Vec<String>,
    },
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillFile {
    /// One line: what is broken.
    pub title: String,
    /// What is believed to be true, in a sentence that can turn out false.
    pub hypothesis: String,
    /// What it can prove.
    pub promises: Vec<Promise>,
    /// The cluster.
    pub lab: LabSpec,
    /// What is on sale; the first is "show 1" of the faults.
    pub shows: Vec<ShowSpec>,
    /// Who buys.
    pub workloads: Vec<WorkloadSpec>,
    /// Before anything is broken.
    pub steady: SteadySpec,
    /// What is done when, s after the steady state.
    pub steps: Vec<Step>,
    /// How long workloads go on after the last step has ended, s: everything must have calmed down by then.
    #[serde(default = "tail_s")]
    pub tail_s: f64,
    /// Who is predicted to notice.
    pub blast: BlastSpec,
    /// When to stop early.
    #[serde(default)]
    pub abort: AbortSpec,
    /// What must be measured, by the names of [`expect::RULES`]; those that always hold need not be said.
    pub expect: BTreeMap<String, f64>,
}

const fn tail_s() -> f64 {
    10.0
}

/// The cluster of a drill.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabSpec {
    /// A built-in topology.
    #[serde(default = "preset")]
    pub preset: String,
    /// How many of its regions, from the first on.
    #[serde(default = "three")]
    pub regions: usize,
    /// Nodes in each.
    #[serde(default = "one")]
    pub nodes_per_region: u16,
    /// Whether ways between regions take their round trip.
    #[serde(default = "yes")]
    pub wan: bool,
    /// Keys of the nodes' `[limits]` that differ from their defaults.
    #[serde(default)]
    pub node_limits: BTreeMap<String, u32>,
    /// Keys of the gateways' `[limits]` that differ from their defaults.
    #[serde(default)]
    pub gateway_limits: BTreeMap<String, u32>,
    /// Whether gateways answer DNS, and are asked all the time what they answer.
    #[serde(default)]
    pub dns: bool,
    /// How much farther than usual the shows' time may be off, ms: the checker allows for it. One wrong clock among three or more
    /// needs none of it: the others out-vote it.
    #[serde(default)]
    pub clock_skew_ms: u64,
}

fn preset() -> String {
    "five-regions".to_owned()
}

const fn three() -> usize {
    3
}

const fn one() -> u16 {
    1
}

const fn yes() -> bool {
    true
}

/// Shows of one kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowSpec {
    /// Slug; several are numbered.
    pub name: String,
    /// How many.
    #[serde(default = "one_show")]
    pub count: u32,
    /// Rows; the last one is kept for probes.
    pub rows: u32,
    /// Seats in each row.
    pub seats_per_row: u32,
    /// Home region by id, or `each`: they take turns over the regions.
    pub home: String,
    /// Life of a hold, s.
    #[serde(default = "ttl_s")]
    pub hold_ttl_s: u64,
    /// Whether nobody but probes touches them.
    #[serde(default)]
    pub idle: bool,
    /// A waiting room before the sale; only a `line` buys there, and nobody probes.
    #[serde(default)]
    pub room: Option<RoomSpec>,
}

const fn one_show() -> u32 {
    1
}

const fn ttl_s() -> u64 {
    120
}

/// What must be so before anything is broken; otherwise the drill is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SteadySpec {
    /// Seconds in which the workloads run undisturbed; the first third warms up and does not count.
    pub for_s: f64,
    /// Fewest definite answers a second.
    pub ops_rate_min: f64,
    /// Greatest share of tries that fail.
    #[serde(default = "one_percent")]
    pub error_ratio_max: f64,
}

const fn one_percent() -> f64 {
    0.01
}

/// One step: a fault (a load spike is one) or an operator's command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When it begins, s after the steady state.
    pub at_s: f64,
    /// How long it lasts, s; a command lasts as long as it takes.
    #[serde(default)]
    pub for_s: Option<f64>,
    /// What is broken.
    #[serde(default)]
    pub fault: Option<FaultSpec>,
    /// Words of a `holdfastctl` command, without `--node`; `{region}` is where the first show is led from when it begins.
    #[serde(default)]
    pub ctl: Option<Vec<String>>,
    /// Whether a failing command is no reason to abort.
    #[serde(default)]
    pub may_fail: bool,
}

impl Step {
    /// When it has ended, as far as that is known.
    #[must_use]
    pub fn until_s(&self) -> f64 {
        self.at_s + self.for_s.unwrap_or(0.0)
    }
}

/// The predicted blast radius: each is "at most".
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlastSpec {
    /// Regions whose users notice: ids, or `hit` (those that the faults touch), `all`.
    pub regions: Vec<String>,
    /// Those of them whose users cannot be served while the fault lasts, whatever anybody does: their waits are measured
    /// apart.
    #[serde(default)]
    pub stranded: Vec<String>,
    /// Share of shows without a leader for a while, 0 to 1.
    pub shows_ratio: f64,
    /// Share of requests of the whole run that fail or wait, 0 to 1.
    pub requests_ratio: f64,
    /// How long after a fault's start anybody notices anything, s.
    pub for_s: f64,
}

/// When to stop early: the drill has learned enough, or the machine cannot do it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortSpec {
    /// Nothing was answered with yes or no for so long, s.
    #[serde(default = "silent_s")]
    pub silent_s_max: f64,
    /// Tries that failed, in all.
    #[serde(default = "failed_tries")]
    pub failed_tries_max: u64,
}

const fn silent_s() -> f64 {
    60.0
}

const fn failed_tries() -> u64 {
    100_000
}

impl Default for AbortSpec {
    fn default() -> Self {
        Self {
            silent_s_max: silent_s(),
            failed_tries_max: failed_tries(),
        }
    }
}

impl DrillFile {
    /// Reads a drill; `name` is for messages.
    ///
    /// # Errors
    /// Both kinds of [`DrillFileError`].
    pub fn parse(name: &str, text: &str) -> Result<Self, DrillFileError> {
        let file: Self = toml::from_str(text).map_err(|source| DrillFileError::Form {
            drill: name.to_owned(),
            source: Box::new(source),
        })?;
        let problems = file.problems();
        if problems.is_empty() {
            return Ok(file);
        }
        Err(DrillFileError::Wrong {
            drill: name.to_owned(),
            problems,
        })
    }

    /// Reads a drill from a file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Self::parse`].
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Whether a topology has everything that is named.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn fits(&self, topology: &Topology) -> anyhow::Result<()> {
        let known = |id: &str| topology.regions.iter().any(|r| r.id.as_str() == id);
        for show in &self.shows {
            anyhow::ensure!(
                show.home == "each" || known(&show.home),
                "shows.home: there is no region {}",
                show.home
            );
        }
        for region in self.blast.regions.iter().chain(&self.blast.stranded) {
            anyhow::ensure!(
                matches!(region.as_str(), "hit" | "all") || known(region),
                "blast.regions: there is no region {region}"
            );
        }
        for step in &self.steps {
            if let Some(fault) = &step.fault {
                fault.check(topology)?;
            }
        }
        Ok(())
    }

    /// From the end of the steady state to the end of the last step, s.
    #[must_use]
    pub fn steps_last_s(&self) -> f64 {
        self.steps.iter().map(Step::until_s).fold(0.0, f64::max)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .musts()
            .into_iter()
            .filter(|(holds, _)| !holds)
            .map(|(_, problem)| problem)
            .collect();
        problems.extend(self.show_problems());
        problems.extend(self.workload_problems());
        problems.extend(self.steps.iter().enumerate().filter_map(step_problem));
        for (table, limits, known) in [
            ("node_limits", &self.lab.node_limits, NODE_LIMITS),
            ("gateway_limits", &self.lab.gateway_limits, GATEWAY_LIMITS),
        ] {
            let unknown = limits.keys().filter(|key| !known.contains(&key.as_str()));
            problems.extend(unknown.map(|key| {
                let known = known.join(", ");
                format!("lab.{table}.{key}: no such limit; known are {known}")
            }));
        }
        let unknown = self
            .expect
            .keys()
            .filter(|name| expect::rule_of(name).is_none());
        problems.extend(unknown.map(|name| {
            let known = expect::names();
            format!("expect.{name}: no such expectation; known are {known}")
        }));
        problems
    }

    /// What must hold of single fields, and what is said when it does not.
    fn musts(&self) -> Vec<(bool, String)> {
        let ratio = |name: &str, ratio: f64| {
            let problem = format!("{name}: {ratio} is not between 0 and 1");
            ((0.0..=1.0).contains(&ratio), problem)
        };
        let must = |holds: bool, problem: &str| (holds, problem.to_owned());
        let lasts = self.steady.for_s + self.steps_last_s() + self.tail_s;
        let too_long = format!("steps: the drill lasts {lasts:.0} s, more than {LASTS_MAX_S:.0}");
        vec![
            must(!self.title.trim().is_empty(), "title: is empty"),
            must(!self.hypothesis.trim().is_empty(), "hypothesis: is empty"),
            must(!self.promises.is_empty(), "promises: name at least one"),
            must(!self.shows.is_empty(), "shows: there is nothing on sale"),
            must(!self.workloads.is_empty(), "workloads: nobody buys"),
            must(!self.steps.is_empty(), "steps: nothing is broken"),
            must(lasts <= LASTS_MAX_S, &too_long),
            must(self.tail_s >= 0.0, "tail_s: is negative"),
            must(
                self.steady.for_s >= 3.0,
                "steady.for_s: less than 3 s says nothing",
            ),
            must(self.lab.regions >= 1, "lab.regions: at least 1"),
            must(
                self.lab.nodes_per_region >= 1,
                "lab.nodes_per_region: at least 1",
            ),
            must(
                self.abort.silent_s_max > 0.0,
                "abort.silent_s_max: must be above 0",
            ),
            ratio("blast.shows_ratio", self.blast.shows_ratio),
            ratio("blast.requests_ratio", self.blast.requests_ratio),
            ratio("steady.error_ratio_max", self.steady.error_ratio_max),
        ]
    }

    fn show_problems(&self) -> Vec<String> {
        let small = |(_, show): &(usize, &ShowSpec)| show.rows < 2 || show.seats_per_row < 2;
        let mut problems: Vec<String> = self
            .shows
            .iter()
            .enumerate()
            .filter(small)
            .map(|(at, _)| {
                format!("shows[{at}]: at least 2 rows of 2 seats; the last row is kept for probes")
            })
            .collect();
        let count: u32 = self.shows.iter().map(|show| show.count).sum();
        if !(1..=SHOWS_MAX).contains(&count) {
            problems.push(format!(
                "shows.count: {count} in all is not between 1 and {SHOWS_MAX}"
            ));
        }
        problems
    }

    fn workload_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (at, workload) in self.workloads.iter().enumerate() {
            let fits = self
                .shows
                .iter()
                .any(|show| show.name == workload.show && show.idle == workload.wants_idle());
            if !fits {
                let kind = if workload.wants_idle() {
                    "idle"
                } else {
                    "not idle"
                };
                problems.push(format!(
                    "workloads[{at}].show: no show that is {kind} is called {}",
                    workload.show
                ));
            }
            let has_room = |show: &&ShowSpec| show.name == workload.show && show.room.is_some();
            if self.shows.iter().any(|show| has_room(&show)) != (workload.kind == Kind::Line) {
                problems.push(format!(
                    "workloads[{at}].show: a line is for shows with a room, and nothing else is"
                ));
            }
            let others = self.workloads.iter().filter(|w| w.show == workload.show);
            if workload.kind == Kind::Race && others.count() > 1 {
                problems.push(format!(
                    "workloads[{at}].show: a race needs a show of its own, or a third party takes the seats"
                ));
            }
            if !(1..=CLIENTS_MAX).contains(&workload.clients) {
                problems.push(format!(
                    "workloads[{at}].clients: {} is not between 1 and {CLIENTS_MAX}",
                    workload.clients
                ));
            }
        }
        problems
    }
}

fn step_problem((at, step): (usize, &Step)) -> Option<String> {
    let problem = if step.fault.is_some() == step.ctl.is_some() {
        "one of fault and ctl is needed, not both".to_owned()
    } else if step.at_s < 0.0 || step.for_s.is_some_and(|lasts| lasts <= 0.0) {
        "at_s is not negative and for_s is above 0".to_owned()
    } else if step.fault.is_some() && step.for_s.is_none() {
        "for_s is missing: how long does it last?".to_owned()
    } else if step.ctl.is_some() && step.for_s.is_some() {
        "a command lasts as long as it takes: leave for_s away".to_owned()
    } else if step.ctl.as_ref().is_some_and(Vec::is_empty) {
        "ctl has no words".to_owned()
    } else {
        return None;
    };
    Some(format!("steps[{at}]: {problem}"))
}

#[cfg(test)]
mod tests;
