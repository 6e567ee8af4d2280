//! The sample season's seating plans, drawn by rule.
//!
//! Owns: which plans there are and how their files look. Must never: use randomness or floating point: the
//! same source writes the same bytes everywhere, and the files are committed.

mod arena;
mod club;
mod drawing;
mod hall;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use drawing::Plan;

const FOLDER: &str = "chaos/season/plans";

/// Every plan of the season, by the name of its file.
fn plans() -> [(&'static str, Plan); 4] {
    [
        ("harbour-hall.json", hall::harbour_hall()),
        ("canal-theatre.json", hall::canal_theatre()),
        ("lagoon-arena.json", arena::lagoon_arena()),
        ("cellar-club.json", club::cellar_club()),
    ]
}

/// Writes all plans.
///
/// # Errors
/// A file could not be written.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for (name, plan) in plans() {
        let path = folder.join(name);
        fs::write(&path, plan.to_text()).with_context(|| path.display().to_string())?;
        println!(
            "{FOLDER}/{name}: {} seats, {} places",
            plan.seats(),
            plan.places()
        );
    }
    Ok(())
}

/// Checks that the committed files are what `write` would write.
///
/// # Errors
/// One is missing or differs.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (name, plan) in plans() {
        let committed = fs::read_to_string(root.join(FOLDER).join(name)).unwrap_or_default();
        if committed != plan.to_text() {
            bail!(
                "{FOLDER}/{name} is not what `cargo xtask season` writes; run it and commit the result"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
