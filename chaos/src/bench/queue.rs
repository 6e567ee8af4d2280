//! What a waiting room costs one gateway: people who join, and people who ask where they stand.
//!
//! Owns: both loops, against one gateway of a cluster on this machine. Must never: be read as the gateway's limit: the HTTP
//! client in this process takes much of the processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::BenchArgs;
use super::report::{Measurement, Report};
use super::stats::{Times, figure};
use super::usage::Usage;
use crate::cluster::gateway_name;
use crate::lab::{Lab, LabOptions};
use crate::season::GridShow;

/// Options of `bench queue`.
#[derive(Debug, Clone, Args)]
pub struct QueueArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// People who join.
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=500_000))]
    pub people: u32,
    /// Clients in a closed loop.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub clients: usize,
    /// How long people ask where they stand, seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub seconds: u64,
}

pub(super) async fn run(args: QueueArgs) -> anyhow::Result<Report> {
    let dir = args.bench.bin_dir()?;
    let mut options = LabOptions::trio(vec![GridShow::new("room", "eastus", 100, 100)]);
    options.bin_dir = Some(dir.clone());
    let lab = Lab::start(options).await?;
    let result = measure(&lab, &args).await;
    lab.stop().await;
    Ok(Report::new("queue", &dir, result?))
}

async fn measure(lab: &Lab, args: &QueueArgs) -> anyhow::Result<Vec<Measurement>> {
    let node = lab.cluster.topology().nodes[0].id;
    let room = format!(
        "queue open {} --sale-at +3600 --capacity 3000 --rate 3000",
        lab.show(0)
    );
    lab.operate(node, &room).await?;
    let name = gateway_name(&lab.region(0));
    let pid = lab
        .cluster
        .member(&name)?
        .pid()
        .context("the gateway is gone")?;
    let url = format!("{}/v1/shows/{}/queue", lab.gateway(0), lab.show(0));
    let people = usize::try_from(args.people)?;
    eprintln!("... {people} guests");
    let guests_url = format!("{}/v1/guests", lab.gateway(0));
    let guest = |http: &reqwest::Client, _: usize| http.post(&guests_url);
    let guests = texts(lab, args.clients, people, guest, "token")
        .await?
        .texts;
    let before = Usage::of(pid)?;

    eprintln!("... they join");
    let join = |http: &reqwest::Client, at: usize| http.post(&url).bearer_auth(&guests[at]);
    let joined = texts(lab, args.clients, people, join, "ticket").await?;
    let after = Usage::of(pid)?;
    let mut results = joined.measurements("join", "joins/s", before, after);
    let per_ticket =
        figure(after.resident_bytes.saturating_sub(before.resident_bytes)) / figure(people as u64);
    results.push(Measurement::new(
        "join.memory_per_ticket",
        per_ticket,
        "bytes",
    ));

    eprintln!("... they ask where they stand");
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let tickets = Arc::new(joined.texts);
    let before = Usage::of(pid)?;
    let polled = poll(lab, args.clients, &url, &tickets, until).await?;
    results.extend(polled.measurements("poll", "polls/s", before, Usage::of(pid)?));
    Ok(results)
}

/// What a loop came to.
#[derive(Debug, Default)]
struct Looped {
    times: Times,
    count: u64,
    took: Duration,
    texts: Vec<String>,
}

impl Looped {
    fn measurements(
        &self,
        name: &str,
        unit: &'static str,
        before: Usage,
        after: Usage,
    ) -> Vec<Measurement> {
        let took_s = self.took.as_secs_f64();
        let cores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / took_s;
        let mebibytes = figure(after.resident_bytes) / 1_048_576.0;
        let mut results = vec![
            Measurement::new(format!("{name}.rate"), figure(self.count) / took_s, unit),
            Measurement::new(format!("{name}.gateway_cores"), cores, "cores"),
            Measurement::new(format!("{name}.gateway_memory"), mebibytes, "MiB"),
        ];
        results.extend(self.times.clone().quantiles().measurements(name));
        results
    }
}

/// Sends request 0 to `count`, each once, and keeps one text of each answer, in order.
async fn texts(
    lab: &Lab,
    clients: usize,
    count: usize,
    request: impl Fn(&reqwest::Client, usize) -> RequestBuilder,
    member: &'static str,
) -> anyhow::Result<Looped> {
    let started = Instant::now();
    let mut looped = Looped {
        texts: vec![String::new(); count],
        ..Looped::default()
    };
    let mut in_flight = JoinSet::new();
    let mut next = 0;
    while next < count || !in_flight.is_empty() {
        while next < count && in_flight.len() < clients {
            in_flight.spawn(one(request(&lab.http, next), next));
            next += 1;
        }
        let Some(answered) = in_flight.join_next().await else {
            break;
        };
        let (at, took, body) = answered??;
        looped.times.push(took);
        looped.count += 1;
        let text = body[member].as_str();
        text.with_context(|| format!("no {member} in {body}"))?
            .clone_into(&mut looped.texts[at]);
    }
    looped.took = started.elapsed();
    Ok(looped)
}

async fn one(request: RequestBuilder, at: usize) -> anyhow::Result<(usize, Duration, Value)> {
    let began = Instant::now();
    let answer = request.send().await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    ensure!(status == StatusCode::CREATED, "{status} {body}");
    Ok((at, began.elapsed(), body))
}

/// Everybody in turn asks where they stand, again and again.
async fn poll(
    lab: &Lab,
    clients: usize,
    url: &str,
    tickets: &Arc<Vec<String>>,
    until: Instant,
) -> anyhow::Result<Looped> {
    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut loops = JoinSet::new();
    for _ in 0..clients {
        let (http, url) = (lab.http.clone(), url.to_owned());
        let (next, tickets) = (Arc::clone(&next), Arc::clone(tickets));
        loops.spawn(async move {
            let mut times = Times::default();
            while Instant::now() < until {
                let at = next.fetch_add(1, Ordering::Relaxed) % tickets.len();
                let began = Instant::now();
                let request = http.get(&url).header("X-Holdfast-Ticket", &tickets[at]);
                let answer = request.send().await?;
                let status = answer.status();
                let body = answer.bytes().await?;
                ensure!(
                    status == StatusCode::OK,
                    "{status} {}",
                    String::from_utf8_lossy(&body)
                );
                times.push(began.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut looped = Looped::default();
    while let Some(times) = loops.join_next().await {
        let times = times??;
        looped.count += times.count();
        looped.times.append(times);
    }
    looped.took = started.elapsed();
    Ok(looped)
}
