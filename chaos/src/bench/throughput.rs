//! Rate of holds on one hot show: through the leader's gRPC stream and through HTTP at a gateway.
//!
//! Owns: the points measured, and what is read from the node's counters around them. Must never: reuse a show.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use holdfast_node_api::client::NodeClient;
use holdfast_region_config::NodeId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load::{self, ATTEMPTS, Tally};
use super::scrape::Counters;
use super::{HoldArgs, Measurement, figure, quantile};
use crate::lab::Lab;
use crate::season::{self, GridShow, LoadedShow, Season};

/// Rows and seats a row of the hot show.
const HALL: (u32, u32) = (100, 100);
/// Where hot shows live, and the node there.
const HOME: &str = "eastus";
const LEADER: NodeId = NodeId::new(1);
/// Shows of one point at most, however fast the machine: each is a Raft group that stays.
const SHOWS_MAX: usize = 40;
/// How long a new show may take to be led from home.
const AT_HOME: Duration = Duration::from_secs(60);

const _: () = assert!(
    HALL.0 * HALL.1 == load::SEATS,
    "the loop draws from exactly these seats"
);

pub(super) async fn measure(lab: &Lab, args: &HoldArgs) -> anyhow::Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let node = lab.node(LEADER)?;
    let mut shows = Shows {
        lab,
        node: &node,
        made: 0,
    };
    let mut holds = 0;
    for &clients in &args.clients {
        eprintln!("... grpc stream, {clients} clients");
        let (point, granted) = grpc(&mut shows, clients, args.seconds).await?;
        results.extend(point);
        holds += granted;
    }
    // Over all points at once, and all that the node keeps: plans, snapshots, log files allocated ahead.
    let disk_bytes = figure(bytes_below(&lab.cluster.node_dir(LEADER)));
    let per_hold = disk_bytes / figure(holds);
    results.push(Measurement::new(
        "disk_bytes_per_hold_and_replica",
        per_hold,
        "bytes",
    ));
    for &clients in args.clients.iter().filter(|clients| **clients >= 16) {
        eprintln!("... http at the gateway, {clients} clients");
        results.extend(http(&mut shows, clients, args.seconds).await?);
    }
    Ok(results)
}

/// Makes hot shows, one after the other.
struct Shows<'a> {
    lab: &'a Lab,
    node: &'a NodeClient,
    made: usize,
}

impl Shows<'_> {
    async fn next(&mut self) -> anyhow::Result<LoadedShow> {
        self.made += 1;
        let mut hall = GridShow::new(&format!("hot-{}", self.made), HOME, HALL.0, HALL.1);
        hall.seats_per_buyer_max = HALL.0 * HALL.1;
        let season = Season::of_grids(&[hall]);
        let topology = self.lab.cluster.topology();
        let mut loaded = season::load(&season, self.node, topology, |_| {}).await?;
        let show = loaded.remove(0);
        self.lab.leader_is(show.show_id, LEADER, AT_HOME).await?;
        Ok(show)
    }
}

async fn grpc(
    shows: &mut Shows<'_>,
    clients: usize,
    seconds: u64,
) -> anyhow::Result<(Vec<Measurement>, u64)> {
    let lab = shows.lab;
    let addr = lab.cluster.member(&LEADER.to_string())?.http;
    let mut tally = Tally::default();
    let (mut entries, mut commands, mut fsyncs, mut log_bytes) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..SHOWS_MAX {
        let show = shows.next().await?;
        let before = Counters::of(&lab.http, addr).await?;
        tally.add(load::one_show(shows.node, show.show_id, clients).await?);
        let after = Counters::of(&lab.http, addr).await?;
        entries += after.since(&before, "holdfast_raft_entries_total");
        commands += after.since(&before, "holdfast_raft_commands_total");
        fsyncs += after.since(&before, "holdfast_log_fsyncs_total");
        log_bytes += after.since(&before, "holdfast_log_bytes_total");
        if tally.took >= Duration::from_secs(seconds) {
            break;
        }
    }
    tally.times_ms.sort_by(f64::total_cmp);
    let (took_s, holds) = (tally.took.as_secs_f64(), figure(tally.holds));
    let name = |what: &str| format!("grpc.{clients}_clients.{what}");
    let rate = Measurement::new(
        name("attempts_rate"),
        figure(tally.attempts) / took_s,
        "attempts/s",
    );
    let point = vec![
        rate.against(">= 30 x etcd and >= 1 x redis in the same run"),
        Measurement::new(name("holds_rate"), holds / took_s, "holds/s"),
        Measurement::new(name("p50"), quantile(&tally.times_ms, 0.5), "ms"),
        Measurement::new(name("p99"), quantile(&tally.times_ms, 0.99), "ms"),
        Measurement::new(name("commands_per_entry"), commands / entries, "commands"),
        Measurement::new(name("fsyncs_per_hold"), fsyncs / holds, "fsyncs"),
        Measurement::new(name("log_bytes_per_hold"), log_bytes / holds, "bytes"),
    ];
    Ok((point, tally.holds))
}

async fn http(
    shows: &mut Shows<'_>,
    clients: usize,
    seconds: u64,
) -> anyhow::Result<Vec<Measurement>> {
    let lab = shows.lab;
    let for_time = Duration::from_secs(seconds);
    let show = shows.next().await?;
    lab.wait_on_sale(&HOME.parse()?, &show).await?;
    let path = format!("/v1/shows/s{}/holds", show.show_id);
    let url = format!("{}{path}", lab.gateway(0));
    let token = guest_token(lab).await?;
    let hold = loop_http(&lab.http, &url, &token, clients, for_time).await?;
    let (echo_url, echo) = start_echo().await?;
    let bare = loop_http(&lab.http, &echo_url, &token, clients, for_time).await;
    echo.abort();
    let rate = |tally: &Tally| figure(tally.attempts) / tally.took.as_secs_f64();
    let (hold_rate, echo_rate) = (rate(&hold), rate(&bare?));
    let mut times = hold.times_ms;
    times.sort_by(f64::total_cmp);
    let name = |what: &str| format!("http.{clients}_clients.{what}");
    Ok(vec![
        Measurement::new(name("attempts_rate"), hold_rate, "attempts/s"),
        Measurement::new(
            name("holds_rate"),
            figure(hold.holds) / hold.took.as_secs_f64(),
            "holds/s",
        ),
        Measurement::new(name("p50"), quantile(&times, 0.5), "ms"),
        Measurement::new(name("p99"), quantile(&times, 0.99), "ms"),
        Measurement::new(name("echo_rate"), echo_rate, "requests/s"),
        Measurement::new(name("echo_ratio"), hold_rate / echo_rate, "x echo").against(">= 0.25"),
    ])
}

async fn guest_token(lab: &Lab) -> anyhow::Result<String> {
    let answer = lab
        .http
        .post(format!("{}/v1/guests", lab.gateway(0)))
        .send()
        .await?;
    let body: Value = answer.error_for_status()?.json().await?;
    Ok(body["token"].as_str().unwrap_or_default().to_owned())
}

/// Posts hold requests in a closed loop until one show's attempts are through or the time is over.
async fn loop_http(
    http: &reqwest::Client,
    url: &str,
    token: &str,
    clients: usize,
    for_time: Duration,
) -> anyhow::Result<Tally> {
    let next = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..clients {
        let (http, url, token, next) = (
            http.clone(),
            url.to_owned(),
            token.to_owned(),
            Arc::clone(&next),
        );
        loops.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= ATTEMPTS || started.elapsed() >= for_time {
                    return anyhow::Ok(tally);
                }
                let mut random = StdRng::seed_from_u64(u64::from(number));
                let seats: Vec<String> = load::wanted(&mut random, number)
                    .into_iter()
                    .map(seat_id)
                    .collect();
                let request = http.post(&url).bearer_auth(&token);
                let request = request.header("Idempotency-Key", format!("bench-{number}"));
                let began = Instant::now();
                let answer = request.json(&json!({ "seats": seats })).send().await?;
                let status = answer.status().as_u16();
                let body = answer.bytes().await?;
                tally.times_ms.push(began.elapsed().as_secs_f64() * 1_000.0);
                tally.attempts += 1;
                match status {
                    200 | 201 => tally.holds += 1,
                    409 => {}
                    _ => anyhow::bail!("{status} {}", String::from_utf8_lossy(&body)),
                }
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(result) = loops.join_next().await {
        tally.add(result??);
    }
    tally.took = started.elapsed();
    Ok(tally)
}

/// Seats of a plain hall are numbered row by row.
fn seat_id(seat: u32) -> String {
    format!("A-{}-{}", seat / HALL.1 + 1, seat % HALL.1 + 1)
}

/// The least that an HTTP answer with JSON can cost here: parse, print, nothing else. It runs in this process.
async fn start_echo() -> anyhow::Result<(String, tokio::task::JoinHandle<()>)> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", post(|Json(body): Json<Value>| async { Json(body) }));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the echo stopped");
        }
    });
    Ok((url, task))
}

/// Bytes that the files below a directory take.
fn bytes_below(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_below(&entry.path()),
            // Blocks, not length: what a preallocated file really takes.
            Ok(data) => data.blocks() * 512,
            Err(_) => 0,
        });
    sizes.sum()
}
