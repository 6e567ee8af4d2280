//! Latency of a hold that nobody else wants, against the least that physics allows.
//!
//! Floor = round trip gateway to leader (zero inside a region, where nothing is emulated) + the commit floor of the leader.
//! The user stands beside the gateway. Each show is measured twice: led from home, and from its second choice after an
//! operator moved it there.
//!
//! Owns: the floor's arithmetic. Must never: measure two buyers of one show at once.

mod ratios;
mod wake;
mod way;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::placement::commit_floor;
use holdfast_region_config::{GroupId, NodeId, place};
use tokio::time::Instant;

use self::ratios::Ratios;
use super::LatencyArgs;
use super::report::{Measurement, Report};
use super::stats::quantile;
use crate::lab::{Lab, LabOptions};
use crate::operator::operate;
use crate::season::GridShow;

/// Rows and seats of the halls.
const HALL: (u32, u32) = (60, 50);
/// Where shows live: one in each region.
const HOMES: [&str; 3] = ["eastus", "westeurope", "southeastasia"];

/// Holds before counting: connections are made, leaders remembered.
const WARM_UP: usize = 5;
/// How long a leader may take to be at home before the measurement.
const AT_HOME: Duration = Duration::from_secs(60);

pub(super) async fn run(args: LatencyArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let shows = HOMES.map(|home| {
        let mut hall = GridShow::new(home, home, HALL.0, HALL.1);
        hall.seats_per_buyer_max = 1_000;
        hall
    });
    let mut options = LabOptions::wide(shows.to_vec());
    options.bin_dir = Some(dir.clone());
    let lab = Lab::start(options).await?;
    let mut results = measure(&lab, &shows, args.samples, &dir).await?;
    lab.stop().await;
    results.extend(way::measure().await?);
    if !args.no_wake {
        results.extend(wake::measure(&dir).await?);
    }
    Ok(Report::new("latency", &dir, results))
}

/// Who leads a show, and how many seats of it are used up.
struct Led<'a> {
    at: usize,
    hall: &'a GridShow,
    leader: NodeId,
    voters: &'a [NodeId],
    used: usize,
}

async fn measure(
    lab: &Lab,
    halls: &[GridShow],
    samples: u32,
    bin_dir: &Path,
) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let mut ratios = [Ratios::default(), Ratios::default()];
    let count = usize::try_from(samples)? + WARM_UP;
    let topology = lab.cluster.topology();
    for (at, hall) in halls.iter().enumerate() {
        let show_id = lab.shows[at].show_id;
        let home = hall.home_region.parse()?;
        let placement = place(topology, &home, GroupId::new(show_id))?;
        for (away, ratios) in ratios.iter_mut().enumerate() {
            let leader = placement.leader_preference[away];
            if away == 1 {
                move_leader(lab, show_id, leader, bin_dir).await?;
            }
            lab.leader_is(show_id, leader, AT_HOME).await?;
            let led = Led {
                at,
                hall,
                leader,
                voters: &placement.voters,
                used: away * topology.regions.len() * count,
            };
            results.extend(each_gateway(lab, &led, count, ratios).await?);
        }
    }
    let [home, away] = ratios;
    results.extend(home.measurements("at_home"));
    results.extend(away.measurements("away"));
    Ok(results)
}

/// Holds through every gateway on a show led as said.
async fn each_gateway(
    lab: &Lab,
    led: &Led<'_>,
    count: usize,
    ratios: &mut Ratios,
) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let topology = lab.cluster.topology();
    let seats = led.hall.seats();
    let commit = commit_floor(topology, led.leader, led.voters);
    let leader = topology.node(led.leader).context("no such node")?;
    let home = &led.hall.home_region;
    for (gateway, region) in topology.regions.iter().enumerate() {
        let way = if region.id == leader.region {
            Duration::ZERO
        } else {
            topology.rtt.between(&region.id, &leader.region)
        };
        let floor_ms = (way + commit).as_secs_f64() * 1_000.0;
        let first = led.used + gateway * count;
        let mine = &seats[first..first + count];
        let times = holds(lab, gateway, &lab.show(led.at), mine).await?;
        let path = if leader.region.as_str() == home {
            format!("{}_to_{home}", region.id)
        } else {
            format!("{}_to_{home}_led_from_{}", region.id, leader.region)
        };
        let name = |what: &str| format!("hold_latency.{path}.{what}");
        let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
        ratios.add(&times, floor_ms);
        results.extend([
            Measurement::new(name("floor"), floor_ms, "ms"),
            Measurement::new(name("p50"), p50, "ms"),
            Measurement::new(name("p99"), p99, "ms"),
            Measurement::new(name("p50_ratio"), p50 / floor_ms, "x floor"),
            Measurement::new(name("p99_ratio"), p99 / floor_ms, "x floor"),
        ]);
    }
    Ok(results)
}

/// Moves a show's leader as an operator would; it stays there.
async fn move_leader(lab: &Lab, show_id: u64, to: NodeId, bin_dir: &Path) -> anyhow::Result<()> {
    let node = &lab
        .cluster
        .topology()
        .node(to)
        .context("no such node")?
        .addr;
    let (show, to) = (ShowRef(show_id).to_string(), to.to_string());
    operate(
        bin_dir,
        &["show", "move-leader", &show, "--to", &to, "--node", node],
    )
    .await?;
    Ok(())
}

/// Times of single holds one after the other, ms, sorted.
async fn holds(
    lab: &Lab,
    gateway: usize,
    show: &str,
    seats: &[String],
) -> anyhow::Result<Vec<f64>> {
    let buyer = lab.guest(gateway).await?;
    let mut times = Vec::with_capacity(seats.len());
    for (number, seat) in seats.iter().enumerate() {
        let started = Instant::now();
        let answer = buyer
            .hold(show, &[seat.as_str()], &format!("latency-{number}"))
            .await;
        let took_ms = started.elapsed().as_secs_f64() * 1_000.0;
        anyhow::ensure!(
            answer.status == 201,
            "hold of {seat}: {} {}",
            answer.status,
            answer.body
        );
        if number >= WARM_UP {
            times.push(took_ms);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}
