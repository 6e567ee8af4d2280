//! What shows cost that nobody buys: processor, memory and messages per replica, awake, hibernating and unloaded.
//!
//! Three clusters, one for each state: the state is a matter of how soon nodes let a show sleep and leave memory. Each
//! grows from no show to the largest number asked for; a figure per replica is the growth against no show, over the
//! replicas. Messages and bytes are counted by the network between the regions, on their way.
//!
//! Owns: the arithmetic, and waiting until the state is reached. Must never: say that a state was reached that was not.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::{Instant, sleep};

use super::BenchArgs;
use super::report::{Measurement, Report};
use super::scrape::Counters;
use super::shows::Maker;
use super::stats::figure;
use super::usage::Usage;
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Rows and seats of every show.
const HALL: (u32, u32) = (5, 10);
/// How long the shows may take to reach their state.
const REACHED_MAX: Duration = Duration::from_secs(180);
const REACHED_POLL: Duration = Duration::from_millis(500);
/// A day: never, for a bench.
const NEVER_MS: u32 = 86_400_000;
const SOON_MS: u32 = 1_000;
/// Shows awake at one time at most: nodes let idle ones sleep because more would take the whole machine.
const AWAKE_MAX: u32 = 1_000;

/// What a show costs depends on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// Its replicas send heartbeats and run timers.
    Awake,
    /// In memory; nothing is sent and no timer runs.
    Hibernating,
    /// On disk only, opened again on demand.
    Unloaded,
}

/// Options of `bench idle`.
#[derive(Debug, Clone, Args)]
pub struct IdleArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Numbers of shows, rising.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    pub shows: Vec<u32>,
    /// States to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [State::Awake, State::Hibernating, State::Unloaded])]
    pub states: Vec<State>,
    /// How long each number of shows is watched, seconds.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Awake => "awake",
            Self::Hibernating => "hibernating",
            Self::Unloaded => "unloaded",
        }
    }

    /// When a show sleeps and when it leaves memory, ms.
    const fn limits(self) -> (u32, u32) {
        match self {
            Self::Awake => (NEVER_MS, NEVER_MS),
            Self::Hibernating => (SOON_MS, NEVER_MS),
            Self::Unloaded => (SOON_MS, SOON_MS),
        }
    }

    /// Whether a node with these gauges has all its replicas in this state. The directory is always awake.
    fn reached(self, kept: f64, open: f64, hibernating: f64, shows: f64) -> bool {
        let open = open - 1.0;
        match self {
            Self::Awake => open >= shows && hibernating == 0.0,
            Self::Hibernating => open >= shows && hibernating >= shows,
            Self::Unloaded => kept >= shows && open <= 0.0,
        }
    }
}

/// All nodes together, over the time of one look.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    cpu_cores: f64,
    resident_kib: f64,
    messages_per_s: f64,
    bytes_per_s: f64,
}

pub(super) async fn run(args: IdleArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let mut report = Report::new("idle", &dir, Vec::new());
    for &state in &args.states {
        let mut options = LabOptions::wide(Vec::new());
        options.bin_dir = Some(dir.clone());
        let (hibernate, unload) = state.limits();
        options.node_limits = vec![
            ("hibernate_after_ms", hibernate),
            ("unload_after_ms", unload),
        ];
        let lab = Lab::start(options).await?;
        let grown = grow(&lab, state, &args, &mut report).await;
        lab.stop().await;
        grown?;
    }
    report.machine = super::report::Machine::here(&dir);
    Ok(report)
}

async fn grow(lab: &Lab, state: State, args: &IdleArgs, report: &mut Report) -> anyhow::Result<()> {
    let regions = &lab.cluster.topology().regions;
    let homes: Vec<_> = regions.iter().map(|region| region.id.clone()).collect();
    let hall = GridShow::new("idle", homes[0].as_str(), HALL.0, HALL.1);
    let mut maker = Maker::new(lab, &hall).await?;
    // One show first: the code has run, its memory is there.
    maker.make(1, &homes).await?;
    wait_reached(lab, state, 1).await?;
    let none = look(lab, args.seconds).await?;
    let prefix = format!("{}.no_shows", state.name());
    report.results.extend(none.measurements(&prefix, "nodes"));
    let mut made = 1;
    for &shows in &args.shows {
        if state == State::Awake && shows > AWAKE_MAX {
            let note = format!("{shows} shows awake at once left out: nodes let idle ones sleep");
            report.notes.push(note);
            continue;
        }
        let more = shows.saturating_sub(made);
        eprintln!("... {} more shows, {}", more, state.name());
        let started = Instant::now();
        maker.make(more as usize, &homes).await?;
        made += more;
        let name = |what: &str| format!("{}.{shows}_shows.{what}", state.name());
        let rate = f64::from(more) / started.elapsed().as_secs_f64();
        report
            .results
            .push(Measurement::new(name("made_rate"), rate, "shows/s"));
        wait_reached(lab, state, made).await?;
        let cost = look(lab, args.seconds).await?;
        let nodes = lab.cluster.topology().nodes.len() as u64;
        let replicas = figure(u64::from(made) * nodes);
        let each = cost.above(&none, replicas);
        report.results.extend(each.per_replica(&name(""), state));
        report
            .results
            .extend(cost.measurements(&name("all"), "nodes"));
    }
    Ok(())
}

/// Waits until every node says that its shows are in the state.
async fn wait_reached(lab: &Lab, state: State, shows: u32) -> anyhow::Result<()> {
    let until = Instant::now() + REACHED_MAX;
    loop {
        let mut not_yet = None;
        for node in &lab.cluster.topology().nodes {
            let name = node.id.to_string();
            let counters = Counters::of(&lab.http, lab.cluster.member(&name)?.http).await?;
            let [kept, open, hibernating] = ["kept", "", "hibernating"].map(|which| {
                let dash = if which.is_empty() { "" } else { "_" };
                counters.sum(&format!("holdfast_{which}{dash}groups"))
            });
            if !state.reached(kept, open, hibernating, f64::from(shows)) {
                not_yet = Some((name, kept, open, hibernating));
            }
        }
        if not_yet.is_none() {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < until,
            "{shows} shows are not {}: node, kept, open, hibernating: {not_yet:?}",
            state.name()
        );
        sleep(REACHED_POLL).await;
    }
}

async fn look(lab: &Lab, seconds: u64) -> anyhow::Result<Cost> {
    let carried = || lab.cluster.wan().map_or((0, 0), crate::wan::Wan::carried);
    let (cpu_before, _) = nodes_usage(lab)?;
    let ((messages_before, bytes_before), began) = (carried(), Instant::now());
    sleep(Duration::from_secs(seconds)).await;
    let (cpu, resident_bytes) = nodes_usage(lab)?;
    let ((messages, bytes), took_s) = (carried(), began.elapsed().as_secs_f64());
    Ok(Cost {
        cpu_cores: cpu.saturating_sub(cpu_before).as_secs_f64() / took_s,
        resident_kib: figure(resident_bytes) / 1_024.0,
        messages_per_s: figure(messages - messages_before) / took_s,
        bytes_per_s: figure(bytes - bytes_before) / took_s,
    })
}

/// Processor time and memory of all nodes together.
fn nodes_usage(lab: &Lab) -> anyhow::Result<(Duration, u64)> {
    let mut all = (Duration::ZERO, 0);
    for node in &lab.cluster.topology().nodes {
        let pid = lab.cluster.member(&node.id.to_string())?.pid();
        let usage = pid.map(Usage::of).transpose()?.unwrap_or_default();
        all.0 += usage.cpu;
        all.1 += usage.resident_bytes;
    }
    Ok(all)
}

impl Cost {
    /// The part of this that `replicas` cause, each.
    fn above(&self, none: &Self, replicas: f64) -> Self {
        Self {
            cpu_cores: (self.cpu_cores - none.cpu_cores) / replicas,
            resident_kib: (self.resident_kib - none.resident_kib) / replicas,
            messages_per_s: (self.messages_per_s - none.messages_per_s) / replicas,
            bytes_per_s: (self.bytes_per_s - none.bytes_per_s) / replicas,
        }
    }

    fn per_replica(&self, prefix: &str, state: State) -> Vec<Measurement> {
        let of = |what: &str, value, unit| {
            Measurement::new(format!("{prefix}{what}_per_replica"), value, unit)
        };
        let cpu = of("cpu", self.cpu_cores * 1e6, "ucores");
        let resident = of("resident", self.resident_kib, "KiB");
        let messages = of("messages", self.messages_per_s, "messages/s");
        let bytes = of("bytes", self.bytes_per_s, "bytes/s");
        match state {
            State::Awake => vec![cpu, resident, messages, bytes],
            State::Hibernating => {
                vec![cpu.against("<= 5"), resident, messages.against("0"), bytes]
            }
            State::Unloaded => vec![
                cpu.against("<= 5"),
                resident.against("<= 48"),
                messages.against("0"),
                bytes,
            ],
        }
    }

    fn measurements(&self, prefix: &str, of: &str) -> Vec<Measurement> {
        let name = |what: &str| format!("{prefix}.{of}_{what}");
        vec![
            Measurement::new(name("cpu"), self.cpu_cores, "cores"),
            Measurement::new(name("resident"), self.resident_kib / 1_024.0, "MiB"),
            Measurement::new(name("messages"), self.messages_per_s, "messages/s"),
            Measurement::new(name("bytes"), self.bytes_per_s, "bytes/s"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_reached_when_every_show_is_in_it_and_the_directory_does_not_count() {
        assert!(State::Awake.reached(11.0, 11.0, 0.0, 10.0));
        assert!(!State::Awake.reached(11.0, 11.0, 1.0, 10.0));
        assert!(State::Hibernating.reached(11.0, 11.0, 10.0, 10.0));
        assert!(!State::Hibernating.reached(11.0, 11.0, 9.0, 10.0));
        assert!(State::Unloaded.reached(11.0, 1.0, 0.0, 10.0));
        assert!(!State::Unloaded.reached(11.0, 2.0, 0.0, 10.0));
    }

    #[test]
    fn a_replica_costs_the_growth_and_not_what_nodes_cost_anyway() {
        let none = Cost {
            resident_kib: 30_000.0,
            ..Cost::default()
        };
        let with = Cost {
            resident_kib: 33_000.0,
            ..Cost::default()
        };
        assert_eq!(with.above(&none, 300.0).resident_kib, 10.0);
    }
}
