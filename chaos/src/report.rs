//! A drill's report: one HTML file for people, one JSON file for machines, and the scorecard over many.
//!
//! Readable when printed, by screen reader (every picture has a description and a table), and without colour.
//!
//! Owns: which sections there are and the names of the files. Must never: judge; it says what [`crate::drill`] found.

mod axis;
mod blast;
mod checks;
mod errors;
mod faults;
mod frame;
mod latency;
mod leaders;
mod losses;
mod names;
mod page;
mod palette;
mod recovery;
mod rooms;
pub mod scorecard;
mod spike;
pub(crate) mod summary;
mod svg;
mod table;
mod throughput;

use std::path::Path;

use anyhow::Context;

use self::page::{page, section};
use crate::drill::result::DrillResult;

/// Name of the file for people.
pub const HTML: &str = "report.html";
/// Name of the file for machines.
pub const JSON: &str = "report.json";

/// The whole page of one drill.
#[must_use]
pub fn html(result: &DrillResult) -> String {
    let body = [
        summary::section(result),
        section(
            "What happened",
            &[
                throughput::section(result),
                errors::section(result),
                latency::section(result),
                leaders::section(result),
            ]
            .concat(),
        ),
        section("Recovery", &recovery::section(result)),
        section("Losses and open outcomes", &losses::section(result)),
        names::section(result),
        rooms::section(result),
        spike::section(result),
        section("Blast radius", &blast::section(result)),
        section("Checks", &checks::section(result)),
        section("Faults and timeline", &faults::section(result)),
        section("How to repeat it", &summary::provenance(result)),
    ]
    .concat();
    page(&result.run.title, &body)
}

/// Writes both files into a directory that exists.
///
/// # Errors
/// When a file cannot be written.
pub fn write(result: &DrillResult, dir: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(result)?;
    for (name, bytes) in [(JSON, json), (HTML, html(result).into_bytes())] {
        let path = dir.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
