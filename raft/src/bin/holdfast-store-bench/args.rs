//! The command line.
//!
//! Owns: what may be asked and its bounds. Must never: measure.

use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Measures what a node's log store and snapshot store cost on a disk, beside one alternative each:
commits, write amplification, fsyncs per commit, space after a purge, opening again.

Usage: holdfast-store-bench [OPTIONS]

Options:
  --json                 Print one JSON object on one line: {bench, notes, results: [{name, value, unit, target}]}
  --dir DIR              Where to write; about 4 GB at the defaults, removed at the end [default: the system's temporary directory]
  --quick                Everything at a fiftieth of its size: shows that it works, says little
  --millis N             Length of one commit cell, milliseconds, 50 to 60000 [default: 1000]
  --entries N            Entries in the log that is opened and purged, 10000 to 10000000 [default: 2000000]
  --groups N             Groups of the snapshot store and of the second log, 100 to 100000 [default: 10000]
  --snapshot-bytes N     Size of a snapshot, 100 to 10000000 [default: 8192]
  --only PART            One of commit, fsync, log, snapshots; may be repeated [default: all]
  -h, --help             Print this

Exit status: 0 measured, 1 a part failed, 2 the arguments are wrong.";

/// What was asked.
pub(crate) struct Arguments {
    pub(crate) mode: Mode,
    pub(crate) json: bool,
    pub(crate) plan: Plan,
}

pub(crate) enum Mode {
    Help,
    /// One part, in this process: its name and its settings. For this program only.
    Part(Vec<String>),
    Bench,
}

/// How much to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) dir: PathBuf,
    pub(crate) millis: u64,
    pub(crate) entries: u64,
    pub(crate) groups: u64,
    pub(crate) snapshot_bytes: u64,
    /// Empty = every part.
    pub(crate) only: Vec<String>,
}

impl Plan {
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self {
            mode: Mode::Bench,
            json: false,
            plan: Plan {
                dir: std::env::temp_dir(),
                millis: 1_000,
                entries: 2_000_000,
                groups: 10_000,
                snapshot_bytes: 8_192,
                only: Vec::new(),
            },
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let plan = &mut parsed.plan;
            match word.as_str() {
                "--json" => parsed.json = true,
                "--dir" => plan.dir = value()?.into(),
                "--quick" => {
                    (plan.millis, plan.entries, plan.groups) = (50, 40_000, 200);
                }
                "--millis" => plan.millis = number(&word, &value()?, 50, 60_000)?,
                "--entries" => plan.entries = number(&word, &value()?, 10_000, 10_000_000)?,
                "--groups" => plan.groups = number(&word, &value()?, 100, 100_000)?,
                "--snapshot-bytes" => {
                    plan.snapshot_bytes = number(&word, &value()?, 100, 10_000_000)?;
                }
                "--only" => plan.only.push(part_name(value()?)?),
                "-h" | "--help" => parsed.mode = Mode::Help,
                "part" => {
                    parsed.mode = Mode::Part(words.collect());
                    break;
                }
                other => return Err(format!("unknown argument {other:?}")),
            }
        }
        Ok(parsed)
    }
}

fn part_name(name: String) -> Result<String, String> {
    if ["commit", "fsync", "log", "snapshots"].contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("--only: there is no part {name:?}"))
    }
}

fn number(name: &str, text: &str, min: u64, max: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!(
            "{name}: {text:?} is not a number from {min} to {max}"
        )),
    }
}
