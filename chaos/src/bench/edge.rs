//! `bench gateway` and `bench rejection`: what a gateway answers through HTTP, driven by wrk, beside a bare echo in the same run.
//!
//! Owns: the shows, the Lua scripts, which shots are taken. Must never: compare shots of two runs.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_node_api::refs::ShowRef;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::BenchArgs;
use super::contender::Contender as _;
use super::contender::holdfast::{Holdfast, LEADER, hall};
use super::echo::Echo;
use super::histogram::Buckets;
use super::nginx::Nginx;
use super::report::{Measurement, Report};
use super::scrape::Counters;
use super::stats::figure;
use super::usage::Usage;
use super::writer::{Writer, place_hold};
use super::wrk::{Shot, Wrk};
use crate::buyer::Buyer;
use crate::cluster::gateway_name;

/// Seats of a show: as many as one may have, so that a shot does not sell it out.
const ARENA: u32 = 20_000;
/// Seats of the show that is sold out in `bench rejection`.
const SMALL: u32 = 2_000;
/// Holds on their way to the leader at one time, when they are made beforehand.
const HOLDS_IN_FLIGHT: usize = 256;
const DEADLINE: Duration = Duration::from_secs(60);
/// Pause before a node is asked again, when none leads.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait until the gateway's copy has what was written.
const COPIED_MAX: Duration = Duration::from_secs(20);
const OCTETS: &str = "application/vnd.holdfast.seats+octets";

/// Options of `bench gateway`.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Time of each shot, seconds.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Shows of 20,000 seats that holds are spread over; a shot must not sell them out.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub shows: u32,
    /// Holds made beforehand that orders are opened from.
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub orders: u32,
}

/// Options of `bench rejection`.
#[derive(Debug, Clone, Args)]
pub struct RejectionArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Time of each shot, seconds.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
}

impl RejectionArgs {
    /// Whether the load tool is there.
    ///
    /// # Errors
    /// When not; the text says what to install.
    pub fn installed() -> anyhow::Result<()> {
        Wrk::new(1).map(drop)
    }
}

/// A cluster with a gateway under load, and an echo beside it.
struct Edge {
    holdfast: Holdfast,
    echo: Echo,
    wrk: Wrk,
    guest: Buyer,
}

impl Edge {
    async fn start(bench: &BenchArgs, seconds: u64) -> anyhow::Result<Self> {
        let wrk = Wrk::new(seconds)?;
        let holdfast = Holdfast::start(bench.bin_dir()?).await?;
        let guest = holdfast.lab.guest(0).await?;
        Ok(Self {
            holdfast,
            echo: Echo::start().await?,
            wrk,
            guest,
        })
    }

    async fn show(&mut self, seats: u32) -> anyhow::Result<String> {
        let show = self.holdfast.open_show(seats).await?;
        let lab = &self.holdfast.lab;
        lab.wait_on_sale(&lab.region(0), show).await?;
        Ok(ShowRef(show).to_string())
    }

    fn url(&self) -> String {
        self.holdfast.lab.gateway(0)
    }

    /// Processor time of the gateway so far.
    fn gateway(&self) -> anyhow::Result<Usage> {
        let lab = &self.holdfast.lab;
        let pid = lab.cluster.member(&gateway_name(&lab.region(0)))?.pid();
        Ok(pid.map(Usage::of).transpose()?.unwrap_or_default())
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        let answer = self
            .holdfast
            .lab
            .http
            .get(format!("{}/metrics", self.url()));
        Ok(answer.send().await?.error_for_status()?.text().await?)
    }

    /// Posts of a hold's body to the echo: what a hold is compared with.
    async fn echoed(&self, url: &str) -> anyhow::Result<Shot> {
        let body = json!({ "seats": ["A-100-100"] });
        let script = format!(
            "wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        );
        self.wrk.shoot(url, &script).await
    }

    fn authorized(&self) -> String {
        format!(
            "wrk.headers['Authorization'] = 'Bearer {}'\nwrk.headers['Content-Type'] = 'application/json'\n",
            self.guest.token()
        )
    }

    /// Waits until the gateway's copy of `show` has everything that was written so far.
    async fn copied(&self, show: &str) -> anyhow::Result<()> {
        let seats = format!("{}/v1/shows/{show}/seats", self.url());
        let http = &self.holdfast.lab.http;
        let index = async |sure: bool| {
            let mut request = http.get(&seats).header("Accept", OCTETS);
            if sure {
                request = request.header("X-Consistency", "linearizable");
            }
            let answer = request.send().await?.error_for_status()?;
            let index = answer.headers().get("holdfast-index");
            let index = index.and_then(|index| index.to_str().ok()?.parse::<u64>().ok());
            anyhow::Ok(index.unwrap_or(0))
        };
        let wanted = index(true).await?;
        let until = Instant::now() + COPIED_MAX;
        while index(false).await? < wanted {
            anyhow::ensure!(Instant::now() < until, "the copy does not follow");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

pub(super) async fn gateway(args: GatewayArgs) -> anyhow::Result<Report> {
    let mut edge = Edge::start(&args.bench, args.seconds).await?;
    let mut shows = Vec::new();
    for _ in 0..args.shows {
        shows.push(edge.show(ARENA).await?);
    }
    let to_order = edge.show(ARENA).await?;
    edge.copied(&shows[0]).await?;
    eprintln!("... {} holds to order from", args.orders);
    holds(&edge, &to_order, args.orders).await?;

    eprintln!("... echo");
    let echo = edge.echoed(&edge.echo.url()).await?;
    let mut results = echo.measurements("echo");
    eprintln!("... maps");
    let url = format!("{}/v1/shows/{}/seats", edge.url(), shows[0]);
    let packed =
        format!("wrk.headers['Accept'] = '{OCTETS}'\nwrk.headers['Accept-Encoding'] = 'gzip'\n");
    let shots = [
        ("map", packed, ">= 0.5"),
        ("hold", hold_script(&edge, &shows), ">= 0.25"),
        ("order", order_script(&edge, &to_order, args.orders), ""),
    ];
    let mut notes = Vec::new();
    for (name, script, target) in shots {
        eprintln!("... {name}");
        let before = edge.gateway()?;
        let shot = edge.wrk.shoot(&url, &script).await?;
        let cpu = edge.gateway()?.cpu.saturating_sub(before.cpu);
        results.extend(shot.measurements(name));
        let ratio = Measurement::new(
            format!("{name}.echo_ratio"),
            shot.rate / echo.rate,
            "x echo",
        );
        results.push(if target.is_empty() {
            ratio
        } else {
            ratio.against(target)
        });
        results.push(Measurement::new(
            format!("{name}.refused_ratio"),
            shot.refused_ratio,
            "of all",
        ));
        let cores = cpu.as_secs_f64() / figure(args.seconds);
        results.push(Measurement::new(
            format!("{name}.gateway_cores"),
            cores,
            "cores",
        ));
        if shot.refused_ratio > 0.01 || shot.errors > 0.0 {
            notes.push(format!(
                "{name}: {:.3} of all refused, {} errors",
                shot.refused_ratio, shot.errors
            ));
        }
    }
    results.push(Measurement::new(
        "gateway.resident",
        figure(edge.gateway()?.resident_bytes) / 1_048_576.0,
        "MiB",
    ));
    let peers = behind_nginx(&edge, &mut results, &mut notes).await?;
    let mut report = Report::new("gateway", &args.bench.bin_dir()?, results);
    (report.peers, report.notes) = (peers, notes);
    edge.holdfast.stop().await;
    Ok(report)
}

/// The echo behind nginx, when that is installed.
async fn behind_nginx(
    edge: &Edge,
    results: &mut Vec<Measurement>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<String>> {
    let (nginx, version) = match Nginx::start(edge.echo.addr).await {
        Ok(started) => started,
        Err(error) => {
            notes.push(format!("without nginx: {error}"));
            return Ok(Vec::new());
        }
    };
    eprintln!("... nginx in front of the echo");
    let shot = edge.echoed(&nginx.url()).await;
    nginx.stop().await;
    let shot = shot?;
    for name in ["map", "hold"] {
        let ours = results.iter().find(|m| m.name == format!("{name}.rate"));
        let ours = ours.map_or(f64::NAN, |m| m.value);
        results.push(Measurement::new(
            format!("{name}.nginx_ratio"),
            ours / shot.rate,
            "x nginx+echo",
        ));
    }
    results.extend(shot.measurements("nginx"));
    Ok(vec![version])
}

/// A new seat with each request, over all shows in turn.
fn hold_script(edge: &Edge, shows: &[String]) -> String {
    let per_row = hall(ARENA).seats_per_row;
    format!(
        "{}wrk.method = 'POST'\nlocal shows = {{'{}'}}\nlocal n = -1\n\
         request = function()\n  n = n + 1\n\
         \x20 local show = shows[n % #shows + 1]\n  local seat = math.floor(n / #shows) % {ARENA}\n\
         \x20 wrk.headers['Idempotency-Key'] = 'hold-' .. n\n\
         \x20 local body = '{{\"seats\":[\"A-' .. (math.floor(seat / {per_row}) + 1) .. '-' .. (seat % {per_row} + 1) .. '\"]}}'\n\
         \x20 return wrk.format(nil, '/v1/shows/' .. show .. '/holds', nil, body)\nend\n",
        edge.authorized(),
        shows.join("','")
    )
}

/// An order from the next of `count` holds with each request.
fn order_script(edge: &Edge, show: &str, count: u32) -> String {
    let show = show.trim_start_matches('s');
    format!(
        "{}wrk.method = 'POST'\nlocal n = -1\n\
         request = function()\n  n = n + 1\n\
         \x20 wrk.headers['Idempotency-Key'] = 'order-' .. n\n\
         \x20 local body = '{{\"hold\":\"h{show}-' .. (1 + n % {count}) .. '\"}}'\n\
         \x20 return wrk.format(nil, '/v1/orders', nil, body)\nend\n",
        edge.authorized()
    )
}

/// Holds of the first `count` seats of `show`, which is new, for the bench's buyer: their ids are 1 to `count`.
async fn holds(edge: &Edge, show: &str, count: u32) -> anyhow::Result<()> {
    let ShowRef(show_id) = show.parse()?;
    let caller = edge.guest.caller()?;
    let (writer, _tell) = Writer::new(&edge.holdfast.lab)?;
    let in_flight = Semaphore::new(HOLDS_IN_FLIGHT);
    let until = Instant::now() + DEADLINE;
    let each = (0..count).map(|seat| {
        let (writer, in_flight) = (&writer, &in_flight);
        async move {
            let _place = in_flight.acquire().await?;
            let request = place_hold(show_id, vec![seat], caller, &format!("made-{seat}"));
            let written = writer.write(&request, LEADER, PAUSE, until).await?;
            written.with_context(|| format!("seat {seat} of {show} was not held in time"))
        }
    });
    futures_util::future::try_join_all(each).await.map(drop)
}

pub(super) async fn rejection(args: RejectionArgs) -> anyhow::Result<Report> {
    let mut edge = Edge::start(&args.bench, args.seconds).await?;
    let sale = edge.show(SMALL).await?;
    edge.copied(&sale).await?;
    eprintln!("... echo");
    let echo = edge.echoed(&edge.echo.url()).await?;
    let mut results = echo.measurements("echo");
    // A sale: everyone wants some seat, and more and more of them are gone.
    eprintln!("... a sale of {SMALL} seats");
    let before = Counters::from(edge.metrics().await?);
    let sold = edge
        .wrk
        .shoot(&edge.url(), &random_script(&edge, &sale, "sale"))
        .await?;
    let after = Counters::from(edge.metrics().await?);
    let grew = |label: &str| {
        let name = format!("holdfast_gateway_holds_total{{answered_by=\"{label}\"}}");
        after.series(&name) - before.series(&name)
    };
    let (local, shard) = (grew("live-copy"), grew("shard"));
    results.extend(sold.measurements("sale"));
    results.push(Measurement::new(
        "sale.local_ratio",
        local / (local + shard),
        "of all holds",
    ));
    results.push(Measurement::new("sale.asked_the_shard", shard, "holds"));
    // Sold out: nearly everyone is told so here.
    eprintln!("... sold out");
    edge.copied(&sale).await?;
    let text = edge.metrics().await?;
    let cpu = edge.gateway()?.cpu;
    let out = edge
        .wrk
        .shoot(&edge.url(), &random_script(&edge, &sale, "out"))
        .await?;
    let cpu = edge.gateway()?.cpu.saturating_sub(cpu);
    let later = edge.metrics().await?;
    let took = |name: &str| Buckets::of(&later, name).since(&Buckets::of(&text, name));
    let answer = took("holdfast_gateway_local_rejection_seconds");
    results.extend(out.measurements("sold_out"));
    let ratio = Measurement::new("sold_out.echo_ratio", out.rate / echo.rate, "x echo");
    results.push(ratio.against(">= 0.5"));
    let local = answer.total() / (out.rate * figure(args.seconds)).max(1.0);
    results.push(Measurement::new(
        "sold_out.local_ratio",
        local.min(1.0),
        "of all holds",
    ));
    results.extend(server_times(&text, &later));
    let cores = cpu.as_secs_f64() / figure(args.seconds);
    results.push(Measurement::new("sold_out.gateway_cores", cores, "cores"));
    let mut report = Report::new("rejection", &args.bench.bin_dir()?, results);
    report.notes.push(
        "server_p99 and decision_p99 are the upper edges of the histograms' buckets".to_owned(),
    );
    edge.holdfast.stop().await;
    Ok(report)
}

/// What a refusal here took between two readings of the gateway's metrics: the whole request, and of it the looking and deciding.
fn server_times(earlier: &str, later: &str) -> [Measurement; 2] {
    let p99 = |result: &str, metric: &str| {
        let took = Buckets::of(later, metric).since(&Buckets::of(earlier, metric));
        Measurement::new(result, took.quantile(0.99) * 1_000.0, "ms")
    };
    let whole = "holdfast_gateway_local_rejection_request_seconds";
    let decision = "holdfast_gateway_local_rejection_seconds";
    [
        p99("sold_out.server_p99", whole).against("<= 2"),
        p99("sold_out.decision_p99", decision),
    ]
}

/// Some seat of one show with each request.
fn random_script(edge: &Edge, show: &str, name: &str) -> String {
    let hall = hall(SMALL);
    let (rows, per_row) = (hall.rows, hall.seats_per_row);
    format!(
        "{}wrk.method = 'POST'\nmath.randomseed(7)\nlocal n = -1\n\
         request = function()\n  n = n + 1\n\
         \x20 wrk.headers['Idempotency-Key'] = '{name}-' .. n\n\
         \x20 local body = '{{\"seats\":[\"A-' .. math.random({rows}) .. '-' .. math.random({per_row}) .. '\"]}}'\n\
         \x20 return wrk.format(nil, '/v1/shows/{show}/holds', nil, body)\nend\n",
        edge.authorized()
    )
}
