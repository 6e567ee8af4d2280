//! Holdfast itself: three nodes as processes, every one with its own disk directory, the show led by the first.
//!
//! Owns: what is counted in the nodes around a point. Must never: sell one show twice.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::submit_reply;
use holdfast_region_config::{NodeId, RegionId};

use super::{Contender, Point, Seller};
use crate::bench::attempt::{Answer, Attempt};
use crate::bench::report::Measurement;
use crate::bench::scrape::Counters;
use crate::bench::shows::Maker;
use crate::bench::stats::figure;
use crate::bench::usage::Usage;
use crate::bench::writer::place_hold;
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(20);
/// Where hot shows live, and the node there.
const HOME: &str = "eastus";
pub(in crate::bench) const LEADER: NodeId = NodeId::new(1);
/// Shows made at one time: making them one by one would take longer than selling them.
const BATCH: usize = 4;

/// The running cluster.
pub(in crate::bench) struct Holdfast {
    pub(in crate::bench) lab: Lab,
    node: NodeClient,
    maker: Option<(u32, Maker)>,
    ready: VecDeque<u64>,
}

/// What the nodes have used and written up to a moment.
pub(in crate::bench) struct Counted {
    counters: Counters,
    leader_cpu: Duration,
    follower_cpu: Duration,
}

impl Holdfast {
    pub(in crate::bench) async fn start(bin_dir: PathBuf) -> anyhow::Result<Self> {
        Self::start_in(LabOptions::trio(Vec::new()), bin_dir).await
    }

    /// The same with the network's delays between its regions.
    pub(in crate::bench) async fn start_wide(bin_dir: PathBuf) -> anyhow::Result<Self> {
        Self::start_in(LabOptions::wide(Vec::new()), bin_dir).await
    }

    async fn start_in(mut options: LabOptions, bin_dir: PathBuf) -> anyhow::Result<Self> {
        options.bin_dir = Some(bin_dir);
        let lab = Lab::start(options).await?;
        let node = lab.node(LEADER)?;
        Ok(Self {
            lab,
            node,
            maker: None,
            ready: VecDeque::new(),
        })
    }

    /// What is counted up to now.
    pub(in crate::bench) async fn counted(&self) -> anyhow::Result<Counted> {
        let cluster = &self.lab.cluster;
        let (mut leader_cpu, mut follower_cpu) = (Duration::ZERO, Duration::ZERO);
        for node in &cluster.topology().nodes {
            let pid = cluster.member(&node.id.to_string())?.pid();
            let cpu = pid.map(Usage::of).transpose()?.unwrap_or_default().cpu;
            if node.id == LEADER {
                leader_cpu += cpu;
            } else {
                follower_cpu += cpu;
            }
        }
        let addr = cluster.member(&LEADER.to_string())?.http;
        Ok(Counted {
            counters: Counters::of(&self.lab.http, addr).await?,
            leader_cpu,
            follower_cpu,
        })
    }
}

impl Counted {
    /// What a point cost, from the counts before and after it. The making of its shows is in it: small against 20,000
    /// attempts each.
    pub(in crate::bench) fn cost(&self, since: &Self, point: &Point) -> Vec<Measurement> {
        let (attempts, holds) = (figure(point.tally.attempts), figure(point.tally.holds));
        let grew = |name: &str| self.counters.since(&since.counters, name);
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / attempts;
        let entries = grew("holdfast_raft_entries_total");
        vec![
            Measurement::new(
                "commands_per_entry",
                grew("holdfast_raft_commands_total") / entries,
                "commands",
            ),
            Measurement::new(
                "fsyncs_per_hold",
                grew("holdfast_log_fsyncs_total") / holds,
                "fsyncs",
            ),
            Measurement::new(
                "log_bytes_per_hold",
                grew("holdfast_log_bytes_total") / holds,
                "bytes",
            ),
            Measurement::new(
                "cpu_per_attempt.generator",
                micros(point.generator_cpu),
                "us",
            ),
            Measurement::new(
                "cpu_per_attempt.leader",
                micros(self.leader_cpu.saturating_sub(since.leader_cpu)),
                "us",
            ),
            Measurement::new(
                "cpu_per_attempt.followers",
                micros(self.follower_cpu.saturating_sub(since.follower_cpu)),
                "us",
            ),
        ]
    }
}

impl Contender for Holdfast {
    type Seller = HoldfastSeller;

    async fn open_show(&mut self, seats: u32) -> anyhow::Result<u64> {
        if let Some(show) = self.ready.pop_front() {
            return Ok(show);
        }
        let home: RegionId = HOME.parse()?;
        let mut maker = match self.maker.take() {
            Some((of, maker)) if of == seats => maker,
            _ => Maker::new(&self.lab, &hall(seats)).await?,
        };
        let made = maker.make(BATCH, &[home]).await?;
        self.ready.extend(made.into_iter().map(|show| show.show_id));
        self.maker = Some((seats, maker));
        self.ready
            .pop_front()
            .ok_or_else(|| anyhow::anyhow!("no show was made"))
    }

    async fn sellers(&mut self, show: u64, clients: usize) -> anyhow::Result<Vec<HoldfastSeller>> {
        let seller = HoldfastSeller {
            node: self.node.clone(),
            show,
        };
        Ok(vec![seller; clients])
    }

    async fn stop(self) {
        self.lab.stop().await;
    }
}

/// A plain hall of about square shape without limits for one buyer. Its seats are numbered row by row from 0.
pub(in crate::bench) fn hall(seats: u32) -> GridShow {
    let per_row = (1..=seats.min(100))
        .rev()
        .find(|row| seats.is_multiple_of(*row));
    let per_row = per_row.unwrap_or(1);
    let mut hall = GridShow::new("hot", HOME, seats / per_row, per_row);
    hall.seats_per_buyer_max = seats;
    hall
}

/// One client: they all share the node's stream.
#[derive(Debug, Clone)]
pub(in crate::bench) struct HoldfastSeller {
    node: NodeClient,
    show: u64,
}

impl Seller for HoldfastSeller {
    async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
        let caller = u128::from(attempt.number + 1);
        let request = place_hold(self.show, attempt.seats().collect(), caller, "bench");
        let reply = self.node.pipe().submit(request, DEADLINE).await?;
        match reply.result {
            Some(submit_reply::Result::Hold(_)) => Ok(Answer::Held),
            Some(submit_reply::Result::Rejection(no)) if no.code == "seats_taken" => {
                Ok(Answer::Taken)
            }
            other => anyhow::bail!("{attempt:?} of show {}: {other:?}", self.show),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hall_has_exactly_the_seats_asked_for() {
        for seats in [1, 7, 50, 1_000, 10_000] {
            let hall = hall(seats);
            assert_eq!(hall.rows * hall.seats_per_row, seats);
        }
        assert_eq!((hall(10_000).rows, hall(10_000).seats_per_row), (100, 100));
    }
}
