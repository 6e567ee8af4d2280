//! The drills that come with the program.
//!
//! Owns: finding one by name or file. Must never: run it.

use std::path::Path;

use anyhow::Context;

use super::file::DrillFile;

/// Path below `drills/` and text of each file, embedded when the program was built.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/drill_files.rs"));

/// When a drill is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Class {
    /// Before a release, with several seeds: under 90 s each.
    Fast,
    /// By hand: a few minutes each.
    Slow,
    /// Now and then: long, or hard on the machine.
    Rare,
}

impl Class {
    /// As its directory is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Rare => "rare",
        }
    }
}

/// A drill with its name.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `lose-the-leader`.
    pub name: String,
    /// `fast`, `slow`, `rare` or `file`.
    pub class: String,
    /// The drill.
    pub file: DrillFile,
}

/// All, by class and name.
///
/// # Errors
/// When one of them is wrong.
pub fn all() -> anyhow::Result<Vec<Entry>> {
    let classes = [Class::Fast, Class::Slow, Class::Rare];
    let mut all = Vec::new();
    for class in classes {
        for (path, text) in FILES {
            let Some((dir, name)) = path.split_once('/') else {
                continue;
            };
            if dir == class.name() {
                all.push(entry(name.trim_end_matches(".toml"), dir, text)?);
            }
        }
    }
    Ok(all)
}

fn entry(name: &str, class: &str, text: &str) -> anyhow::Result<Entry> {
    Ok(Entry {
        name: name.to_owned(),
        class: class.to_owned(),
        file: DrillFile::parse(name, text)?,
    })
}

/// One by name, or from a file when the text names one.
///
/// # Errors
/// When there is none, or it is wrong.
pub fn find(name: &str) -> anyhow::Result<Entry> {
    let path = Path::new(name);
    if path.extension().is_some_and(|ext| ext == "toml") {
        let stem = path.file_stem().context("a drill file without a name")?;
        return Ok(Entry {
            name: stem.to_string_lossy().into_owned(),
            class: "file".to_owned(),
            file: DrillFile::load(path)?,
        });
    }
    let all = all()?;
    let known: Vec<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
    let known = known.join(", ");
    let found = all.iter().find(|entry| entry.name == name).cloned();
    found.with_context(|| format!("there is no drill {name}; there are {known}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use holdfast_region_config::Topology;

    use super::*;
    use crate::drill::expect::RULES;
    use crate::drill::promise::Promise;

    #[test]
    fn every_drill_is_sound_fits_its_topology_and_has_a_name_of_its_own() {
        let all = all().unwrap();
        let names: BTreeSet<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for entry in &all {
            let lab = &entry.file.lab;
            let topology = Topology::preset(&lab.preset).unwrap();
            let topology = topology.with_first_regions(lab.regions).unwrap();
            let topology = topology
                .with_nodes_per_region(lab.nodes_per_region)
                .unwrap();
            entry.file.fits(&topology).unwrap();
            assert!(find(&entry.name).is_ok());
        }
    }

    #[test]
    fn a_drill_names_only_promises_that_it_has_a_bound_for() {
        for entry in all().unwrap() {
            let is_bounded = |promise: Promise| {
                RULES.iter().any(|rule| {
                    // How much was sold says nothing of how long anybody waited.
                    let tells = rule.promise == promise && rule.name != "sales_min";
                    tells && (rule.always.is_some() || entry.file.expect.contains_key(rule.name))
                })
            };
            for promise in &entry.file.promises {
                assert!(is_bounded(*promise), "{}: {}", entry.name, promise.name());
            }
        }
    }

    #[test]
    fn the_drills_that_were_promised_are_there() {
        let all = all().unwrap();
        for name in [
            "lose-a-region",
            "lose-each-region",
            "lose-the-leader",
            "partition-minority",
            "partition-one-way",
            "flapping-link",
            "slow-disk",
            "full-disk",
            "clock-skew",
            "rolling-restart",
            "evacuate-region",
            "gateway-loss",
            "retry-storm",
            "region-returns-after-long-absence",
            "two-faults-at-once",
            "cold-start-of-everything",
            "on-sale-with-waiting-room",
            "load-spike",
            "successor-lags",
        ] {
            assert!(all.iter().any(|entry| entry.name == name), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_that_are() {
        let error = find("lose-everything").unwrap_err().to_string();
        assert!(error.contains("lose-the-leader"), "{error}");
    }
}
