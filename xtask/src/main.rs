//! Chores of this repository: `demo`, `sim`, `sabotage`, `tidy`, `season`, `callgrind`.
//!
//! Owns: what a developer types, and the structural rules. Must never: be needed to use Holdfast; the product
//! is in the other crates.

mod callgrind;
mod demo;
mod sabotage;
mod season;
mod sim;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

const USAGE: &str = "chores of the Holdfast repository

usage: cargo xtask COMMAND

  demo [ARGS]       build what the demo needs and start it (also: cargo demo [ARGS]); --help lists ARGS
  sim [ARGS]        build the simulation of the consensus layer and run it; --help lists ARGS
  sabotage [BUG]    build a node with bugs in it, run a drill on each, and see that the drill does not hold
  tidy              check the structural rules of CONTRIBUTING.md; exit code 1 when one is broken
  season [--check]  write the sample season's seating plans to chaos/season/plans, or check that they are current
  callgrind [--json]
                    count the instructions of one command in the state machine, under valgrind
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let Some((command, rest)) = args.split_first() else {
        bail!("no command given\n\n{USAGE}")
    };
    let root = repository();
    match command.as_str() {
        "demo" => demo::start(root, rest),
        "sim" => sim::start(root, rest),
        "sabotage" => sabotage::run(root, rest),
        "tidy" => {
            let findings = tidy::check(root).context("cannot read the repository")?;
            findings.iter().for_each(|finding| println!("{finding}"));
            if !findings.is_empty() {
                bail!(
                    "{} structural rules are broken (see CONTRIBUTING.md)",
                    findings.len()
                );
            }
            println!("tidy: all structural rules hold");
            Ok(())
        }
        "season" if rest == ["--check"] => season::check(root),
        "season" if rest.is_empty() => season::write(root),
        "callgrind" if rest.is_empty() => callgrind::run(root, false),
        "callgrind" if rest == ["--json"] => callgrind::run(root, true),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown command {:?}\n\n{USAGE}", args.join(" ")),
    }
}

/// The repository this was built in.
fn repository() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}
