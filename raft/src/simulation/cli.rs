//! The command line of `holdfast-sim`.
//!
//! Owns: arguments, the driver that runs one process per seed, the lines that people and CI read. Must never: let a seed run in a
//! process that has run another.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Outcome, Sabotage, run_seed};

const HELP: &str = "Runs the real consensus code of Holdfast on a simulated network, disk and clock.

usage: cargo xtask sim [OPTIONS]

  --seed S          run one seed and say what came of it
  --seeds N         run N seeds, each in a process of its own (default: 1)
  --from S          the first of them (default: 1)
  --jobs J          processes at a time (default: one per core)
  --twice           run each seed in two processes and compare what they say, the trace's hash first of all
  --sabotage NAME   put a bug in, to see it found; exit code 0 then means that it was NOT found
  --trace           with --seed: write every event to standard error
  --help            this text

Bugs to put in: ack-before-fsync, vote-before-fsync, forget-vote, apply-twice, skip-idempotency, learner-votes, lease-for-ever,
snapshot-before-fsync, promote-early, delete-early. With --seeds, the run ends at the first seed that finds something.

Exit code 0: every invariant held. 1: one was broken; the last line is the command that repeats it. 2: wrong usage.
See docs/simulation.md.
";

#[derive(Debug, Clone)]
struct Options {
    one: bool,
    from: u64,
    seeds: u64,
    jobs: usize,
    sabotage: Option<Sabotage>,
    trace: bool,
    twice: bool,
}

fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options {
        one: false,
        from: 1,
        seeds: 1,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        sabotage: None,
        trace: false,
        twice: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        let number = |text: &String| {
            let number = text.parse::<u64>();
            number.map_err(|_| format!("{argument}: {text:?} is not a number"))
        };
        match argument.as_str() {
            "--seed" => {
                options.one = true;
                options.from = number(value()?)?;
            }
            "--seeds" => options.seeds = number(value()?)?,
            "--from" => options.from = number(value()?)?,
            "--jobs" => {
                options.jobs = usize::try_from(number(value()?)?.clamp(1, 256)).unwrap_or(1);
            }
            "--sabotage" => {
                let name = value()?;
                let known = Sabotage::named(name);
                options.sabotage =
                    Some(known.ok_or_else(|| format!("--sabotage: unknown bug {name:?}"))?);
            }
            "--trace" => options.trace = true,
            "--twice" => options.twice = true,
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Some(options))
}

/// Runs the program; `arguments` without its name.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    match parse(arguments) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(options)) if options.one => one(&options),
        Ok(Some(options)) => many(&options),
        Err(problem) => {
            eprintln!("error: {problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn repeat_command(seed: u64, sabotage: Option<Sabotage>) -> String {
    let sabotage = sabotage.map_or_else(String::new, |one| format!(" --sabotage {}", one.name()));
    format!("cargo xtask sim --seed {seed}{sabotage}")
}

fn one(options: &Options) -> ExitCode {
    let seed = options.from;
    let outcome = match run_seed(seed, options.sabotage, options.trace) {
        Ok(outcome) => outcome,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    println!("{}", summary(seed, &outcome));
    let Some(violation) = outcome.violation else {
        return ExitCode::SUCCESS;
    };
    println!(
        "VIOLATED {} at {} ms: {}",
        violation.invariant, violation.at_ms, violation.what
    );
    println!("repeat with: {}", repeat_command(seed, options.sabotage));
    ExitCode::from(1)
}

fn summary(seed: u64, outcome: &Outcome) -> String {
    let faults: u64 = outcome.faults.values().sum();
    format!(
        "seed={seed} trace={:016x} events={} simulated_ms={} frames={} acknowledged={} given_up={} reads={} faults={faults} kinds={:?}",
        outcome.trace_hash,
        outcome.events,
        outcome.simulated_ms,
        outcome.frames,
        outcome.acknowledged,
        outcome.given_up,
        outcome.reads,
        outcome.faults,
    )
}

#[derive(Default)]
struct Totals {
    run: u64,
    sums: BTreeMap<&'static str, u64>,
    /// Seeds that broke something, with what they printed.
    broken: BTreeMap<u64, String>,
}

const SUMMED: [&str; 4] = ["simulated_ms", "acknowledged", "reads", "faults"];

fn many(options: &Options) -> ExitCode {
    let began = Instant::now();
    let Ok(this) = std::env::current_exe() else {
        eprintln!("error: cannot find this program's own file");
        return ExitCode::from(2);
    };
    let next = AtomicU64::new(options.from);
    let end = options.from.saturating_add(options.seeds);
    let totals = Mutex::new(Totals::default());
    let locked = || totals.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || !locked().broken.is_empty() {
                        return;
                    }
                    let (said, held) = process(&this, seed, options);
                    let repeats = !options.twice || process(&this, seed, options).0 == said;
                    let mut totals = locked();
                    totals.add(&said);
                    if !held {
                        totals.broken.insert(seed, said);
                    } else if !repeats {
                        let problem = format!("seed={seed} does not repeat: {said}");
                        totals.broken.insert(seed, problem);
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&totals, began.elapsed().as_secs_f64())
}

/// Runs one seed in a process of its own: what it said, and whether every invariant held.
fn process(this: &Path, seed: u64, options: &Options) -> (String, bool) {
    let mut command = Command::new(this);
    command.args(["--seed", &seed.to_string()]);
    if let Some(sabotage) = options.sabotage {
        command.args(["--sabotage", sabotage.name()]);
    }
    match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.status.success() {
                said += &String::from_utf8_lossy(&output.stderr);
            }
            (said, output.status.success())
        }
        Err(error) => (error.to_string(), false),
    }
}

impl Totals {
    fn add(&mut self, text: &str) {
        self.run += 1;
        for word in text.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            if let Some(name) = SUMMED.into_iter().find(|known| *known == name) {
                *self.sums.entry(name).or_default() += value.parse::<u64>().unwrap_or_default();
            }
        }
    }
}

fn report(totals: &Totals, seconds: f64) -> ExitCode {
    for text in totals.broken.values() {
        println!("{}", text.trim_end());
    }
    let sum = |name| totals.sums.get(name).copied().unwrap_or_default();
    println!(
        "{} seeds in {seconds:.1} s: {} simulated s, {} faults, {} operations acknowledged, {} reads; {} seeds broke an invariant",
        totals.run,
        sum("simulated_ms") / 1_000,
        sum("faults"),
        sum("acknowledged"),
        sum("reads"),
        totals.broken.len(),
    );
    if totals.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
