//! `holdfast-chaos history`: makes up histories, to try a checker on.
//!
//! Owns: the arguments. Must never: judge.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::history::{Generate, Plant, generate};

/// What to do with histories.
#[derive(Debug, Clone, Subcommand)]
pub enum HistoryCommand {
    /// Make up a history: a correct system with lost answers, late requests and replicas behind, or one with a defect.
    Generate {
        /// Calls in it, about.
        #[arg(long, default_value_t = 10_000)]
        ops: u64,
        /// The same seed gives the same history.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A defect of the made-up system.
        #[arg(long, value_name = "KIND")]
        plant: Option<Plant>,
    },
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be written.
pub fn run(command: HistoryCommand) -> anyhow::Result<()> {
    let HistoryCommand::Generate {
        ops,
        seed,
        out,
        plant,
    } = command;
    let file = File::create(&out).with_context(|| format!("cannot create {}", out.display()))?;
    generate(
        Generate { ops, seed, plant },
        BufWriter::with_capacity(1 << 20, file),
    )
    .with_context(|| format!("cannot write {}", out.display()))
}
