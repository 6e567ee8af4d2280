//! The first write on a show that sleeps, and on one that has left memory.
//!
//! It may take the floor and one round trip for waking beside it: the leader first makes sure that it still leads.
//!
//! Owns: letting shows fall asleep. Must never: touch a show before its one write.

use std::path::Path;
use std::time::Duration;

use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::placement::commit_floor;
use holdfast_region_config::{GroupId, RegionId, place};
use tokio::time::{Instant, sleep};

use crate::bench::report::Measurement;
use crate::bench::shows::{Made, Maker};
use crate::bench::stats::quantile;
use crate::buyer::Buyer;
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

const HOME: &str = "eastus";
/// Shows for each state; half of them more are written to before, to warm everything else up.
const SHOWS: usize = 20;
const WARM_UP: usize = 10;
/// When a show sleeps and when it leaves memory, ms; and how long this waits for each.
const HIBERNATE_MS: u32 = 1_000;
const UNLOAD_MS: u32 = 15_000;
const ASLEEP: Duration = Duration::from_secs(5);
const GONE: Duration = Duration::from_secs(30);

pub(super) async fn measure(bin_dir: &Path) -> anyhow::Result<Vec<Measurement>> {
    let mut options = LabOptions::wide(Vec::new());
    options.bin_dir = Some(bin_dir.to_owned());
    options.node_limits = vec![
        ("hibernate_after_ms", HIBERNATE_MS),
        ("unload_after_ms", UNLOAD_MS),
    ];
    let lab = Lab::start(options).await?;
    let results = first_writes(&lab).await;
    lab.stop().await;
    results
}

async fn first_writes(lab: &Lab) -> anyhow::Result<Vec<Measurement>> {
    let home: RegionId = HOME.parse()?;
    let mut maker = Maker::new(lab, &GridShow::new("asleep", HOME, 5, 10)).await?;
    let mut shows = maker
        .make(2 * SHOWS + WARM_UP, std::slice::from_ref(&home))
        .await?;
    // Until then the gateway has heard of all of them, too.
    sleep(ASLEEP).await;
    let buyer = lab.guest(0).await?;
    for show in shows.split_off(2 * SHOWS) {
        write(&buyer, &show).await?;
    }
    let placement = place(lab.cluster.topology(), &home, GroupId::new(1))?;
    let leader = placement.leader_preference[0];
    let floor = commit_floor(lab.cluster.topology(), leader, &placement.voters);
    let floor_ms = floor.as_secs_f64() * 1_000.0;
    let mut results = Vec::new();
    for (state, wait) in [("hibernating", Duration::ZERO), ("unloaded", GONE)] {
        sleep(wait).await;
        let mut times = Vec::with_capacity(SHOWS);
        for show in shows.split_off(shows.len() - SHOWS) {
            times.push(write(&buyer, &show).await?);
        }
        times.sort_by(f64::total_cmp);
        let (p50, max) = (quantile(&times, 0.5), quantile(&times, 1.0));
        // The commit floor is the round trip to the nearest quorum: what waking takes at least, too.
        let ratio = (p50 - floor_ms) / floor_ms;
        let name = |what: &str| format!("first_write.{state}.{what}");
        results.extend([
            Measurement::new(name("floor"), floor_ms, "ms"),
            Measurement::new(name("p50"), p50, "ms"),
            Measurement::new(name("max"), max, "ms"),
            Measurement::new(name("p50_ratio_beyond_wake"), ratio, "x floor").against("<= 1.1"),
        ]);
    }
    Ok(results)
}

/// Holds one seat through the gateway at home; ms.
async fn write(buyer: &Buyer, show: &Made) -> anyhow::Result<f64> {
    let show = ShowRef(show.show_id).to_string();
    let key = format!("first-{show}");
    let asked = Instant::now();
    let answer = buyer.hold(&show, &["A-1-1"], &key).await;
    let took_ms = asked.elapsed().as_secs_f64() * 1_000.0;
    let (status, body) = (answer.status, &answer.body);
    anyhow::ensure!(status == 201, "hold in {show}: {status} {body}");
    Ok(took_ms)
}
