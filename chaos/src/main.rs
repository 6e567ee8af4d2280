//! `holdfast-chaos`: run, break and measure Holdfast on one machine.
//!
//! Owns: the command line. Must never: do the work itself.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_chaos::demo::{self, DemoArgs};
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
