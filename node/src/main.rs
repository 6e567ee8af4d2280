//! The `holdfast-node` process: arguments, configuration, signals, exit code.
//!
//! Owns: turning the process's surroundings into a [`Server`] and back. Must never: hold logic that a test would want.

use std::{io::Read, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Parser;
use holdfast_node::{
    config::{Config, Overrides},
    fault_door::FaultDoor,
    server::{Server, Surroundings},
    workers::{notice_journal::NoticeJournal, payment::PaymentJournal},
};
use holdfast_node_api::telemetry;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Shows come and go by thousands, opened by one thread and put away by another: what they leave has to go back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration, the topology or the surroundings are not usable.
const EXIT_CANNOT_START: u8 = 3;
/// The cluster does not want this node: its number stands for another disk, or for a node that was removed.
const EXIT_REFUSED: u8 = 5;

/// Runs one replica server of Holdfast.
///
/// It keeps its shows' Raft logs under --data-dir, serves peers and gateways over gRPC on --grpc-listen, and health,
/// metrics and debug pages over HTTP on --http-listen. SIGTERM and Ctrl-C drain it: leaderships are handed over before
/// it ends.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Args {
    /// TOML file with any of the settings below, and [telemetry] and [limits]
    #[arg(long, value_name = "FILE", env = "HOLDFAST_NODE_CONFIG")]
    config: Option<PathBuf>,
    /// This node's number in the topology
    #[arg(long, value_name = "N", env = "HOLDFAST_NODE_NODE_ID")]
    node_id: Option<u64>,
    /// Directory for everything durable; made when missing
    #[arg(long, value_name = "DIR", env = "HOLDFAST_NODE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address for peers and gateways [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR:PORT", env = "HOLDFAST_NODE_GRPC_LISTEN")]
    grpc_listen: Option<String>,
    /// Address for health, metrics and debug pages [default: 127.0.0.1:7401]
    #[arg(long, value_name = "ADDR:PORT", env = "HOLDFAST_NODE_HTTP_LISTEN")]
    http_listen: Option<String>,
    /// Topology file: every region and node, and how this one dials them
    #[arg(long, value_name = "FILE", env = "HOLDFAST_NODE_TOPOLOGY")]
    topology: Option<PathBuf>,
    /// What is logged, such as info or info,holdfast_raft=debug
    #[arg(long, value_name = "FILTER", env = "HOLDFAST_NODE_LOG")]
    log: Option<String>,
    /// OpenTelemetry collector (OTLP over gRPC), such as http://127.0.0.1:4317; off unless given
    #[arg(long, value_name = "URL", env = "HOLDFAST_NODE_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// End when standard input reaches its end, as it does when the parent process dies
    #[arg(long)]
    exit_with_parent: bool,
    /// For drills on one machine: a TOML file that is read ten times a second and obeyed, see docs/faults.md
    #[arg(long, value_name = "FILE", hide = true)]
    fault_door: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  holdfast-node --node-id 1 --data-dir data/n1 --topology local.toml
  curl http://127.0.0.1:7401/readyz

A flag wins over its environment variable, which wins over the file.

Exit codes:
  0  stopped on request
  2  the command line cannot be understood
  3  cannot start: configuration, topology, port or data directory
  5  the cluster refuses this node: its number stands for another disk, or for a node that was removed

A disk that is full or fails does not end the node: it leads nothing and acknowledges nothing until the disk works again.
SIGHUP reads the topology file again.";

fn main() -> ExitCode {
    match configured(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Logging may not be set up yet, and a person is likely to be watching.
            eprintln!("holdfast-node: {error:#}");
            ExitCode::from(EXIT_CANNOT_START)
        }
    }
}

/// Reads the configuration, which says how many threads the runtime gets, and runs the node on them.
fn configured(args: Args) -> anyhow::Result<ExitCode> {
    let fault_door = args.fault_door;
    let overrides = Overrides {
        node_id: args.node_id,
        data_dir: args.data_dir,
        grpc_listen: args.grpc_listen,
        http_listen: args.http_listen,
        topology: args.topology,
        log: args.log,
        otlp_endpoint: args.otlp_endpoint,
        exit_with_parent: args.exit_with_parent,
    };
    let config = Config::load(args.config.as_deref(), overrides)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.worker_threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(run(config, fault_door))
}

async fn run(config: Config, fault_door: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let instance = config.node_id.to_string();
    let _telemetry = telemetry::init("holdfast-node", &instance, &config.telemetry)?;
    let exit_with_parent = config.exit_with_parent;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut around = Surroundings::default();
    if let Some(path) = fault_door {
        let door = FaultDoor::open(&path, &config, Arc::clone(&around.clock))?;
        around.clock = door.clock();
        around.disk_faults = Some(door.disk());
        door.watch();
    }
    if let Some(path) = &config.notices_journal {
        let journal = NoticeJournal::open(path);
        let journal = journal.with_context(|| format!("notices_journal: {}", path.display()))?;
        around.notices = Arc::new(journal);
    }
    if let Some(path) = &config.payments_journal {
        let journal = PaymentJournal::open(path, Arc::clone(&around.payments));
        let journal = journal.with_context(|| format!("payments_journal: {}", path.display()))?;
        around.payments = Arc::new(journal);
    }
    let server = Server::start(config, around).await?;
    tracing::info!(
        node = %instance, grpc = %server.grpc_addr, http = %server.http_addr,
        version = env!("CARGO_PKG_VERSION"), "node started"
    );
    let code = tokio::select! {
        reason = server.refused() => {
            tracing::error!(reason, "the cluster refuses this node, ending");
            ExitCode::from(EXIT_REFUSED)
        }
        _ = terminate.recv() => {
            tracing::info!("SIGTERM, draining");
            ExitCode::SUCCESS
        }
        _ = tokio::signal::ctrl_c() => {
            tracing::info!("interrupted, draining");
            ExitCode::SUCCESS
        }
        () = parent_gone(), if exit_with_parent => {
            tracing::info!("standard input ended, draining");
            ExitCode::SUCCESS
        }
    };
    server.stop().await;
    tracing::info!(node = %instance, "node stopped");
    Ok(code)
}

/// Waits for the end of standard input; what is written to it is ignored.
///
/// A thread of its own reads it: the runtime would wait for a blocking read of its own when it ends, and the read may
/// never end.
async fn parent_gone() {
    let (gone, heard) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut ignored = [0; 256];
        while matches!(input.read(&mut ignored), Ok(1..)) {}
        // Nobody listens when the node is already stopping.
        let _ = gone.send(());
    });
    if heard.await.is_err() {
        std::future::pending::<()>().await;
    }
}
