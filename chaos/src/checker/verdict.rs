//! What a judgement came to.
//!
//! Owns: its forms for people and machines. Must never: call something valid that nobody looked at or that nobody could
//! decide.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Looked at everything that there was, and nothing was wrong.
    Valid,
    /// The history holds nothing that this check could look at.
    NotExercised,
    /// Gave up; neither right nor wrong.
    Undecided,
    /// A promise was broken.
    Violated,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Show, when it is about one.
    pub show: String,
    /// Seat, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// Seat, hold, order, process or replica.
    pub subject: String,
    /// Who was told what.
    pub detail: String,
    /// Calls of the history that show it: the smallest part that does, where the check can shrink.
    pub calls: Vec<u64>,
    /// Answers that came later are not needed to show it; ns since the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<u64>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.show, self.subject, self.detail)?;
        if !self.calls.is_empty() {
            let calls: Vec<String> = self.calls.iter().map(u64::to_string).collect();
            write!(f, " (calls {})", calls.join(", "))?;
        }
        Ok(())
    }
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Name, as in `docs/checker.md`.
    pub name: &'static str,
    /// What it guards.
    pub promise: &'static str,
    /// How it ended.
    pub conclusion: Conclusion,
    /// Things looked at: seats, answers, orders, as the check counts.
    pub examined: u64,
    /// Things about which it gave up.
    pub undecided: u64,
    /// All violations.
    pub violations_total: u64,
    /// The first of them.
    pub violations: Vec<Violation>,
}

/// What a whole judgement came to.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Calls in the history.
    pub operations: u64,
    /// Calls whose outcome nobody was told.
    pub unknown: u64,
    /// Whether the history was written to its end.
    pub complete: bool,
    /// Every check.
    pub checks: Vec<CheckReport>,
    /// How long reading and judging took.
    #[serde(rename = "elapsed_s", serialize_with = "seconds")]
    pub elapsed: Duration,
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(elapsed.as_secs_f64())
}

impl Verdict {
    /// The worst of all checks.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let all = || self.checks.iter().map(|check| check.conclusion);
        for worst in [
            Conclusion::Violated,
            Conclusion::Undecided,
            Conclusion::Valid,
        ] {
            if all().any(|conclusion| conclusion == worst) {
                return worst;
            }
        }
        Conclusion::NotExercised
    }

    /// Whether every check that had something to look at found nothing wrong, and at least one had.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.conclusion() == Conclusion::Valid
    }

    /// Every described violation with the name of its check.
    pub fn violations(&self) -> impl Iterator<Item = (&'static str, &Violation)> {
        let checks = self.checks.iter();
        checks.flat_map(|check| check.violations.iter().map(|v| (check.name, v)))
    }

    /// The report of one check.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&CheckReport> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let word = match check.conclusion {
                Conclusion::Valid => "ok",
                Conclusion::NotExercised => "nothing to look at",
                Conclusion::Undecided => "UNDECIDED",
                Conclusion::Violated => "VIOLATED",
            };
            write!(f, "{:<22} {word}, {} examined", check.name, check.examined)?;
            if check.undecided > 0 {
                write!(f, ", {} undecided", check.undecided)?;
            }
            if check.violations_total > 0 {
                write!(
                    f,
                    ", {} violations of: {}",
                    check.violations_total, check.promise
                )?;
            }
            writeln!(f)?;
            for violation in &check.violations {
                writeln!(f, "    {violation}")?;
            }
        }
        let end = if self.complete {
            ""
        } else {
            "; the history was cut short"
        };
        let (operations, unknown) = (self.operations, self.unknown);
        write!(
            f,
            "{operations} operations, {unknown} with unknown outcome, {:.1} s{end}",
            self.elapsed.as_secs_f64()
        )
    }
}

/// Collects what one check finds.
#[derive(Debug)]
pub(super) struct Findings {
    violations_max: usize,
    examined: u64,
    undecided: u64,
    violations_total: u64,
    violations: Vec<Violation>,
}

impl Findings {
    pub(super) const fn new(violations_max: usize) -> Self {
        Self {
            violations_max,
            examined: 0,
            undecided: 0,
            violations_total: 0,
            violations: Vec::new(),
        }
    }

    /// One more thing was looked at.
    pub(super) const fn examined(&mut self) {
        self.examined += 1;
    }

    /// One thing could not be decided.
    pub(super) const fn undecided(&mut self) {
        self.undecided += 1;
    }

    pub(super) fn violated(&mut self, violation: Violation) {
        self.violations_total += 1;
        if self.violations.len() < self.violations_max {
            self.violations.push(violation);
        }
    }

    /// Whether another violation would be described; if not, it need not be shrunk.
    pub(super) fn has_room(&self) -> bool {
        self.violations.len() < self.violations_max
    }

    pub(super) fn report(self, name: &'static str, promise: &'static str) -> CheckReport {
        let conclusion = match (self.violations_total, self.undecided, self.examined) {
            (1.., _, _) => Conclusion::Violated,
            (0, 1.., _) => Conclusion::Undecided,
            (0, 0, 0) => Conclusion::NotExercised,
            (0, 0, 1..) => Conclusion::Valid,
        };
        CheckReport {
            name,
            promise,
            conclusion,
            examined: self.examined,
            undecided: self.undecided,
            violations_total: self.violations_total,
            violations: self.violations,
        }
    }
}
