//! DNS answers of one gateway, beside a name server that people would use instead.
//!
//! The questions are the same for both: addresses of the steered name over UDP, from clients in many networks, each with a
//! client subnet and a valid cookie of ours. The other server has the addresses in a zone file: it chooses nothing.
//!
//! Owns: the order of the turns, and the figures. Must never: be read as a limit: the generator takes its part of the processor.

mod load;
mod peer;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use self::load::{Load, Shots};
use self::peer::Peer;
use super::BenchArgs;
use super::report::{Measurement, Report};
use super::stats::{figure, median};
use super::usage::Usage;
use crate::cluster::gateway_name;
use crate::lab::{Lab, LabOptions};

/// Options of `bench dns`.
#[derive(Debug, Clone, Args)]
pub struct DnsArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Time of each turn, seconds.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Clients that each wait for their answer before they ask again.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub clients: u16,
    /// Turns of each server.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
}

pub(super) async fn run(args: DnsArgs) -> anyhow::Result<Report> {
    let bin_dir = args.bench.bin_dir()?;
    let mut options = LabOptions::trio(Vec::new());
    options.bin_dir = Some(bin_dir.clone());
    options.dns = true;
    let lab = Lab::start(options).await?;
    let server = lab.cluster.dns_servers().first();
    let server = server.context("the cluster has no DNS")?.addr;
    let gateway = lab.cluster.member(&gateway_name(&lab.region(0)))?;
    let gateway = gateway.pid().context("the gateway does not run")?;
    let name = lab.cluster.dns_name();
    let shots = Shots::load(server, &name).await?;
    let for_time = Duration::from_secs(args.seconds);
    let (mut peers, mut notes) = (Vec::new(), Vec::new());
    let peer = match Peer::start(&name).await {
        Ok(peer) => Some(peer),
        Err(error) => {
            notes.push(format!("nothing to compare with: {error:#}"));
            None
        }
    };
    let mut ours = Turns::new("holdfast", server, gateway);
    let mut theirs = peer
        .as_ref()
        .map(|peer| Turns::new(peer.name(), peer.addr(), peer.pid()));
    for _ in 0..args.rounds {
        for turns in std::iter::once(&mut ours).chain(theirs.as_mut()) {
            let load = turns.measure(&shots, args.clients, for_time).await;
            load.with_context(|| format!("asking {}", turns.name))?;
        }
    }
    let mut results = ours.results(args.clients);
    if let Some(mut theirs) = theirs {
        let ratio = median(&mut ours.rates) / median(&mut theirs.rates);
        results.extend(theirs.results(args.clients));
        results.push(Measurement::new("dns.ratio", ratio, "x the other"));
    }
    if let Some(peer) = peer {
        peers.push(peer.version().to_owned());
        peer.stop().await;
    }
    lab.stop().await;
    let mut report = Report::new("dns", &bin_dir, results);
    (report.peers, report.notes) = (peers, notes);
    Ok(report)
}

/// What one server did.
struct Turns {
    name: &'static str,
    server: SocketAddr,
    pid: u32,
    rates: Vec<f64>,
    cpu_us: Vec<f64>,
    resident_bytes: u64,
    all: Load,
}

impl Turns {
    fn new(name: &'static str, server: SocketAddr, pid: u32) -> Self {
        Self {
            name,
            server,
            pid,
            rates: Vec::new(),
            cpu_us: Vec::new(),
            resident_bytes: 0,
            all: Load::default(),
        }
    }

    async fn measure(
        &mut self,
        shots: &Shots,
        clients: u16,
        for_time: Duration,
    ) -> anyhow::Result<()> {
        let before = Usage::of(self.pid)?;
        let load = load::run(self.server, shots, clients, for_time).await?;
        let after = Usage::of(self.pid)?;
        let cpu = after.cpu.saturating_sub(before.cpu);
        self.rates
            .push(figure(load.answers) / load.took.as_secs_f64());
        self.cpu_us
            .push(cpu.as_secs_f64() * 1e6 / figure(load.answers.max(1)));
        self.resident_bytes = after.resident_bytes;
        self.all.add(load);
        Ok(())
    }

    fn results(&mut self, clients: u16) -> Vec<Measurement> {
        let prefix = format!("dns.{}.{clients}_clients", self.name);
        let name = |what: &str| format!("{prefix}.{what}");
        let times = self.all.times.quantiles();
        let mut results = vec![
            Measurement::new(name("rate"), median(&mut self.rates), "answers/s"),
            Measurement::new(name("cpu"), median(&mut self.cpu_us), "us/answer"),
            Measurement::new(name("lost"), figure(self.all.lost), "questions"),
            Measurement::new(name("memory"), figure(self.resident_bytes >> 20), "MiB"),
        ];
        results.extend(times.measurements(&prefix));
        results
    }
}
