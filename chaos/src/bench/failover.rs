//! A region is lost: how long until each show, hot or idle, takes a write again.
//!
//! All shows live in the region that is lost, so that every one of them must elect. Hot shows are written to all the
//! time; idle ones have not been touched since they were made. The time from the loss until a surviving node acknowledges a write
//! to a show is its recovery time, too high by up to the time between two looks and never too low; [`idle`] says how idle ones
//! are looked at, and how the times of very many are counted instead.
//!
//! Owns: the order of events. Must never: count an answer from the region that is lost.

mod idle;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdfast_region_config::{NodeId, RegionId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::BenchArgs;
use super::elections::Terms;
use super::report::{Measurement, Report};
use super::shows::{Made, Maker};
use super::stats::{figure, quantile};
use super::usage::Usage;
use super::users::{self, Seen, Users};
use super::writer::{Writer, place_hold};
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Rows and seats of an idle show.
const IDLE_HALL: (u32, u32) = (5, 10);
/// And of a hot one: seats enough for every write of a run.
const HOT_HALL: (u32, u32) = (100, 100);
/// Time between two writes to one hot show.
const HOT_PAUSE: Duration = Duration::from_millis(50);
/// Requests of users that began in this time around the loss are looked at.
const USERS_BEFORE: Duration = Duration::from_millis(500);
const USERS_LOOK: Duration = Duration::from_secs(5);
/// Who has not recovered after this long has not recovered.
const RECOVERED_MAX: Duration = Duration::from_secs(60);

/// How the region is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Loss {
    /// Its processes are killed: their connections break at once.
    Kill,
    /// Nothing comes out of it and nothing goes in: connections stay open and are silent.
    Blackhole,
}

/// Options of `bench failover`.
#[derive(Debug, Clone, Args)]
pub struct FailoverArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Shows that live in the region that is lost.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,
    /// How many of them are hot.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub hot: u32,
    /// Users at the gateways of the other regions, each buying on a show of its own beside those.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub users: u32,
    /// How the region is lost.
    #[arg(long, value_enum, default_value_t = Loss::Kill)]
    pub mode: Loss,
    /// Whether the regions are neighbours (14 to 29 ms) instead of an ocean apart; then westeurope is the one to lose.
    #[arg(long)]
    pub near: bool,
    /// The region that is lost.
    #[arg(
        long,
        value_name = "REGION",
        default_value = "eastus",
        default_value_if("near", "true", "westeurope")
    )]
    pub region: RegionId,
    /// Regions of the cluster, one node in each.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    pub regions: u8,
    /// Time before the loss in which nothing is wrong, seconds: every election in it is a false failover.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub calm_s: u64,
    /// Time between the last show's making and the calm, seconds: idle shows go to sleep.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub settle_s: u64,
}

/// The shows and who writes to them.
struct Scene {
    /// With a user each, at gateways of the regions that stay.
    bought: Vec<Made>,
    hot: Vec<Made>,
    idle: Vec<Made>,
    writer: Writer,
    lose: watch::Sender<BTreeSet<NodeId>>,
    /// Nodes of the region that is lost.
    victims: BTreeSet<NodeId>,
}

pub(super) async fn run(args: FailoverArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let mut options = LabOptions::wide(Vec::new());
    options.regions = usize::from(args.regions);
    if args.near {
        options.preset = "europe";
        options.regions = 3;
    }
    options.bin_dir = Some(dir.clone());
    let mut lab = Lab::start(options).await?;
    let result = measure(&mut lab, &args).await;
    let is_recovered = |all: &Vec<Measurement>| !all.iter().any(is_never);
    if !result.as_ref().is_ok_and(is_recovered)
        && let Some(kept) = lab.keep_files()
    {
        eprintln!("the cluster's files are kept in {}", kept.display());
    }
    lab.stop().await;
    let mut report = Report::new("failover", &dir, result?);
    report.notes.push(format!(
        "{:?} of {}, {} of {} shows hot; idle shows: {}",
        args.mode,
        args.region,
        args.hot.min(args.shards),
        args.shards,
        idle::how(args.shards)
    ));
    Ok(report)
}

async fn measure(lab: &mut Lab, args: &FailoverArgs) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let scene = Arc::new(set_up(lab, args, &mut results).await?);
    // Hot shows are hot from now on; after the loss their writers are their probes.
    let mut hot = JoinSet::new();
    for show in scene.hot.clone() {
        hot.spawn(keep_hot(Arc::clone(&scene), show));
    }
    let regions = lab.cluster.topology().regions.iter();
    let regions = regions.map(|region| region.id.clone());
    let stay: Vec<_> = regions.filter(|region| *region != args.region).collect();
    let users = Users::start(lab, &scene.bought, &stay).await?;
    sleep(Duration::from_secs(args.settle_s)).await;
    eprintln!("... {} s of calm", args.calm_s);
    let before = Terms::of(lab).await?;
    sleep(Duration::from_secs(args.calm_s)).await;
    let calm = Terms::of(lab).await?;
    let falsely = figure(before.elections_until(&calm));
    let per_hour = falsely * 3_600.0 / figure(args.calm_s);
    results.extend([
        Measurement::new("false_failovers", falsely, "elections"),
        Measurement::new("false_failovers_per_hour", per_hour, "elections/h"),
    ]);

    eprintln!("... {} is lost", args.region);
    let own = Usage::own()?.cpu;
    let lost_at = Instant::now();
    let survivors = idle::survivors(lab, &scene.victims)?;
    let probing = idle::probe(&scene, &survivors, lost_at);
    let ((), idle) = tokio::try_join!(lose_region(lab, args, &scene), probing)?;
    let hot = recovered_hot(&mut hot, lost_at).await?;
    let took_s = lost_at.elapsed().as_secs_f64();
    sleep((lost_at + USERS_LOOK).saturating_duration_since(Instant::now())).await;
    let seen = users.end().await?;
    let seen = seen.between(lost_at - USERS_BEFORE, lost_at + USERS_LOOK);
    let generator = (Usage::own()?.cpu.saturating_sub(own)).as_secs_f64() / took_s;
    let elections = calm.elections_until(&Terms::of(lab).await?);
    let mut all = [hot.as_slice(), idle.as_slice()].concat();
    let target = args.shards <= 1_000;
    results.extend(recovery("rto", &mut all, target));
    results.extend(recovery("rto_hot", &mut hot.clone(), false));
    results.extend(recovery("rto_idle", &mut idle.clone(), false));
    results.extend(user_visible(seen));
    let per_show = figure(elections) / f64::from(args.shards);
    results.extend([
        Measurement::new("terms_per_show", per_show, "terms").against("close to 1"),
        Measurement::new("generator_and_network_cores", generator, "cores"),
    ]);
    Ok(results)
}

async fn set_up(
    lab: &Lab,
    args: &FailoverArgs,
    results: &mut Vec<Measurement>,
) -> anyhow::Result<Scene> {
    let hall = |slug: &str, (rows, seats): (u32, u32)| {
        let mut hall = GridShow::new(slug, args.region.as_str(), rows, seats);
        hall.seats_per_buyer_max = rows * seats;
        // Longer than a run: no hold of it expires and makes work of its own.
        hall.hold_ttl_ms = 600_000;
        hall
    };
    let hot_count = args.hot.min(args.shards);
    eprintln!("... making {} shows", args.shards);
    let started = Instant::now();
    let homes = [args.region.clone()];
    let mut hot = Maker::new(lab, &hall("hot", HOT_HALL)).await?;
    let hot = hot.make(hot_count as usize, &homes).await?;
    let mut bought = Maker::new(lab, &users::hall(args.region.as_str())).await?;
    let bought = bought.make(args.users as usize, &homes).await?;
    let mut idle = Maker::new(lab, &hall("idle", IDLE_HALL)).await?;
    let idle = idle
        .make((args.shards - hot_count) as usize, &homes)
        .await?;
    let rate = f64::from(args.shards + args.users) / started.elapsed().as_secs_f64();
    results.push(Measurement::new("shows_made_rate", rate, "shows/s"));
    let (writer, lose) = Writer::new(lab)?;
    let nodes = lab.cluster.topology().nodes.iter();
    let victims = nodes.filter(|node| node.region == args.region);
    let victims: BTreeSet<NodeId> = victims.map(|node| node.id).collect();
    anyhow::ensure!(!victims.is_empty(), "no node is in {}", args.region);
    Ok(Scene {
        bought,
        hot,
        idle,
        writer,
        lose,
        victims,
    })
}

async fn lose_region(lab: &mut Lab, args: &FailoverArgs, scene: &Scene) -> anyhow::Result<()> {
    // From here on no answer of theirs counts, and whoever waits for them asks another.
    scene.lose.send_replace(scene.victims.clone());
    match args.mode {
        Loss::Kill => lab.cluster.kill_region(&args.region).await?,
        Loss::Blackhole => {
            let wan = lab.cluster.wan();
            let wan = wan.ok_or_else(|| anyhow::anyhow!("no network to cut"))?;
            wan.isolate(&args.region);
        }
    }
    Ok(())
}

/// Writes to a hot show over and over; gives the time of the first acknowledgement after the loss, which is another
/// node's; `None` when it does not come.
async fn keep_hot(scene: Arc<Scene>, show: Made) -> anyhow::Result<Option<Instant>> {
    let mut leader = show.leader;
    for seat in 0..HOT_HALL.0 * HOT_HALL.1 {
        let request = place_hold(show.show_id, vec![seat], 1, &format!("hot-{seat}"));
        let until = Instant::now() + RECOVERED_MAX;
        let written = scene
            .writer
            .write(&request, leader, HOT_PAUSE, until)
            .await?;
        let Some(written) = written else {
            return Ok(None);
        };
        leader = written.by;
        let lost = !scene.lose.borrow().is_empty();
        if lost && !scene.victims.contains(&written.by) {
            return Ok(Some(written.at));
        }
        sleep(HOT_PAUSE).await;
    }
    anyhow::bail!("the hot show {} is sold out", show.show_id)
}

async fn recovered_hot(
    hot: &mut JoinSet<anyhow::Result<Option<Instant>>>,
    lost_at: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::with_capacity(hot.len());
    while let Some(result) = hot.join_next().await {
        let at = result??.map_or(RECOVERED_MAX, |at| at.duration_since(lost_at));
        times.push(at.as_secs_f64());
    }
    Ok(times)
}

/// What users at the other regions' gateways saw around the loss.
fn user_visible(mut seen: Seen) -> Vec<Measurement> {
    if seen.requests == 0 {
        return Vec::new();
    }
    let times = seen.times.quantiles();
    let p99 = Measurement::new("user_visible_p99_s", times.p99_ms / 1_000.0, "s");
    vec![
        p99.against("<= 3"),
        Measurement::new("user_visible_max_s", times.max_ms / 1_000.0, "s"),
        Measurement::new("user_requests", figure(seen.requests), "requests"),
        Measurement::new("user_requests_failed", figure(seen.failed), "requests"),
    ]
}

/// Whether it says that some show did not recover.
fn is_never(measurement: &Measurement) -> bool {
    measurement.name == "rto_never" && measurement.value > 0.0
}

fn recovery(prefix: &str, times_s: &mut [f64], promised: bool) -> Vec<Measurement> {
    times_s.sort_by(f64::total_cmp);
    let never = times_s
        .iter()
        .filter(|t| **t >= RECOVERED_MAX.as_secs_f64());
    let never = figure(never.count() as u64);
    let name = |what: &str| format!("{prefix}_{what}");
    let p50 = Measurement::new(name("p50_s"), quantile(times_s, 0.5), "s");
    let p99 = Measurement::new(name("p99_s"), quantile(times_s, 0.99), "s");
    let max = Measurement::new(name("max_s"), quantile(times_s, 1.0), "s");
    let never = Measurement::new(name("never"), never, "shows");
    if promised {
        let (p50, max) = (p50.against("<= 1.2"), max.against("<= 2"));
        return vec![p50, p99, max, never.against("0")];
    }
    vec![p50, p99, max, never]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_that_never_recovered_is_counted_and_is_the_worst() {
        let results = recovery("rto", &mut [60.0, 1.0, 0.5], true);
        let of = |name: &str| results.iter().find(|m| m.name == name).unwrap().value;
        assert_eq!(of("rto_p50_s"), 1.0);
        assert_eq!(of("rto_max_s"), 60.0);
        assert_eq!(of("rto_never"), 1.0);
    }
}
