//! `holdfast-chaos`: run, break and measure Holdfast on one machine.
//!
//! Owns: the command line. Must never: do the work itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use holdfast_chaos::bench::{self, BenchCommand};
use holdfast_chaos::checker::{self, Options};
use holdfast_chaos::demo::{self, DemoArgs};
use holdfast_chaos::drill::{self, DrillCommand};
use holdfast_chaos::runbook::{self, RunbookCommand};
use holdfast_node_api::telemetry::{self, TelemetryConfig};

/// Run, break and measure Holdfast on one machine, with the real binaries and an emulated wide-area network.
///
/// Exit codes: 0 done as asked; 1 failed, the text on standard error says which part and why; 2 wrong usage.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(DemoArgs),
    /// Measure what the design promises.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Break a cluster on purpose and judge what happens.
    #[command(subcommand)]
    Drill(DrillCommand),
    /// Work through the pages for operators, each on a cluster of its own with the very fault.
    #[command(subcommand)]
    Runbook(RunbookCommand),
    /// Judge a history of buyers' requests (JSON lines): no seat with two owners, no request that acted twice.
    Check {
        /// The history.
        file: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Quiet unless asked: RUST_LOG wins over this.
    let config = TelemetryConfig {
        log: "warn".to_owned(),
        ..TelemetryConfig::default()
    };
    let _guard = match telemetry::init("holdfast-chaos", "local", &config) {
        Ok(guard) => guard,
        Err(error) => return failed(&error.into()),
    };
    let result = match cli.command {
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Bench(command) => Box::pin(bench::run(command)).await,
        // A drill has more to say than yes and no; see its help.
        Command::Drill(command) => match Box::pin(drill::run(command)).await {
            Ok(code) => return code,
            Err(error) => {
                failed(&error);
                return ExitCode::from(2);
            }
        },
        Command::Runbook(command) => Box::pin(runbook::run(command)).await,
        Command::Check { file } => check(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    let verdict = checker::check(file, &Options::default())
        .with_context(|| format!("cannot judge {}", file.display()))?;
    println!("{verdict}");
    anyhow::ensure!(verdict.is_valid(), "not valid: {:?}", verdict.conclusion());
    Ok(())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("holdfast-chaos: {error:#}");
    ExitCode::FAILURE
}
