//! `holdfast-chaos bench`: promises measured, as a table for people or one JSON object for machines.
//!
//! Every bench says `{bench, machine, results: [{name, value, unit, target}]}`. A target is what the design promises;
//! a bench reports and does not fail by it, since machines differ. `docs/benchmarks.md` has the last figures.
//!
//! Owns: the command line of every bench. Must never: measure anything itself.

mod attempt;
mod contender;
mod disk;
mod dns;
mod echo;
mod edge;
mod elections;
mod evacuate;
mod failover;
mod histogram;
mod hold;
mod http;
mod idle;
mod latency;
mod nginx;
mod open;
mod pace;
mod queue;
mod report;
mod restart;
mod scrape;
mod shows;
mod sse;
mod stats;
mod summary;
mod usage;
mod users;
mod writer;
mod wrk;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use contender::Against;
pub use disk::DiskArgs;
pub use dns::DnsArgs;
pub use edge::{GatewayArgs, RejectionArgs};
pub use evacuate::EvacuateArgs;
pub use failover::{FailoverArgs, Loss};
pub use idle::{IdleArgs, State};
pub use queue::QueueArgs;
pub use report::{Machine, Measurement, Report};
pub use restart::RestartArgs;
pub use sse::SseArgs;
pub use summary::SummaryArgs;

/// Which bench.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// Holds on one hot show, three durable replicas: closed loop, open loop, through HTTP; or beside other systems.
    Hold(HoldArgs),
    /// Latency of an uncontended hold over the emulated network, beside the least that physics allows.
    Latency(LatencyArgs),
    /// A region is lost: time until each of its shows takes a write again.
    Failover(FailoverArgs),
    /// A region is evacuated and restored while people buy: how long it takes and what they notice.
    Evacuate(EvacuateArgs),
    /// A node with many shows on disk starts again: time until it serves.
    Restart(RestartArgs),
    /// What shows cost that nobody buys: processor, memory and messages per replica, by state.
    Idle(IdleArgs),
    /// DNS answers of one gateway, beside a name server that people would use instead.
    Dns(DnsArgs),
    /// A waiting room at one gateway: joins and polls per second, with processor and memory.
    Queue(QueueArgs),
    /// The log store and the snapshot store on this disk, beside one alternative each.
    Disk(DiskArgs),
    /// Maps, holds and orders through HTTP at a gateway, driven by wrk, beside a bare echo and nginx.
    Gateway(GatewayArgs),
    /// Holds of seats that are gone, refused by a gateway without asking the shard.
    Rejection(RejectionArgs),
    /// Many viewers of one live map at one gateway.
    Sse(SseArgs),
    /// Of several benches' JSON files: every figure that has a target, as a table.
    Summary(SummaryArgs),
}

/// What every bench is told.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Print one JSON object on one line of standard output instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Directory of the binaries to measure [default: beside this program].
    #[arg(long, value_name = "DIR", alias = "release-binaries")]
    pub bin_dir: Option<PathBuf>,
}

impl BenchArgs {
    /// Where the binaries to measure are: as asked, or beside this program.
    fn bin_dir(&self) -> anyhow::Result<PathBuf> {
        let asked = self.bin_dir.as_ref();
        asked.map_or_else(crate::demo::bin_dir, |dir| Ok(dir.clone()))
    }
}

/// Options of `bench hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Least time of each point, seconds; a closed loop finishes whole shows.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Numbers of clients in a closed loop [default: 1,16,64,256,1024; with --against 64,256].
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub clients: Option<Vec<usize>>,
    /// Rates of the open loop, attempts a second.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1_000, 10_000, 50_000])]
    pub rates: Vec<u32>,
    /// Leave the points through HTTP away.
    #[arg(long)]
    pub no_http: bool,
    /// Also run the same holds on this system, in turns; repeat for several. Only the closed loop is run then.
    #[arg(long, value_name = "SYSTEM", value_enum)]
    pub against: Vec<Against>,
    /// Turns of each system with --against.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
    /// Seats of one show.
    #[arg(long, value_name = "N", default_value_t = attempt::REFERENCE.seats, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    pub seats: u32,
    /// Attempts on one show before the next; 2,000 leaves most seats free, so that nearly all of them write.
    #[arg(long, value_name = "N", default_value_t = attempt::REFERENCE.attempts, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub attempts: u32,
}

/// Options of `bench latency`.
#[derive(Debug, Clone, Args)]
pub struct LatencyArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Holds measured for each pair of gateway and home region.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(10..=1_000))]
    pub samples: u32,
    /// Leave away the first writes on shows that hibernate or have left memory.
    #[arg(long)]
    pub no_wake: bool,
}

/// Runs a bench and prints its report.
///
/// # Errors
/// When a cluster cannot be run.
pub async fn run(command: BenchCommand) -> anyhow::Result<()> {
    if let BenchCommand::Summary(args) = &command {
        return summary::print(args);
    }
    let json = command.json();
    let report = measure(command).await?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report.table());
    }
    Ok(())
}

/// Runs a bench.
///
/// # Errors
/// When a cluster cannot be run.
pub async fn measure(command: BenchCommand) -> anyhow::Result<Report> {
    match command {
        BenchCommand::Hold(args) => Box::pin(hold::run(args)).await,
        BenchCommand::Latency(args) => Box::pin(latency::run(args)).await,
        BenchCommand::Failover(args) => Box::pin(failover::run(args)).await,
        BenchCommand::Evacuate(args) => Box::pin(evacuate::run(args)).await,
        BenchCommand::Restart(args) => Box::pin(restart::run(args)).await,
        BenchCommand::Idle(args) => Box::pin(idle::run(args)).await,
        BenchCommand::Dns(args) => Box::pin(dns::run(args)).await,
        BenchCommand::Queue(args) => Box::pin(queue::run(args)).await,
        BenchCommand::Disk(args) => Box::pin(disk::run(args)).await,
        BenchCommand::Gateway(args) => Box::pin(edge::gateway(args)).await,
        BenchCommand::Rejection(args) => Box::pin(edge::rejection(args)).await,
        BenchCommand::Sse(args) => Box::pin(sse::run(args)).await,
        BenchCommand::Summary(_) => anyhow::bail!("a summary measures nothing"),
    }
}

impl BenchCommand {
    const fn json(&self) -> bool {
        match self {
            Self::Hold(args) => args.bench.json,
            Self::Latency(args) => args.bench.json,
            Self::Failover(args) => args.bench.json,
            Self::Evacuate(args) => args.bench.json,
            Self::Restart(args) => args.bench.json,
            Self::Idle(args) => args.bench.json,
            Self::Dns(args) => args.bench.json,
            Self::Queue(args) => args.bench.json,
            Self::Disk(args) => args.bench.json,
            Self::Gateway(args) => args.bench.json,
            Self::Rejection(args) => args.bench.json,
            Self::Sse(args) => args.bench.json,
            Self::Summary(_) => false,
        }
    }
}
