//! What a drill found, as it is written to `report.json` and read again by the scorecard.
//!
//! Times are seconds since the drill's clock began (the history's clock), unless the name says otherwise; durations are
//! seconds. A value that was not measured is absent, never zero.
//!
//! Owns: the form of the file. Must never: judge; [`super::verdict`] does.

mod names;
mod rooms;
mod spike;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::names::{DnsAnswer, DnsLost, DnsSeen};
pub use self::rooms::RoomSeen;
pub use self::spike::{Looking, SpikeSeen};
use super::promise::Promise;

/// Format of `report.json`; a reader refuses a higher one.
pub const FORMAT: u32 = 1;

/// How a drill ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every expectation was met: the hypothesis held.
    Held,
    /// At least one was not.
    NotHeld,
    /// The steady state was not reached or an abort condition tripped: nothing was learned about the hypothesis.
    #[default]
    Aborted,
}

/// Everything about one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillResult {
    /// See [`FORMAT`].
    pub format: u32,
    /// Which run of what.
    pub run: Run,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it was aborted; empty when it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub aborted_because: String,
    /// Each expectation with what was measured.
    pub expectations: Vec<Expectation>,
    /// From the start of the clock to the end of the workloads, s.
    pub watched_s: f64,
    /// Before anything was broken.
    pub steady: Steady,
    /// What was broken, from when to when.
    pub faults: Vec<FaultSpan>,
    /// Everything that happened, in order.
    pub timeline: Vec<Moment>,
    /// Operator commands, timed.
    pub commands: Vec<CommandRun>,
    /// Recovery of each probed show after each fault.
    pub recovery: Vec<Recovery>,
    /// The same in quantiles: hot shows.
    pub rto_hot: Quantiles,
    /// Idle shows.
    pub rto_idle: Quantiles,
    /// What users saw around the faults.
    pub users: Users,
    /// Acknowledged operations and those of them that were lost.
    pub rpo: Rpo,
    /// Operations whose outcome was open at first.
    pub ambiguous: Vec<Ambiguous>,
    /// What was to be affected and what was.
    pub blast: Blast,
    /// Changes of leaders.
    pub leader_changes: Vec<LeaderChange>,
    /// Per second and region: what users did.
    pub series: Vec<Bucket>,
    /// Who led how many shows.
    pub leaders: Vec<LeaderSample>,
    /// Checks over the history.
    pub checks: Vec<Check>,
    /// Whether all replicas had the same state at the end, and after how long.
    pub replicas: Replicas,
    /// What DNS answered; absent when the drill has no DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsSeen>,
    /// Waiting rooms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<RoomSeen>,
    /// Load spikes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spikes: Vec<SpikeSeen>,
    /// The raw history, beside this file.
    pub history: String,
}

/// Which drill, with what, when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the drill's file.
    pub drill: String,
    /// `fast`, `slow` or `rare`; `file` for one that is not in the catalogue.
    pub class: String,
    /// Its title.
    pub title: String,
    /// Its hypothesis.
    pub hypothesis: String,
    /// Promises that it tests.
    pub promises: Vec<Promise>,
    /// Fixes everything that is drawn by lot.
    pub seed: u64,
    /// Revision that the harness was built from.
    pub commit: String,
    /// `debug` or `release`.
    pub build: String,
    /// Built-in topology or file.
    pub topology: String,
    /// Of regions, nodes and round trips, without addresses.
    pub topology_hash: String,
    /// Regions, in order.
    pub regions: Vec<String>,
    /// Nodes in each region.
    pub nodes: usize,
    /// When it began, UTC, RFC 3339.
    pub started_at: String,
    /// How long the whole run took.
    pub duration_s: f64,
    /// The command that repeats it.
    pub repeat: String,
}

/// One expectation and how it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// As in the drill file: `rto_hot_max_s`.
    pub name: String,
    /// In words.
    pub text: String,
    /// Which promise it tells about.
    pub promise: Promise,
    /// The bound of the drill file.
    pub bound: f64,
    /// Whether `measured` must be at least the bound; otherwise at most.
    pub at_least: bool,
    /// What was seen; absent when it could not be measured, which is a failure.
    pub measured: Option<f64>,
    /// Whether it was met.
    pub held: bool,
}

/// What was so before anything was broken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Steady {
    /// Seconds looked at.
    pub for_s: f64,
    /// Requests with a definite answer a second.
    pub ops_rate: f64,
    /// Share of requests that failed.
    pub error_ratio: f64,
    /// Median of holds ÷ floor.
    pub hold_floor_ratio_p50: Option<f64>,
    /// 99th percentile of the same.
    pub hold_floor_ratio_p99: Option<f64>,
    /// Leader changes that nobody caused.
    pub false_failovers: u64,
}

/// One fault or load spike while it lasted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// What, in words, with what was chosen at its start.
    pub text: String,
    /// When it began.
    pub from_s: f64,
    /// When it was fully on.
    pub on_s: f64,
    /// When it was healed.
    pub to_s: f64,
    /// Regions that it touches.
    pub regions: Vec<String>,
    /// Nodes that it touches, as `n1`.
    pub nodes: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at_s: f64,
    /// What.
    pub text: String,
}

/// An operator's command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRun {
    /// As typed, without addresses.
    pub text: String,
    /// When it began.
    pub at_s: f64,
    /// Until it returned.
    pub took_s: f64,
    /// Its exit code; absent when it was ended by a signal.
    pub exit: Option<i32>,
}

/// When a show took a write again after a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// `s1`.
    pub show: String,
    /// Whether it was written to all the time.
    pub hot: bool,
    /// Place in [`DrillResult::faults`].
    pub fault: usize,
    /// From the fault's start to the first acknowledgement of a write sent after it; absent when there was none.
    pub rto_s: Option<f64>,
}

/// Quantiles by nearest rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many values there are, those that never came included.
    pub count: usize,
    /// Median.
    pub p50_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// Greatest.
    pub max_s: Option<f64>,
    /// How many never came.
    pub never: usize,
}

/// What users saw: a request with all its repeats counts once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// Requests in the whole run.
    pub requests: u64,
    /// Those that never got a definite answer while the drill ran.
    pub unanswered: u64,
    /// Those in the window around the faults.
    pub around_faults: u64,
    /// Time from the first try to the definite answer, around the faults, of users who could be served.
    pub wait: Quantiles,
    /// The same of users who could not, while their region was cut off.
    pub wait_stranded: Quantiles,
    /// Single tries that failed (5xx or no answer), by code.
    pub failed_tries: BTreeMap<String, u64>,
    /// Share of all tries that failed.
    pub error_ratio: f64,
}

/// What was acknowledged, and what of it was gone in the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rpo {
    /// Acknowledged sales that were looked up again.
    pub acknowledged_sales: u64,
    /// Acknowledged holds that were still to be alive and were looked up again.
    pub acknowledged_holds: u64,
    /// Acknowledgements that could not be looked up: neither kept nor lost.
    pub unread: u64,
    /// What was lost, one line each.
    pub lost: Vec<String>,
}

/// An operation whose outcome its caller did not learn at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ambiguous {
    /// When it was first sent.
    pub at_s: f64,
    /// `hold`, `pay`.
    pub op: String,
    /// Show, hold or order.
    pub subject: String,
    /// Idempotency key.
    pub key: String,
    /// Why it was open: the problem's code.
    pub why: String,
    /// How it was resolved; empty when it was not.
    pub resolution: String,
}

/// Who was affected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// Regions whose users were expected to see errors or waits.
    pub predicted_regions: Vec<String>,
    /// Regions whose users did.
    pub observed_regions: Vec<String>,
    /// Share of shows expected to be without a leader for a while.
    pub predicted_shows_ratio: f64,
    /// Share that was.
    pub observed_shows_ratio: f64,
    /// Share of requests expected to fail or wait.
    pub predicted_requests_ratio: f64,
    /// Share that did.
    pub observed_requests_ratio: f64,
    /// Longest time that users were expected to notice anything after a fault began.
    pub predicted_for_s: f64,
    /// How long they did.
    pub observed_for_s: f64,
}

/// A group changed its leader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaderChange {
    /// When it was first seen.
    pub at_s: f64,
    /// Show, `s1`; `directory` for group 0.
    pub show: String,
    /// Node before, `n1`.
    pub from: String,
    /// Node after.
    pub to: String,
    /// Term of the new one; 0 when it was not known.
    pub term: u64,
    /// Why: the fault, the command, the return home; empty when nothing explains it: a false failover.
    pub because: String,
}

/// What users of one region did in one second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Second since the clock began.
    pub at_s: u32,
    /// Region of the gateway.
    pub region: String,
    /// Tries that were answered with yes or no.
    pub answered: u32,
    /// Tries that failed.
    pub failed: u32,
    /// Median time of granted holds, ms.
    pub hold_p50_ms: Option<f64>,
    /// 99th percentile.
    pub hold_p99_ms: Option<f64>,
    /// The floor of the same holds, mean, ms.
    pub floor_ms: Option<f64>,
}

/// Who led at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaderSample {
    /// When.
    pub at_s: f64,
    /// Shows led from each region.
    pub by_region: BTreeMap<String, u32>,
    /// Shows that nobody said to lead.
    pub leaderless: u32,
}

/// One check over the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it looked at, how many.
    pub looked_at: u64,
    /// What it found, one line each; at most a few.
    pub violations: Vec<String>,
    /// Whether it came to an end.
    pub complete: bool,
}

/// Whether replicas agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Replicas {
    /// Shows whose replicas all had the same hash at the same index.
    pub agreed: u64,
    /// Shows looked at.
    pub shows: u64,
    /// Until the last of them agreed, from the end of the workloads.
    pub took_s: Option<f64>,
    /// Broken invariants that replicas counted themselves.
    pub invariant_violations: u64,
    /// From the last heal until every process was ready again; absent when one never was.
    pub back_s: Option<f64>,
}

impl DrillResult {
    /// Recovery times of hot and idle shows together.
    #[must_use]
    pub fn rto_all(&self) -> Quantiles {
        Quantiles::of(self.recovery.iter().map(|recovery| recovery.rto_s))
    }
}

impl Quantiles {
    /// Of times; those that are absent never came, and are the worst.
    pub fn of(times: impl IntoIterator<Item = Option<f64>>) -> Self {
        let mut times: Vec<f64> = times
            .into_iter()
            .map(|time| time.unwrap_or(f64::INFINITY))
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let time = rank(times.len(), share).map(|rank| times[rank]);
            time.filter(|time| time.is_finite())
        };
        Self {
            count: times.len(),
            p50_s: at(0.5),
            p99_s: at(0.99),
            max_s: at(1.0),
            never: times.iter().filter(|time| time.is_infinite()).count(),
        }
    }
}

/// Place of a quantile among `count` sorted values, by nearest rank.
pub(super) fn rank(count: usize, share: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank between 0 and the number of values"
    )]
    let rank = (share * count as f64).ceil() as usize;
    (count > 0).then(|| rank.clamp(1, count) - 1)
}

impl Blast {
    /// Predictions that were exceeded, in words.
    #[must_use]
    pub fn excesses(&self) -> Vec<String> {
        let mut excesses = Vec::new();
        let outside = self
            .observed_regions
            .iter()
            .filter(|region| !self.predicted_regions.contains(region));
        let outside: Vec<&str> = outside.map(String::as_str).collect();
        if !outside.is_empty() {
            excesses.push(format!("users of {} noticed, too", outside.join(", ")));
        }
        let pairs = [
            (
                "shows",
                self.observed_shows_ratio,
                self.predicted_shows_ratio,
            ),
            (
                "requests",
                self.observed_requests_ratio,
                self.predicted_requests_ratio,
            ),
            ("time", self.observed_for_s, self.predicted_for_s),
        ];
        // Ratios of small counts: what was said with two digits is not exceeded by the third.
        let over = pairs
            .into_iter()
            .filter(|(_, seen, said)| *seen > said + 0.005);
        excesses.extend(over.map(|(what, seen, said)| format!("{what}: {seen:.2} > {said:.2}")));
        excesses
    }
}
