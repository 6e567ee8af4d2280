//! What must be true of a history, whatever was broken meanwhile.
//!
//! Has its own idea of a seat and shares no code with the inventory. `docs/checker.md` says what each check sees and what
//! it cannot see.
//!
//! Owns: the list of checks and their order. Must never: take an open outcome for a yes or a no. It widens what is
//! possible.

mod dossier;
mod expiry;
mod layout;
mod ledger;
mod linearizable;
mod log_positions;
mod outbox;
mod owners;
mod parts;
mod projection;
mod replicas;
mod requests;
mod search;
mod seat;
mod seen;
mod sessions;
mod shrink;
mod staleness;
mod survival;
mod timeline;
mod together;
mod verdict;
mod window;

use std::path::Path;
use std::time::Instant;

use self::dossier::Dossier;
pub use self::parts::{PartsError, write_parts};
use self::verdict::Findings;
pub use self::verdict::{CheckReport, Conclusion, Verdict, Violation};
use crate::history::{History, HistoryError};

/// How to judge.
#[derive(Debug, Clone)]
pub struct Options {
    /// Overrides the clock bound of the header, ms.
    pub clock_bound_ms: Option<u64>,
    /// Violations of one check that are described; the rest are only counted.
    pub violations_max: usize,
    /// Steps that the search for an order of one seat's operations may take before it gives up undecided.
    pub search_steps_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock_bound_ms: None,
            violations_max: 20,
            search_steps_max: 5_000_000,
        }
    }
}

/// One check: its name on the command line and in reports, the promise that it guards, and the judgement.
struct Check {
    name: &'static str,
    promise: &'static str,
    judge: fn(&Dossier<'_>, &mut Findings),
}

const CHECKS: &[Check] = &[
    owners::CHECK,
    survival::CHECK,
    requests::CHECK,
    together::CHECK,
    expiry::CHECK,
    log_positions::CHECK,
    sessions::CHECK,
    staleness::CHECK,
    replicas::CHECK,
    ledger::CHECK,
    outbox::CHECK,
    linearizable::CHECK,
];

/// Judges a history in a file.
///
/// # Errors
/// When it cannot be read. A history that breaks a promise is no error: the verdict says so.
pub fn check(path: &Path, options: &Options) -> Result<Verdict, HistoryError> {
    let started = Instant::now();
    let history = History::load(path)?;
    let mut verdict = check_history(&history, options);
    verdict.elapsed = started.elapsed();
    Ok(verdict)
}

/// Judges a history in memory.
#[must_use]
pub fn check_history(history: &History, options: &Options) -> Verdict {
    let started = Instant::now();
    let dossier = Dossier::of(history, options);
    let reports = CHECKS.iter().map(|check| {
        let mut findings = Findings::new(options.violations_max);
        (check.judge)(&dossier, &mut findings);
        findings.report(check.name, check.promise)
    });
    let checks = reports.collect();
    Verdict {
        operations: history.calls.len() as u64,
        unknown: dossier.unknown_count(),
        complete: history.complete,
        checks,
        elapsed: started.elapsed(),
    }
}
