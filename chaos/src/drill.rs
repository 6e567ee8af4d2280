//! `holdfast-chaos drill`: a hypothesis about what happens when something breaks, tried on a real cluster.
//!
//! | file | what |
//! |---|---|
//! | [`file`](mod@file), [`catalogue`] | drills as files, and those that come with the program |
//! | [`engine`] | one run, from a cold cluster to a verdict |
//! | [`promise`], [`expect`] | what can be promised and expected |
//! | [`result`] | what was found, as written to `report.json` |
//! | `steps`, `probe`, `watch`, `names`, `rooms`, `readiness`, `aftermath` | what is done and observed while it runs |
//! | `notices`, `payments` | what the nodes wrote down while it ran |
//! | `tries`, `measure`, `spike`, `blame`, `verdict` | from the history to figures to a verdict |
//!
//! Owns: the command line and its exit codes. Must never: call a drill passed that could not be run.

mod aftermath;
mod blame;
pub mod catalogue;
pub mod engine;
pub mod expect;
pub mod file;
mod measure;
mod names;
mod notices;
mod payments;
mod probe;
mod progress;
pub mod promise;
mod readiness;
pub mod result;
mod rooms;
mod setting;
mod spike;
mod steps;
mod tries;
mod verdict;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use holdfast_region_config::Topology;

use self::catalogue::{Class, Entry};
use self::engine::Order;
use self::result::{DrillResult, Verdict};
use crate::report::{self, scorecard, summary};

/// Where reports go and the scorecard looks, unless told otherwise.
const OUT: &str = "drill-results";
/// Exit codes: held, not held, could not be run.
const NOT_HELD: u8 = 1;
const NOT_RUN: u8 = 2;

/// What can be done with drills.
#[derive(Debug, Subcommand)]
pub enum DrillCommand {
    /// Run drills, each on a cluster of its own, and judge them
    ///
    /// Exit codes: 0 every hypothesis held; 1 at least one did not; 2 a drill could not be run or was aborted.
    Run(RunArgs),
    /// List the drills that come with the program
    List {
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
    },
    /// Say for each promise when it was last proven, by which drill, and with what margin
    ///
    /// Exit codes: 0 no promise's newest drill failed; 1 one did; 2 there are no results.
    Scorecard(ScorecardArgs),
}

/// Which drills, and how.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct RunArgs {
    /// Names, such as lose-the-leader, or files that end in .toml
    #[arg(group = "which")]
    drills: Vec<String>,
    /// Every drill of this class, beside those that are named
    #[arg(long, value_enum, group = "which")]
    all: Option<Class>,
    /// Fixes everything that is drawn by lot; repeat for several runs
    #[arg(long, value_name = "N", default_values_t = [1])]
    seed: Vec<u64>,
    /// Another topology than the drill's own: a built-in one by name, or a file
    #[arg(long, value_name = "NAME|FILE")]
    topology: Option<String>,
    /// Print one JSON object for each run, on one line, on standard output
    #[arg(long)]
    json: bool,
    /// Where reports go: a directory for each run in it
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    /// Directory of the binaries to drill [default: beside this program]
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
}

/// Which results.
#[derive(Debug, Args)]
pub struct ScorecardArgs {
    /// Where the results are
    #[arg(value_name = "DIR", default_value = OUT)]
    dir: PathBuf,
    /// Print one JSON object on one line
    #[arg(long)]
    json: bool,
}

/// Does what is asked.
///
/// # Errors
/// Only what makes the rest pointless: an unknown drill, a directory that cannot be used. It counts as "could not be run".
pub async fn run(command: DrillCommand) -> anyhow::Result<ExitCode> {
    match command {
        DrillCommand::Run(args) => Box::pin(run_all(args)).await,
        DrillCommand::List { json } => list(json),
        DrillCommand::Scorecard(args) => card(&args),
    }
}

async fn run_all(args: RunArgs) -> anyhow::Result<ExitCode> {
    let bin_dir = match &args.bin_dir {
        Some(dir) => dir.clone(),
        None => crate::demo::bin_dir()?,
    };
    let topology = args.topology.as_deref().map(topology).transpose()?;
    let mut entries = Vec::new();
    for name in &args.drills {
        entries.push(catalogue::find(name)?);
    }
    if let Some(class) = args.all {
        let all = catalogue::all()?.into_iter();
        entries.extend(all.filter(|entry| entry.class == class.name()));
    }
    let mut worst = 0;
    for entry in entries {
        for seed in &args.seed {
            let order = Order {
                out: args.out.join(format!("{}-{seed}", entry.name)),
                entry: entry.clone(),
                seed: *seed,
                topology: topology.clone(),
                bin_dir: Some(bin_dir.clone()),
            };
            worst = worst.max(one(order, args.json).await?);
        }
    }
    Ok(ExitCode::from(worst))
}

async fn one(order: Order, json: bool) -> anyhow::Result<u8> {
    let (name, out) = (order.entry.name.clone(), order.out.clone());
    eprintln!("== {name}, seed {}: {}", order.seed, order.entry.file.title);
    let result = match engine::run(order).await {
        Ok(result) => result,
        Err(error) => {
            eprintln!("{name} could not be run: {error:#}");
            return Ok(NOT_RUN);
        }
    };
    if json {
        println!("{}", serde_json::to_string(&result)?);
    } else {
        print!("{}", text(&result, &out));
    }
    Ok(match result.verdict {
        Verdict::Held => 0,
        Verdict::NotHeld => NOT_HELD,
        Verdict::Aborted => NOT_RUN,
    })
}

/// A result in a few lines.
fn text(result: &DrillResult, out: &Path) -> String {
    let run = &result.run;
    let mut text = format!(
        "{}, seed {}: {} ({:.0} s)\n",
        run.drill,
        run.seed,
        summary::words(result.verdict),
        run.duration_s
    );
    if !result.aborted_because.is_empty() {
        text.push_str(&format!("  {}\n", result.aborted_because));
    }
    for expectation in &result.expectations {
        let measured = expectation
            .measured
            .map_or_else(|| "not measured".to_owned(), summary::short);
        text.push_str(&format!(
            "  {} {:<58} {measured:>12}  {} {}\n",
            if expectation.held { "ok " } else { "NOT" },
            expectation.text,
            if expectation.at_least { ">=" } else { "<=" },
            summary::short(expectation.bound),
        ));
    }
    let broken = result.checks.iter().flat_map(|check| {
        let violations = check.violations.iter().take(5);
        violations.map(move |violation| format!("  {}: {violation}\n", check.name))
    });
    text.extend(broken);
    let excesses = result.blast.excesses().into_iter();
    text.extend(excesses.map(|excess| format!("  blast radius: {excess}\n")));
    let lost = result.rpo.lost.iter().take(5);
    text.extend(lost.map(|lost| format!("  lost: {lost}\n")));
    text.push_str(&format!("  {}\n", out.join(report::HTML).display()));
    text
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    let all = catalogue::all()?;
    if json {
        let drills: Vec<serde_json::Value> = all.iter().map(described).collect();
        println!("{}", serde_json::json!({ "drills": drills }));
        return Ok(ExitCode::SUCCESS);
    }
    for Entry { name, class, file } in &all {
        println!("{class:<5} {name:<36} {}", file.title);
    }
    Ok(ExitCode::SUCCESS)
}

fn described(entry: &Entry) -> serde_json::Value {
    serde_json::json!({
        "name": entry.name, "class": entry.class, "title": entry.file.title,
        "hypothesis": entry.file.hypothesis.trim(), "promises": entry.file.promises,
    })
}

fn card(args: &ScorecardArgs) -> anyhow::Result<ExitCode> {
    let card = scorecard::Scorecard::of(&args.dir)?;
    if card.runs == 0 {
        eprintln!("there are no results in {}", args.dir.display());
        return Ok(ExitCode::from(NOT_RUN));
    }
    if args.json {
        println!("{}", serde_json::to_string(&card)?);
    } else {
        print!("{}", card.text());
    }
    card.write(&args.dir)?;
    Ok(ExitCode::from(u8::from(!card.is_good())))
}

/// A built-in topology, or one from a file.
fn topology(name: &str) -> anyhow::Result<(String, Topology)> {
    let topology = match Topology::preset(name) {
        Some(topology) => topology,
        None => Topology::load(name).with_context(|| {
            format!("{name} is neither a built-in topology nor a topology file")
        })?,
    };
    Ok((name.to_owned(), topology))
}
