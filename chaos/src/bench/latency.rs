//! Latency of a hold that nobody else wants, against the least that physics allows.
//!
//! Floor = round trip gateway to leader (zero inside a region, where nothing is emulated) + the commit floor of the leader.
//! The user stands beside the gateway.
//!
//! Owns: the floor's arithmetic. Must never: measure two buyers of one show at once.

use std::time::Duration;

use holdfast_region_config::placement::commit_floor;
use holdfast_region_config::{GroupId, place};
use tokio::time::Instant;

use super::LatencyArgs;
use super::report::{Measurement, Report};
use super::stats::quantile;
use crate::lab::{Lab, LabOptions};
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
    let dir = super::bin_dir(args.bin_dir.as_ref())?;
    let shows = HOMES.map(|home| {
        let mut hall = GridShow::new(home, home, HALL.0, HALL.1);
        hall.seats_per_buyer_max = 1_000;
        hall
    });
    let mut options = LabOptions::wide(shows.to_vec());
    options.bin_dir = Some(dir.clone());
    let lab = Lab::start(options).await?;
    let results = measure(&lab, &shows, args.samples).await?;
    lab.stop().await;
    Ok(Report::new("latency", &dir, results))
}

async fn measure(lab: &Lab, halls: &[GridShow], samples: u32) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let topology = lab.cluster.topology();
    for (at, hall) in halls.iter().enumerate() {
        let seats = hall.seats();
        let home = hall.home_region.parse()?;
        let group = GroupId::new(lab.shows[at].show_id);
        let placement = place(topology, &home, group)?;
        let leader = placement.leader_preference[0];
        lab.leader_is(lab.shows[at].show_id, leader, AT_HOME)
            .await?;
        let commit = commit_floor(topology, leader, &placement.voters);
        for (gateway, region) in topology.regions.iter().enumerate() {
            let way = if region.id == home {
                Duration::ZERO
            } else {
                topology.rtt.between(&region.id, &home)
            };
            let floor_ms = (way + commit).as_secs_f64() * 1_000.0;
            let count = usize::try_from(samples)? + WARM_UP;
            let mine = &seats[gateway * count..(gateway + 1) * count];
            let times = holds(lab, gateway, &lab.show(at), mine).await?;
            let name = |what: &str| format!("hold_latency.{}_to_{home}.{what}", region.id);
            let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
            results.push(Measurement::new(name("floor"), floor_ms, "ms"));
            results.push(Measurement::new(name("p50"), p50, "ms"));
            results.push(Measurement::new(name("p99"), p99, "ms"));
            results.push(
                Measurement::new(name("p50_ratio"), p50 / floor_ms, "x floor").against("<= 1.05"),
            );
            results.push(
                Measurement::new(name("p99_ratio"), p99 / floor_ms, "x floor").against("<= 1.25"),
            );
        }
    }
    Ok(results)
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
