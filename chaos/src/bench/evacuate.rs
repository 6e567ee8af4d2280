//! A region is evacuated on purpose while people buy, and restored: how long that takes and what users notice.
//!
//! Owns: the order of events. Must never: move a leader itself; it runs the operator's tool, as an operator would.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_region_config::RegionId;
use tokio::time::{Instant, sleep};

use super::BenchArgs;
use super::report::{Measurement, Report};
use super::shows::Maker;
use super::stats::figure;
use super::users::{self, Users};
use crate::lab::{Lab, LabOptions};
use crate::operator::operate;
use crate::season::GridShow;

/// Rows and seats of the shows that nobody buys.
const IDLE_HALL: (u32, u32) = (5, 10);
/// Options of `bench evacuate`.
#[derive(Debug, Clone, Args)]
pub struct EvacuateArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Shows that live in the region.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,
    /// How many of them have a user who holds a seat every tenth of a second or so.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub users: u32,
    /// The region that is evacuated.
    #[arg(long, value_name = "REGION", default_value = "eastus")]
    pub region: RegionId,
    /// Time before the evacuation, after it and after the restoring in which users only buy, seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub calm_s: u64,
}

pub(super) async fn run(args: EvacuateArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let mut options = LabOptions::wide(Vec::new());
    options.bin_dir = Some(dir.clone());
    let lab = Lab::start(options).await?;
    let results = measure(&lab, &args, &dir).await;
    lab.stop().await;
    Ok(Report::new("evacuate", &dir, results?))
}

async fn measure(
    lab: &Lab,
    args: &EvacuateArgs,
    bin_dir: &Path,
) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let homes = [args.region.clone()];
    let users = args.users.min(args.shards);
    eprintln!("... making {} shows", args.shards);
    let started = Instant::now();
    let mut hot = Maker::new(lab, &users::hall(args.region.as_str())).await?;
    let hot = hot.make(users as usize, &homes).await?;
    let idle = GridShow::new("idle", args.region.as_str(), IDLE_HALL.0, IDLE_HALL.1);
    let mut idle = Maker::new(lab, &idle).await?;
    idle.make((args.shards - users) as usize, &homes).await?;
    let rate = f64::from(args.shards) / started.elapsed().as_secs_f64();
    results.push(Measurement::new("shows_made_rate", rate, "shows/s"));

    let calm = Duration::from_secs(args.calm_s);
    let regions = lab.cluster.topology().regions.iter();
    let everywhere: Vec<_> = regions.map(|region| region.id.clone()).collect();
    let users = Users::start(lab, &hot, &everywhere).await?;
    let mut phases = vec![("before".to_owned(), Instant::now())];
    sleep(calm).await;
    for (verb, target) in [("evacuate", Some("<= 5")), ("restore", None)] {
        eprintln!("... holdfastctl region {verb} {}", args.region);
        let began = Instant::now();
        phases.push((format!("during_{verb}"), began));
        change(lab, args, bin_dir, verb).await?;
        phases.push((format!("after_{verb}"), Instant::now()));
        let took = began.elapsed().as_secs_f64();
        let took = Measurement::new(format!("{verb}_s"), took, "s");
        results.push(match target {
            Some(target) => took.against(target),
            None => took,
        });
        sleep(calm).await;
    }
    phases.push((String::new(), Instant::now()));
    let log = users.end().await?;
    let mut failed = 0;
    for (phase, next) in phases.iter().zip(&phases[1..]) {
        let seen = log.between(phase.1, next.1);
        failed += seen.failed;
        results.extend(seen.measurements(&phase.0));
    }
    let failed = Measurement::new("failed_requests", figure(failed), "requests");
    results.push(failed.against("0"));
    Ok(results)
}

/// Runs the operator's tool against a node that stays.
async fn change(lab: &Lab, args: &EvacuateArgs, dir: &Path, verb: &str) -> anyhow::Result<()> {
    let nodes = &lab.cluster.topology().nodes;
    let stays = nodes.iter().find(|node| node.region != args.region);
    let stays = stays.context("no node is outside the region")?;
    let region = args.region.as_str();
    operate(dir, &["region", verb, region, "--node", &stays.addr]).await?;
    Ok(())
}
