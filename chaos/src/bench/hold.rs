//! The bench of a hold: two clusters, one wide for latency, one narrow for rate.
//!
//! Owns: what is measured in which cluster. Must never: measure rate over the emulated network, whose timers it would time.

use super::{HoldArgs, Machine, Measurement, Report, latency, throughput};
use crate::demo::bin_dir;
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Rows and seats of the halls in which latency is measured.
const LATENCY_HALL: (u32, u32) = (60, 50);

pub(super) async fn run(args: HoldArgs) -> anyhow::Result<Report> {
    let dir = match &args.bin_dir {
        Some(dir) => dir.clone(),
        None => bin_dir()?,
    };
    let mut results: Vec<Measurement> = Vec::new();
    if !args.no_latency {
        let homes = ["eastus", "westeurope", "southeastasia"];
        let shows = homes.map(|home| {
            let mut hall = GridShow::new(home, home, LATENCY_HALL.0, LATENCY_HALL.1);
            hall.seats_per_buyer_max = 1_000;
            hall
        });
        eprintln!("... latency: three regions over the emulated network");
        let mut options = LabOptions::wide(shows.to_vec());
        options.bin_dir = Some(dir.clone());
        let lab = Lab::start(options).await?;
        results.extend(latency::measure(&lab, &shows, args.samples).await?);
        lab.stop().await;
    }
    if !args.no_rate {
        eprintln!("... rate: three replicas on loopback");
        let mut options = LabOptions::trio(vec![GridShow::new("warm", "eastus", 2, 10)]);
        options.bin_dir = Some(dir.clone());
        let lab = Lab::start(options).await?;
        results.extend(throughput::measure(&lab, &args).await?);
        lab.stop().await;
    }
    Ok(Report {
        bench: "hold",
        machine: Machine::here(&dir),
        results,
    })
}
