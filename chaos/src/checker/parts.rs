//! For each violation about a seat: the smallest offending part as a history of its own, and a picture of it.
//!
//! Owns: the files and their names. Must never: judge again.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use thiserror::Error;

use super::Options;
use super::dossier::Dossier;
use super::timeline::Timeline;
use super::verdict::{Verdict, Violation};
use crate::history::{Excerpt, History, HistoryError, Name};

/// Why the parts could not be written.
#[derive(Debug, Error)]
pub enum PartsError {
    /// A file of the report.
    #[error("report: {0}")]
    File(#[from] std::io::Error),
    /// An excerpt.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The verdict.
    #[error("report: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes `verdict.json`, `verdict.txt`, and for each described violation about a seat `NN-CHECK-SEAT.jsonl` (the part)
/// and `NN-CHECK-SEAT.svg` (the picture) into a directory, which is made if need be. Returns how many parts there are.
///
/// # Errors
/// When a file cannot be written.
pub fn write_parts(
    history: &History,
    options: &Options,
    verdict: &Verdict,
    dir: &Path,
) -> Result<usize, PartsError> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(
        dir.join("verdict.json"),
        serde_json::to_vec_pretty(verdict)?,
    )?;
    std::fs::write(dir.join("verdict.txt"), format!("{verdict}\n"))?;
    let dossier = Dossier::of(history, options);
    let places: HashMap<u64, usize> = history
        .calls
        .iter()
        .enumerate()
        .map(|(at, call)| (call.id, at))
        .collect();
    let mut written = 0;
    for (check, violation) in verdict.violations() {
        let Some(seat) = &violation.seat else {
            continue;
        };
        let name = format!("{:02}-{check}-{}", written + 1, file_name(seat));
        write_part(&dossier, check, violation, seat, &places, &dir.join(name))?;
        written += 1;
    }
    Ok(written)
}

fn write_part(
    dossier: &Dossier<'_>,
    check: &str,
    violation: &Violation,
    seat: &str,
    places: &HashMap<u64, usize>,
    path: &Path,
) -> Result<(), PartsError> {
    let history = dossier.history;
    let named: Vec<usize> = violation
        .calls
        .iter()
        .filter_map(|call| places.get(call).copied())
        .collect();
    // A part that was shrunk is whole; of the others, the lives of the holds that the calls are about belong to it.
    let calls = if violation.until_ns.is_some() {
        named
    } else {
        with_lives(dossier, &named)
    };
    let (show, seat) = (
        history.names.find(&violation.show),
        history.names.find(seat),
    );
    let excerpt = Excerpt {
        calls: &calls,
        show: show.unwrap_or(Name::NONE),
        seat: seat.unwrap_or(Name::NONE),
        until_ns: violation.until_ns.unwrap_or(u64::MAX),
    };
    let why = format!(
        "{check}: {violation}\nCut to one seat; other seats of the same calls are left out."
    );
    excerpt.write(
        history,
        &why,
        BufWriter::new(File::create(path.with_extension("jsonl"))?),
    )?;
    let picture = Timeline {
        history,
        title: format!(
            "{check}: seat {} of {}",
            history.text(excerpt.seat),
            violation.show
        ),
        seat: excerpt.seat,
        show: excerpt.show,
        calls: &calls,
        until_ns: excerpt.until_ns,
    };
    std::fs::write(path.with_extension("svg"), picture.svg())?;
    Ok(())
}

/// With every other call about the same holds and their orders.
fn with_lives(dossier: &Dossier<'_>, named: &[usize]) -> Vec<usize> {
    let mut calls: HashSet<usize> = named.iter().copied().collect();
    for &at in named {
        let call = dossier.call(at);
        let order = dossier.orders.get(&call.order_id());
        let of_order = order.map_or(Name::NONE, |order| order.hold);
        let hold = if call.hold_id().is_some() {
            call.hold_id()
        } else {
            of_order
        };
        if let Some(hold) = dossier.holds.get(&hold) {
            calls.extend(hold.made.iter().chain(&hold.calls));
            if let Some(order) = dossier.orders.get(&hold.order) {
                calls.extend(order.opened.iter().chain(&order.calls));
            }
        }
    }
    let mut calls: Vec<usize> = calls.into_iter().collect();
    calls.sort_unstable();
    calls
}

fn file_name(seat: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    seat.chars().take(60).map(plain).collect()
}
