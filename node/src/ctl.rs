//! `holdfastctl`: what an operator asks and does from a shell.
//!
//! Owns: the command line, the exit codes, and both forms of every answer (text and JSON). Must never: touch a
//! node's files, or know anything that a node's gRPC interface does not say.

mod answer;
mod cluster;
mod connect;
mod dns;
mod failure;
mod index;
mod leaders;
mod membership;
mod node;
mod placement;
mod plan;
mod queue;
mod region;
mod show;
mod show_file;
mod topology;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use answer::{Answer, table};
pub use connect::Target;
pub use failure::Failure;

const AFTER_HELP: &str = "\
Examples:
  holdfastctl plan check hall.json
  holdfastctl --node 127.0.0.1:7101 cluster status
  export HOLDFAST_NODE_ADDR=127.0.0.1:7101
  holdfastctl show list
  holdfastctl show status s7
  holdfastctl leaders status
  holdfastctl region evacuate westeurope --dry-run
  holdfastctl node replace n3 --with n7
  holdfastctl membership status
  holdfastctl dns drain westeurope --for 30m
  holdfastctl show move-leader s7 --to n2
  holdfastctl plan import hall.json --slug town-hall
  holdfastctl placement explain --preset eight-regions --home westeurope --jurisdiction EU
  holdfastctl show create friday.toml
  holdfastctl queue open s7 --sale-at +600 --capacity 3000 --rate 3000
  holdfastctl queue status s7
  holdfastctl index begin --all
  holdfastctl index status
  holdfastctl --json cluster status

Exit codes:
  0  done, and what was asked about is well
  1  answered, but not well: a plan with problems, a node that cannot be reached, a group without a leader,
     a change after which not every leadership has moved
  2  the command line is wrong
  3  the node could not be reached or did not answer in time; nothing is known
  4  the node refused or failed; its reason is shown
  5  a file could not be read or is not what it should be";

/// Asks and tells a Holdfast cluster through any one of its nodes.
#[derive(Debug, Parser)]
#[command(name = "holdfastctl", version, about, after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Answer with one JSON object on one line of stdout, also on failure
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The cluster as one node sees it
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Nodes: what they carry; add, replace, remove, drain one
    #[command(subcommand)]
    Node(node::Command),
    /// Regions: what they carry; add, remove, evacuate one
    #[command(subcommand)]
    Region(region::Command),
    /// Members: how far the cluster is with moving replicas
    #[command(subcommand)]
    Membership(membership::Command),
    /// The topology file of a node: read it again
    #[command(subcommand)]
    Topology(topology::Command),
    /// Leaders: who leads what, and what is not at home
    #[command(subcommand)]
    Leaders(leaders::Command),
    /// DNS: send users to one region or away from one, for a while
    #[command(subcommand)]
    Dns(dns::Command),
    /// Shows: list them, look at one, create one, move its leader
    #[command(subcommand)]
    Show(show::Command),
    /// Waiting rooms: put one before a show, hold it up, look at it
    #[command(subcommand)]
    Queue(queue::Command),
    /// Indexes of buyers ("my orders"): begin them, who leads them, how far behind they are
    #[command(subcommand)]
    Index(index::Command),
    /// Seating plans: check a file, import it
    #[command(subcommand)]
    Plan(plan::Command),
    /// Placement: where a show's replicas go, and why
    #[command(subcommand)]
    Placement(placement::Command),
}

/// The whole program: reads the arguments, does what they say, prints, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(Failure::file("the async runtime", &error)),
    };
    match result {
        Ok(answer) => {
            print(&if json {
                answer.to_json_line()
            } else {
                answer.text
            });
            if answer.well {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(failure::UNWELL)
            }
        }
        Err(failure) => {
            if json {
                print(&failure.to_json_line());
            }
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Does what `args` say.
///
/// # Errors
/// Why it could not be done; the exit code follows from it.
pub async fn run(args: Args) -> Result<Answer, Failure> {
    match args.command {
        Command::Cluster(command) => cluster::run(&command, &args.target).await,
        Command::Node(command) => node::run(&command, &args.target).await,
        Command::Region(command) => region::run(&command, &args.target).await,
        Command::Membership(command) => membership::run(&command, &args.target).await,
        Command::Topology(command) => topology::run(&command, &args.target).await,
        Command::Leaders(command) => leaders::run(&command, &args.target).await,
        Command::Dns(command) => dns::run(&command, &args.target).await,
        Command::Show(command) => show::run(&command, &args.target).await,
        Command::Queue(command) => queue::run(&command, &args.target).await,
        Command::Index(command) => index::run(&command, &args.target).await,
        Command::Plan(command) => plan::run(&command, &args.target).await,
        Command::Placement(command) => placement::run(&command),
    }
}

/// A reader that goes away early (`| head`) is no failure of ours.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _closed_pipe = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"));
}

#[cfg(test)]
mod tests;
