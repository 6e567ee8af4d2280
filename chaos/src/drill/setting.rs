//! From a drill file to a cluster, its shows, and the words about the run.
//!
//! Owns: how a file's short forms are spelled out. Must never: choose anything by lot.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use holdfast_node_api::refs::ShowRef;
use holdfast_region_config::Topology;
use xxhash_rust::xxh3::xxh3_64;

use super::engine::Order;
use super::file::{BlastSpec, DrillFile, GATEWAY_LIMITS, LabSpec, NODE_LIMITS, ShowSpec};
use super::result::{Blast, FaultSpan, Run};
use crate::history::{Header, Recorder, Show};
use crate::lab::{Lab, LabOptions};
use crate::runbook::day_of;
use crate::season::GridShow;
use crate::workload::scene::{Door, Stall};

/// Revision that this program was built from.
const COMMIT: &str = env!("HOLDFAST_COMMIT");

/// The topology of a run and its name.
pub(super) fn topology(
    lab: &LabSpec,
    other: Option<&(String, Topology)>,
) -> anyhow::Result<(String, Topology)> {
    let (name, whole) = match other {
        Some((name, topology)) => (name.clone(), topology.clone()),
        None => {
            let preset = Topology::preset(&lab.preset);
            let preset = preset.with_context(|| {
                format!("lab.preset: there is no built-in topology {}", lab.preset)
            })?;
            (lab.preset.clone(), preset)
        }
    };
    let regions = lab.regions.min(whole.regions.len());
    let cut = whole
        .with_first_regions(regions)?
        .with_nodes_per_region(lab.nodes_per_region)?;
    Ok((name, cut))
}

/// What the laboratory is asked for.
pub(super) fn lab_options(
    file: &DrillFile,
    topology: &Topology,
    seed: u64,
    bin_dir: &Path,
) -> anyhow::Result<LabOptions> {
    Ok(LabOptions {
        topology: Some(topology.clone()),
        wan: file.lab.wan,
        bin_dir: Some(bin_dir.to_owned()),
        node_limits: limits(&file.lab.node_limits, NODE_LIMITS)?,
        gateway_limits: limits(&file.lab.gateway_limits, GATEWAY_LIMITS)?,
        dns: file.lab.dns,
        ..LabOptions::breakable(
            shows(file, topology)
                .into_iter()
                .map(|(_, show)| show)
                .collect(),
            seed,
        )
    })
}

/// Limits under the names that the cluster knows.
fn limits(
    wanted: &BTreeMap<String, u32>,
    known: &[&'static str],
) -> anyhow::Result<Vec<(&'static str, u32)>> {
    let each = wanted.iter().map(|(key, value)| {
        let known = known.iter().find(|known| *known == key);
        let known = known.with_context(|| format!("lab: there is no limit {key}"))?;
        Ok((*known, *value))
    });
    each.collect()
}

/// Every show with the kind that it is of, in order.
fn shows<'a>(file: &'a DrillFile, topology: &Topology) -> Vec<(&'a ShowSpec, GridShow)> {
    let mut shows = Vec::new();
    let mut turn = 0;
    for spec in &file.shows {
        for number in 0..spec.count {
            let home = if spec.home == "each" {
                turn += 1;
                topology.regions[(turn - 1) % topology.regions.len()]
                    .id
                    .to_string()
            } else {
                spec.home.clone()
            };
            let slug = format!("{}-{number}", spec.name);
            let mut show = GridShow::new(&slug, &home, spec.rows, spec.seats_per_row);
            show.hold_ttl_ms = spec.hold_ttl_s * 1_000;
            // A client is one guest for the whole drill: limits are not what is drilled.
            show.seats_per_buyer_max = spec.rows * spec.seats_per_row;
            shows.push((spec, show));
        }
    }
    shows
}

/// The shows as their buyers know them. The last row is for probes.
pub(super) fn stalls(lab: &Lab, file: &DrillFile) -> Vec<Stall> {
    let topology = lab.cluster.topology();
    let each = shows(file, topology).into_iter().zip(&lab.shows);
    each.map(|((spec, grid), loaded)| {
        let mut seats = grid.seats();
        let for_buyers = seats.len().saturating_sub(spec.seats_per_row as usize);
        let probe_seats = seats.split_off(for_buyers);
        Stall {
            show: ShowRef(loaded.show_id).to_string(),
            kind: spec.name.clone(),
            home: grid.home_region.clone(),
            seats,
            probe_seats,
            hold_ttl_ms: grid.hold_ttl_ms,
            idle: spec.idle,
            room: spec.room,
        }
    })
    .collect()
}

/// Every gateway.
pub(super) fn doors(lab: &Lab) -> anyhow::Result<Vec<Door>> {
    let regions = lab.cluster.topology().regions.iter();
    regions
        .map(|region| {
            Ok(Door {
                region: region.id.clone(),
                url: lab.cluster.gateway_url(&region.id)?,
            })
        })
        .collect()
}

/// Says in the history what is on sale.
pub(super) fn record_shows(recorder: &Recorder, stalls: &[Stall]) {
    for stall in stalls {
        let seats = stall.all_seats();
        recorder.show(Show {
            show: stall.show.clone(),
            price_minor: vec![GridShow::PRICE_MINOR; seats.len()],
            seats,
            hold_ttl_ms: stall.hold_ttl_ms,
            hold_ttl_max_ms: 0,
        });
    }
}

/// The head of the history.
pub(super) fn header(file: &DrillFile, run: &Run) -> Header {
    let mut header = Header::new(&run.drill);
    header.clock_bound_ms = Header::CLOCK_BOUND_MS_DEFAULT + file.lab.clock_skew_ms;
    (header.notices_watched, header.money_watched) = (true, true);
    header.seed = Some(run.seed);
    header.commit.clone_from(&run.commit);
    header.topology.clone_from(&run.topology_hash);
    header
}

/// Words about a run that begins now.
pub(super) fn run_of(order: &Order, topology_name: &str, topology: &Topology) -> Run {
    let entry = &order.entry;
    let mut repeat = format!(
        "holdfast-chaos drill run {} --seed {}",
        entry.name, order.seed
    );
    if order.topology.is_some() {
        repeat.push_str(&format!(" --topology {topology_name}"));
    }
    Run {
        drill: entry.name.clone(),
        class: entry.class.clone(),
        title: entry.file.title.clone(),
        hypothesis: entry.file.hypothesis.trim().to_owned(),
        promises: entry.file.promises.clone(),
        seed: order.seed,
        commit: COMMIT.to_owned(),
        build: build(order.bin_dir.as_deref()).to_owned(),
        topology: topology_name.to_owned(),
        topology_hash: format!("{:016x}", xxh3_64(topology.to_toml().as_bytes())),
        regions: topology.regions.iter().map(|r| r.id.to_string()).collect(),
        nodes: topology.nodes.len(),
        started_at: now(),
        duration_s: 0.0,
        repeat,
    }
}

/// Which build is drilled, as far as its directory tells.
fn build(bin_dir: Option<&Path>) -> &'static str {
    let release = bin_dir.is_some_and(|dir| dir.ends_with("release"));
    if release { "release" } else { "debug" }
}

/// Now in UTC, `2026-11-21T10:02:37Z`.
fn now() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a report says when it was made; no drill skews this process"
    )]
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    timestamp(since.as_secs())
}

fn timestamp(epoch_s: u64) -> String {
    let (day, second) = (epoch_s / 86_400, epoch_s % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day_of(day))
}

/// The prediction with its short forms spelled out.
pub(super) fn predicted(blast: &BlastSpec, faults: &[FaultSpan], topology: &Topology) -> Blast {
    Blast {
        predicted_regions: spelled_out(&blast.regions, faults, topology),
        predicted_shows_ratio: blast.shows_ratio,
        predicted_requests_ratio: blast.requests_ratio,
        predicted_for_s: blast.for_s,
        ..Blast::default()
    }
}

/// Regions by id, for `all`, for `hit`, and for those that are named.
pub(super) fn spelled_out(
    words: &[String],
    faults: &[FaultSpan],
    topology: &Topology,
) -> Vec<String> {
    let mut regions: Vec<String> = Vec::new();
    for word in words {
        match word.as_str() {
            "all" => regions.extend(topology.regions.iter().map(|r| r.id.to_string())),
            "hit" => regions.extend(faults.iter().flat_map(|fault| fault.regions.clone())),
            region => regions.push(region.to_owned()),
        }
    }
    regions.sort_unstable();
    regions.dedup();
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hit_means_the_regions_that_faults_touched() {
        let topology = Topology::preset("three-regions").unwrap();
        let blast = BlastSpec {
            regions: vec!["hit".into()],
            stranded: Vec::new(),
            shows_ratio: 0.5,
            requests_ratio: 0.1,
            for_s: 3.0,
        };
        let fault = FaultSpan {
            text: String::new(),
            from_s: 0.0,
            on_s: 0.0,
            to_s: 0.0,
            regions: vec!["b".into(), "a".into()],
            nodes: Vec::new(),
        };
        let twice = [fault.clone(), fault];
        let said = predicted(&blast, &twice, &topology);
        assert_eq!(said.predicted_regions, ["a", "b"]);
        let all = BlastSpec {
            regions: vec!["all".into()],
            ..blast
        };
        let said = predicted(&all, &[], &topology);
        assert_eq!(said.predicted_regions.len(), topology.regions.len());
    }

    #[test]
    fn moments_are_written_as_everybody_writes_them() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_795_255_357), "2026-11-21T10:02:37Z");
    }
}
