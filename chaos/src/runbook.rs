//! `holdfast-chaos runbook check`: pages for operators, known to work because they were worked through.
//!
//! For each page: a cluster of its own, the very fault that the page is about, every command of the page as it stands, its
//! output beside what the page says. See `runbooks/README.md` for the form of a page.
//!
//! | module | holds |
//! |---|---|
//! | [`page`], [`front_matter`] | a page as a text |
//! | [`pattern`] | expected output against real output |
//! | [`stage`], [`pressure`] | the cluster, the fault, the buyers |
//! | [`host`], [`newcomer`], [`shell`] | what the page's commands see |
//! | [`alert`], [`rules`] | whether the page would have been opened: Prometheus beside the cluster |
//!
//! Owns: the order of the steps and what is said about them. Must never: pass a page of which a command was left out.

pub mod alert;
mod away;
pub mod front_matter;
pub mod host;
mod line;
pub mod newcomer;
pub mod page;
pub mod pattern;
pub mod pressure;
pub mod rules;
pub mod shell;
pub mod stage;
mod starved;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use self::front_matter::{Speed, with_measurement};
use self::page::{Block, LabStep, Page, Step, What};
use self::shell::Ended;
use self::stage::Stage;

/// Between two tries of a block that has time.
const TRY_AGAIN: Duration = Duration::from_millis(300);

/// What can be done with runbooks.
#[derive(Debug, Subcommand)]
pub enum RunbookCommand {
    /// Work through pages on clusters of their own, with the very fault, and compare what is said with what the page says
    Check(CheckArgs),
    /// List the pages: when each was last worked through and how long it took
    List {
        /// Where the pages are
        #[arg(long, value_name = "DIR", default_value = "runbooks")]
        dir: PathBuf,
    },
}

/// Which pages, and what to do with the result.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct CheckArgs {
    /// Names of pages, such as lose-a-region
    #[arg(group = "which")]
    pages: Vec<String>,
    /// Every page of this speed, beside those that are named
    #[arg(long, value_enum, group = "which")]
    all: Option<Speed>,
    /// Where the pages are
    #[arg(long, value_name = "DIR", default_value = "runbooks")]
    dir: PathBuf,
    /// Write the measured minutes and the day into the pages
    #[arg(long)]
    write: bool,
    /// Print what every command says, also when it is as expected
    #[arg(long)]
    print: bool,
    /// Run Prometheus beside the cluster and wait until each alert of the page fires
    #[arg(long)]
    with_prometheus: bool,
    /// Only see each alert fire, those that pages do not see included, and run no command: for a build that is broken on purpose
    #[arg(long, requires = "with_prometheus")]
    alerts_only: bool,
}

/// Does what is asked.
///
/// # Errors
/// A page that is wrong or cannot be worked through; everything was said on standard output.
pub async fn run(command: RunbookCommand) -> anyhow::Result<()> {
    match command {
        // Whoever is impatient leaves nothing behind: what runs is ended as it is dropped.
        RunbookCommand::Check(args) => tokio::select! {
            result = check(&args) => result,
            () = interrupted() => anyhow::bail!("interrupted"),
        },
        RunbookCommand::List { dir } => {
            for page in all_pages(&dir)? {
                let front = &page.front;
                let drilled = front.last_drilled.as_deref().unwrap_or("never");
                let minutes = front.minutes.unwrap_or_default();
                println!(
                    "{:<24} {drilled:<10} {minutes:>5.2} of {:>4} min  {}",
                    page.name,
                    front.budget_minutes,
                    front.alerts.join(", ")
                );
            }
            Ok(())
        }
    }
}

/// Every page of a directory, by name; `README.md` is the index and no page.
///
/// # Errors
/// A page that cannot be read.
pub fn all_pages(dir: &Path) -> anyhow::Result<Vec<Page>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("no pages in {}", dir.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| {
        path.extension().is_some_and(|ext| ext == "md")
            && path.file_name().is_some_and(|name| name != "README.md")
    });
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let all = all_pages(&args.dir)?;
    for name in &args.pages {
        anyhow::ensure!(
            all.iter().any(|page| page.name == *name),
            "there is no page {name} in {}",
            args.dir.display()
        );
    }
    let chosen = |page: &&Page| {
        args.pages.contains(&page.name) || args.all.is_some_and(|speed| speed == page.front.speed)
    };
    let mut failed = Vec::new();
    for page in all.iter().filter(chosen) {
        if let Err(error) = check_page(page, args).await {
            println!("FAILED   {}: {error:#}\n", page.name);
            failed.push(page.name.clone());
        }
    }
    anyhow::ensure!(
        failed.is_empty(),
        "pages that do not work: {}",
        failed.join(", ")
    );
    Ok(())
}

async fn check_page(page: &Page, args: &CheckArgs) -> anyhow::Result<()> {
    let faults = page.faults();
    anyhow::ensure!(faults.is_empty(), "the page {}", faults.join("; it "));
    let started = Instant::now();
    let mut stage = Stage::start(&page.front, &args.dir, args.with_prometheus).await?;
    println!(
        "page     {} (cluster up in {:.1} s)",
        page.name,
        started.elapsed().as_secs_f64()
    );
    let result = work_through(page, &mut stage, args).await;
    let kept = stage.end(result.is_err()).await?;
    if let Some(kept) = kept {
        println!("         the cluster's files are kept in {kept}");
    }
    let took_minutes = result?.as_secs_f64() / 60.0;
    anyhow::ensure!(
        took_minutes <= page.front.budget_minutes,
        "the commands took {took_minutes:.2} minutes, more than the page allows: {}",
        page.front.budget_minutes
    );
    println!("ok       {} {took_minutes:.2} min\n", page.name);
    if args.write {
        let text = std::fs::read_to_string(&page.path)?;
        std::fs::write(&page.path, with_measurement(&text, took_minutes, &today())?)?;
    }
    Ok(())
}

/// Every step in order; how long the page's own commands took from the first to the last.
async fn work_through(
    page: &Page,
    stage: &mut Stage,
    args: &CheckArgs,
) -> anyhow::Result<Duration> {
    let begins = |step: &Step| matches!(&step.what, What::Lab(lab) if *lab != LabStep::Heal);
    if !page.steps.iter().any(begins) {
        begin(page, LabStep::Inject, stage, args).await?;
    }
    let mut began = None;
    for step in &page.steps {
        match &step.what {
            What::Lab(LabStep::Heal) => {
                for line in stage.carry_out(LabStep::Heal).await? {
                    println!("  lab    {line}");
                }
            }
            What::Lab(lab) => begin(page, *lab, stage, args).await?,
            What::Run(_) if args.alerts_only => {}
            What::Run(block) => {
                began.get_or_insert_with(Instant::now);
                let took = run_block(page, step, block, stage, args.print).await?;
                println!(
                    "  {:>5.1} s {}:{} {}",
                    took.as_secs_f64(),
                    page.path.display(),
                    step.line,
                    block.script.lines().next().unwrap_or_default()
                );
            }
        }
    }
    Ok(began
        .map(|began: Instant| began.elapsed())
        .unwrap_or_default())
}

/// What is wrong begins, and whoever watches is told.
async fn begin(
    page: &Page,
    what: LabStep,
    stage: &mut Stage,
    args: &CheckArgs,
) -> anyhow::Result<()> {
    for line in stage.carry_out(what).await? {
        println!("  lab    {line}");
    }
    let unseen = &page.front.alerts_not_seen;
    let seen = |alert: &&String| args.alerts_only || !unseen.contains_key(*alert);
    for alert in page.front.alerts.iter().filter(seen) {
        if let Some(after) = stage.fires(alert).await? {
            println!("  alert  {alert} fires after {:.1} s", after.as_secs_f64());
        }
    }
    Ok(())
}

/// Until it is as expected or its time is up.
async fn run_block(
    page: &Page,
    step: &Step,
    block: &Block,
    stage: &mut Stage,
    print: bool,
) -> anyhow::Result<Duration> {
    let started = Instant::now();
    loop {
        let ended = stage.run(&block.script, block.timeout).await?;
        let difference = difference(block, &ended);
        let done = difference.is_none();
        if print && (done || started.elapsed() >= block.within) {
            println!(
                "\n$ {}\n{}[exit {:?}]",
                block.script, ended.output, ended.exit
            );
        }
        let Some(difference) = difference else {
            return Ok(started.elapsed());
        };
        if started.elapsed() >= block.within {
            anyhow::bail!(
                "{}:{}\n  section   {}\n  command   {}\n{difference}\n  whole output:\n{}",
                page.path.display(),
                step.line,
                step.section,
                block.script.replace('\n', "\n            "),
                indented(&ended.output)
            );
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

/// What is not as the page says.
fn difference(block: &Block, ended: &Ended) -> Option<String> {
    let Some(exit) = ended.exit else {
        return Some(format!(
            "  expected  an end within {:?}\n  got       none",
            block.timeout
        ));
    };
    if let Some(Err(mismatch)) = block
        .expected
        .as_ref()
        .map(|expected| pattern::compare(expected, &ended.output))
    {
        let line = |line: Option<String>, none: &str| line.unwrap_or_else(|| none.to_owned());
        return Some(format!(
            "  expected  {}\n  got       {}",
            line(mismatch.expected, "(no more output)"),
            line(mismatch.got, "(no more output)")
        ));
    }
    (exit != block.exit)
        .then(|| format!("  expected  exit {}\n  got       exit {exit}", block.exit))
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

/// Today in UTC, `2026-11-21`.
fn today() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a page says on which day it was tried"
    )]
    let now = SystemTime::now();
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    day_of(seconds / 86_400)
}

/// The civil date of a day since 1970-01-01 (years as 400-year eras of 146,097 days that begin in March).
pub(crate) fn day_of(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let (day, month) = (
        day_of_year - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(day_of(0), "1970-01-01");
        assert_eq!(day_of(19_782), "2024-02-29");
        assert_eq!(day_of(20_778), "2026-11-21");
    }
}
