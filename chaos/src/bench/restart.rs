//! A node with many shows on its disk ends and starts again: how long until it serves.
//!
//! Owns: what counts as serving. Must never: take an open port for it.

use std::time::Duration;

use clap::Args;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::GetSeatMapRequest;
use holdfast_region_config::NodeId;
use tokio::time::{Instant, sleep};

use super::BenchArgs;
use super::report::{Measurement, Report};
use super::shows::{Made, Maker};
use super::stats::Times;
use super::usage::Usage;
use super::writer::{Writer, place_hold};
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Rows and seats of every show.
const HALL: (u32, u32) = (5, 10);
/// How long a node may take to start.
const READY_MAX: Duration = Duration::from_secs(120);
/// Shows that are read and written after the start, spread over all.
const SAMPLES: usize = 100;
/// Between two looks whether a read is answered.
const READ_POLL: Duration = Duration::from_millis(10);

/// Options of `bench restart`.
#[derive(Debug, Clone, Args)]
pub struct RestartArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Shows on the node's disk.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,
}

pub(super) async fn run(args: RestartArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let mut options = LabOptions::trio(Vec::new());
    options.bin_dir = Some(dir.clone());
    let mut lab = Lab::start(options).await?;
    let results = measure(&mut lab, &args).await;
    lab.stop().await;
    Ok(Report::new("restart", &dir, results?))
}

async fn measure(lab: &mut Lab, args: &RestartArgs) -> anyhow::Result<Vec<Measurement>> {
    let regions = &lab.cluster.topology().regions;
    let homes: Vec<_> = regions.iter().map(|region| region.id.clone()).collect();
    eprintln!("... making {} shows", args.shards);
    let started = Instant::now();
    let hall = GridShow::new("idle", homes[0].as_str(), HALL.0, HALL.1);
    let mut maker = Maker::new(lab, &hall).await?;
    let shows = maker.make(args.shards as usize, &homes).await?;
    let rate = f64::from(args.shards) / started.elapsed().as_secs_f64();
    let mut results = vec![Measurement::new("shows_made_rate", rate, "shows/s")];
    let node = lab.cluster.topology().nodes[0].id;
    let step = (shows.len() / SAMPLES).max(1);
    let sample: Vec<Made> = shows.into_iter().step_by(step).take(SAMPLES).collect();
    for (how, target) in [("after_stop", "<= 5"), ("after_kill", "<= 5")] {
        eprintln!("... {node} starts again, {how}");
        let name = node.to_string();
        if how == "after_stop" {
            lab.cluster.terminate(&name).await?;
        } else {
            lab.cluster.kill(&name).await?;
        }
        let started = Instant::now();
        lab.cluster.spawn(&name)?;
        lab.cluster.wait_ready(&name, READY_MAX).await?;
        let ready_s = started.elapsed().as_secs_f64();
        let client = lab.node(node)?;
        read(&client, sample[0].show_id).await?;
        let serving_s = started.elapsed().as_secs_f64();
        let used = lab.cluster.member(&name)?.pid();
        let used = used.map(Usage::of).transpose()?.unwrap_or_default();
        let at = |what: &str| format!("{how}.{what}");
        let mib = used.resident_bytes / (1 << 20);
        results.extend([
            Measurement::new(at("ready_s"), ready_s, "s"),
            Measurement::new(at("serving_s"), serving_s, "s").against(target),
            Measurement::new(at("cpu_s"), used.cpu.as_secs_f64(), "s"),
            Measurement::new(at("resident"), super::stats::figure(mib), "MiB"),
        ]);
        results.extend(first_reads(&client, &sample, how).await?);
        results.extend(first_writes(lab, &sample, how, node).await?);
    }
    Ok(results)
}

/// The first look at shows after the start: each is opened from disk for it.
async fn first_reads(
    node: &NodeClient,
    shows: &[Made],
    how: &str,
) -> anyhow::Result<Vec<Measurement>> {
    let mut times = Times::default();
    for show in shows {
        let asked = Instant::now();
        read(node, show.show_id).await?;
        times.push(asked.elapsed());
    }
    Ok(times.quantiles().measurements(&format!("{how}.first_read")))
}

async fn read(node: &NodeClient, show_id: u64) -> anyhow::Result<()> {
    let until = Instant::now() + READY_MAX;
    loop {
        let request = GetSeatMapRequest {
            show_id,
            read: None,
        };
        match node.inventory().get_seat_map(request).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= until => {
                anyhow::bail!("show {show_id} cannot be read: {error}")
            }
            Err(_) => sleep(READ_POLL).await,
        }
    }
}

/// The first write to shows after the start, whoever leads them now.
async fn first_writes(
    lab: &Lab,
    shows: &[Made],
    how: &str,
    first: NodeId,
) -> anyhow::Result<Vec<Measurement>> {
    let (writer, _lose) = Writer::new(lab)?;
    let mut times = Times::default();
    let seat = u32::from(how == "after_kill");
    for show in shows {
        let request = place_hold(show.show_id, vec![seat], 1, how);
        let (asked, until) = (Instant::now(), Instant::now() + READY_MAX);
        let written = writer.write(&request, first, READ_POLL, until).await?;
        anyhow::ensure!(written.is_some(), "show {} takes no write", show.show_id);
        times.push(asked.elapsed());
    }
    Ok(times
        .quantiles()
        .measurements(&format!("{how}.first_write")))
}
