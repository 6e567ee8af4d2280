//! `holdfast-chaos check`: judges a history.
//!
//! Owns: its arguments, its output and its exit codes. Must never: judge itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::checker::{self, Conclusion, Options, Verdict};
use crate::history::History;

/// Judge a history of clients' calls: is every promise kept, whatever was broken meanwhile?
///
/// Checks that each seat's operations have an order that agrees with every answer (linearizability), that no seat has two
/// owners, that what was acknowledged survives, and more: docs/checker.md. The format is in docs/history-format.md.
///
/// Exit codes: 0 valid; 1 violated; 2 the input cannot be used; 3 undecided, or nothing in it to judge.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The history, JSON lines.
    history: PathBuf,
    /// Say the verdict as JSON.
    #[arg(long)]
    json: bool,
    /// Write the verdict, and for each violation about a seat the smallest offending part and a picture, into DIR.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How far a shard's clock may be from the recorder's, ms; otherwise as the history says.
    #[arg(long, value_name = "MS")]
    clock_bound_ms: Option<u64>,
    /// Steps of the search per seat before it gives up undecided.
    #[arg(long, value_name = "N", default_value_t = Options::default().search_steps_max)]
    search_steps_max: u64,
}

/// Runs the command; what is wrong with the input goes to standard error.
#[must_use]
pub fn run(args: &CheckArgs) -> ExitCode {
    match judged(args) {
        Ok(verdict) => {
            if args.json {
                match serde_json::to_string_pretty(&verdict) {
                    Ok(text) => println!("{text}"),
                    Err(error) => return unusable(&error.into()),
                }
            } else {
                println!("{verdict}");
            }
            ExitCode::from(exit_code(verdict.conclusion()))
        }
        Err(error) => unusable(&error),
    }
}

fn judged(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let options = Options {
        clock_bound_ms: args.clock_bound_ms,
        search_steps_max: args.search_steps_max,
        ..Options::default()
    };
    let started = Instant::now();
    let history = History::load(&args.history)?;
    let mut verdict = checker::check_history(&history, &options);
    verdict.elapsed = started.elapsed();
    if let Some(dir) = &args.report {
        checker::write_parts(&history, &options, &verdict, dir)?;
    }
    Ok(verdict)
}

const fn exit_code(conclusion: Conclusion) -> u8 {
    match conclusion {
        Conclusion::Valid => 0,
        Conclusion::Violated => 1,
        Conclusion::Undecided | Conclusion::NotExercised => 3,
    }
}

fn unusable(error: &anyhow::Error) -> ExitCode {
    eprintln!("holdfast-chaos: {error:#}");
    ExitCode::from(2)
}
