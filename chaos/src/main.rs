//! `holdfast-chaos`: run, break and measure Holdfast on one machine.
//!
//! Owns: the command line. Must never: do the work itself.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_chaos::bench::{self, BenchCommand};
use holdfast_chaos::check_command::{self, CheckArgs};
use holdfast_chaos::demo::{self, DemoArgs};
use holdfast_chaos::drill::{self, DrillCommand};
use holdfast_chaos::history_command::{self, HistoryCommand};
use holdfast_chaos::queue_command::{self, QueueCommand};
use holdfast_chaos::runbook::{self, RunbookCommand};
use holdfast_chaos::wan::serve::{self, WanCommand};
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
    /// The emulated wide-area network by itself.
    #[command(subcommand)]
    Wan(WanCommand),
    Check(CheckArgs),
    /// Check the draw of a waiting room from outside.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Make up histories to try a checker on.
    #[command(subcommand)]
    History(HistoryCommand),
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
        Command::Wan(command) => serve::run(command).await,
        Command::Queue(command) => queue_command::run(command).await,
        Command::Check(args) => return check_command::run(&args),
        Command::History(command) => history_command::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("holdfast-chaos: {error:#}");
    ExitCode::FAILURE
}
