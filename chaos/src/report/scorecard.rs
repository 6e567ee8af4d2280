//! The disaster-recovery scorecard: for each promise when it was last proven, by which drill, with what margin.
//!
//! Owns: what counts as a proof: a drill that held, and expected something about the promise. Must never: take an old proof for
//! an answer to a newer failure, or a drill's own bound for the promise's target.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::page::{page, section};
use super::summary::short;
use super::table::table;
use crate::drill::promise::Promise;
use crate::drill::result::{DrillResult, FORMAT, Verdict};

/// Names of the scorecard's files.
pub const HTML: &str = "scorecard.html";
/// See [`HTML`].
pub const JSON: &str = "scorecard.json";

/// The scorecard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scorecard {
    /// Results that were read.
    pub runs: usize,
    /// Those of them that held.
    pub held: usize,
    /// Every promise, in the order of the design.
    pub promises: Vec<Line>,
    /// Every drill's runs.
    pub drills: Vec<DrillLine>,
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Which.
    pub promise: Promise,
    /// In words.
    pub text: String,
    /// The design's target.
    pub target: f64,
    /// Of target and measured values.
    pub unit: String,
    /// The newest drill that tests it and held.
    pub proven: Option<Proof>,
    /// The newest drill that says anything about it, when that one broke it.
    pub failed_since: Option<Proof>,
    /// The worst value that any run measured that held.
    pub worst: Option<f64>,
    /// Runs that test it and held.
    pub runs: usize,
}

/// One run as a proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// Which drill.
    pub drill: String,
    /// With which seed.
    pub seed: u64,
    /// Of which revision.
    pub commit: String,
    /// `debug` or `release`.
    pub build: String,
    /// When, UTC.
    pub at: String,
    /// What was measured; absent when the drill judges the promise without a figure of its own.
    pub measured: Option<f64>,
    /// Target minus measured: what is left. Negative = the drill's own bound was met, the target was not.
    pub margin: Option<f64>,
}

/// All runs of one drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrillLine {
    /// Which.
    pub drill: String,
    /// How often it was run, held, and was aborted.
    pub runs: usize,
    /// See `runs`.
    pub held: usize,
    /// See `runs`.
    pub aborted: usize,
    /// When the newest run was.
    pub newest: String,
    /// How that one ended.
    pub newest_verdict: Verdict,
}

impl Scorecard {
    /// Of all results below a directory.
    ///
    /// # Errors
    /// When the directory or a report in it cannot be read.
    pub fn of(dir: &Path) -> anyhow::Result<Self> {
        let mut results = Vec::new();
        let entries =
            std::fs::read_dir(dir).with_context(|| format!("no results in {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path().join(super::JSON);
            if !path.is_file() {
                continue;
            }
            let text =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let result: DrillResult = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no drill report", path.display()))?;
            anyhow::ensure!(
                result.format <= FORMAT,
                "{} was written by a newer release",
                path.display()
            );
            results.push(result);
        }
        Ok(Self::from_results(results))
    }

    fn from_results(mut results: Vec<DrillResult>) -> Self {
        // Timestamps of one form in UTC sort as text; the name decides between two of one second.
        results.sort_by(|a, b| {
            let key = |r: &DrillResult| (r.run.started_at.clone(), r.run.drill.clone(), r.run.seed);
            key(a).cmp(&key(b))
        });
        let held = results.iter().filter(|r| r.verdict == Verdict::Held);
        Self {
            runs: results.len(),
            held: held.count(),
            promises: Promise::ALL.map(|promise| line(promise, &results)).into(),
            drills: drills(&results),
        }
    }

    /// Whether no promise's newest drill failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.promises.iter().all(|line| line.failed_since.is_none())
    }

    /// For the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} runs, {} held\n\n", self.runs, self.held);
        for line in &self.promises {
            text.push_str(&format!("{:<20} {}\n", line.promise.name(), line.text));
            text.push_str(&format!("{:<20} {}\n", "", line.said()));
        }
        text.push('\n');
        for drill in &self.drills {
            text.push_str(&format!(
                "{:<36} {} of {} held, newest {}: {}\n",
                drill.drill,
                drill.held,
                drill.runs,
                drill.newest,
                super::summary::words(drill.newest_verdict)
            ));
        }
        text
    }

    /// Writes the page and the JSON into a directory.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let files = [
            (HTML, self.html().into_bytes()),
            (JSON, serde_json::to_vec_pretty(self)?),
        ];
        for (name, bytes) in files {
            let path = dir.join(name);
            std::fs::write(&path, bytes)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn html(&self) -> String {
        let promises: Vec<Vec<String>> = self.promises.iter().map(Line::cells).collect();
        let head = [
            "Promise",
            "Target",
            "State",
            "Last proven",
            "By",
            "Measured",
            "Margin",
            "Worst of all runs",
        ];
        let drills: Vec<Vec<String>> = self
            .drills
            .iter()
            .map(|drill| {
                vec![
                    drill.drill.clone(),
                    drill.runs.to_string(),
                    drill.held.to_string(),
                    drill.aborted.to_string(),
                    drill.newest.clone(),
                    super::summary::words(drill.newest_verdict).to_owned(),
                ]
            })
            .collect();
        let drill_head = [
            "Drill",
            "Runs",
            "Held",
            "Aborted",
            "Newest",
            "Newest verdict",
        ];
        let body = format!(
            "<p>{} runs, {} held. A margin is what is left to the design's target; a negative one means that the drill's own, wider bound was met and the target was not.</p>{}{}",
            self.runs,
            self.held,
            section(
                "Promises",
                &table("When each promise was last proven", &head, &promises)
            ),
            section("Drills", &table("Every drill's runs", &drill_head, &drills))
        );
        page("Disaster recovery scorecard", &body)
    }
}

impl Line {
    fn said(&self) -> String {
        let proven = self.proven.as_ref().map_or_else(
            || "never proven".to_owned(),
            |proof| {
                let figure = proof.measured.map_or_else(String::new, |measured| {
                    format!(
                        ": {} {}, target {}, margin {}",
                        short(measured),
                        self.unit,
                        short(self.target),
                        proof.margin.map_or_else(|| "–".to_owned(), short)
                    )
                });
                format!(
                    "proven {} by {} (seed {}, {} {}){figure}, {} runs",
                    proof.at, proof.drill, proof.seed, proof.commit, proof.build, self.runs
                )
            },
        );
        match &self.failed_since {
            None => proven,
            Some(failed) => format!(
                "FAILED {} by {} (seed {}); before: {proven}",
                failed.at, failed.drill, failed.seed
            ),
        }
    }

    fn state(&self) -> &'static str {
        match (&self.proven, &self.failed_since) {
            (_, Some(_)) => "FAILED since",
            (Some(_), None) => "proven",
            (None, None) => "never drilled",
        }
    }

    fn cells(&self) -> Vec<String> {
        let proof = self.proven.as_ref();
        let text = |of: &dyn Fn(&Proof) -> String| proof.map_or_else(|| "–".to_owned(), of);
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
        vec![
            format!("{}: {}", self.promise.name(), self.text),
            format!("{} {}", short(self.target), self.unit),
            self.state().to_owned(),
            text(&|proof| proof.at.clone()),
            text(&|p| format!("{}, seed {}, {} {}", p.drill, p.seed, p.commit, p.build)),
            number(proof.and_then(|proof| proof.measured)),
            number(proof.and_then(|proof| proof.margin)),
            number(self.worst),
        ]
    }
}

/// `results` in order of time.
fn line(promise: Promise, results: &[DrillResult]) -> Line {
    let said = promise.said();
    let told: Vec<(&DrillResult, bool)> = results
        .iter()
        .filter_map(|result| Some((result, kept(result, promise)?)))
        .collect();
    let held: Vec<&DrillResult> = told
        .iter()
        .filter(|(_, is_kept)| *is_kept)
        .map(|(result, _)| *result)
        .collect();
    let proven = held.last().map(|result| proof(result, promise));
    let broken = told.last().filter(|(_, is_kept)| !*is_kept);
    let measured = held.iter().filter_map(|result| measured(result, promise));
    let worse = if said.at_least { f64::min } else { f64::max };
    Line {
        promise,
        text: said.text.to_owned(),
        target: said.target,
        unit: said.unit.to_owned(),
        proven,
        failed_since: broken.map(|(result, _)| proof(result, promise)),
        worst: measured.reduce(worse),
        runs: held.len(),
    }
}

/// Whether the run kept the promise; `None` when it says nothing about it: it does not test it, was aborted, expected nothing
/// about it, or kept it and did not hold for another reason.
fn kept(result: &DrillResult, promise: Promise) -> Option<bool> {
    if result.verdict == Verdict::Aborted || !result.run.promises.contains(&promise) {
        return None;
    }
    let about = result.expectations.iter().filter(|e| e.promise == promise);
    let all_held = about.map(|e| e.held).reduce(|all, held| all && held)?;
    (!all_held || result.verdict == Verdict::Held).then_some(all_held)
}

fn proof(result: &DrillResult, promise: Promise) -> Proof {
    let said = promise.said();
    let measured = measured(result, promise);
    let margin = measured.map(|measured| {
        if said.at_least {
            measured - said.target
        } else {
            said.target - measured
        }
    });
    let run = &result.run;
    Proof {
        drill: run.drill.clone(),
        seed: run.seed,
        commit: run.commit.clone(),
        build: run.build.clone(),
        at: run.started_at.clone(),
        measured,
        margin,
    }
}

/// What the run measured for the promise, whether or not the drill had a bound for it.
fn measured(result: &DrillResult, promise: Promise) -> Option<f64> {
    let rule = crate::drill::expect::rule_of(promise.said().measure)?;
    rule.judge(0.0, result).measured
}

fn drills(results: &[DrillResult]) -> Vec<DrillLine> {
    let mut lines: BTreeMap<&str, DrillLine> = BTreeMap::new();
    for result in results {
        let name = result.run.drill.as_str();
        let line = lines.entry(name).or_insert_with(|| DrillLine {
            drill: name.to_owned(),
            runs: 0,
            held: 0,
            aborted: 0,
            newest: String::new(),
            newest_verdict: Verdict::Aborted,
        });
        line.runs += 1;
        line.held += usize::from(result.verdict == Verdict::Held);
        line.aborted += usize::from(result.verdict == Verdict::Aborted);
        line.newest.clone_from(&result.run.started_at);
        line.newest_verdict = result.verdict;
    }
    lines.into_values().collect()
}

#[cfg(test)]
mod tests;
