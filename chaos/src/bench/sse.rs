//! `bench sse`: many viewers of one show at one gateway, while seats go: how late each viewer sees it, and what the gateway uses.
//!
//! A delay runs from the moment at which the leader's answer to a hold came back here to the moment at which a viewer had the event
//! that shows it; a viewer's event with several holds counts the one that waited longest.
//!
//! Owns: the viewers, the writer, the arithmetic. Must never: leave out a viewer that saw nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::submit_reply;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::BenchArgs;
use super::contender::Contender as _;
use super::contender::holdfast::{Holdfast, LEADER};
use super::report::{Measurement, Report};
use super::stats::{Times, figure};
use super::usage::Usage;
use super::writer::place_hold;
use crate::cluster::gateway_name;
use crate::lab::Lab;

/// Seats of the show: an arena, so that a snapshot is as large as it gets.
const ARENA: u32 = 20_000;
/// Viewers that connect at one time.
const CONNECTING: usize = 100;
/// Files that this process and the gateway need besides their viewers.
const FILES_SPARE: u64 = 500;
/// How long a viewer may wait for its first event.
const FIRST_MAX: Duration = Duration::from_secs(60);
/// What the last event may take to reach everybody.
const SETTLE: Duration = Duration::from_secs(2);
const BUFFER_BYTES: usize = 4 * 1_024;
const DELTA: &[u8] = b"event: delta\nid: ";
const DEADLINE: Duration = Duration::from_secs(20);

/// Options of `bench sse`.
#[derive(Debug, Clone, Args)]
pub struct SseArgs {
    /// Which binaries, and how the result is printed.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Viewers of the show; fewer when the limit of open files (`ulimit -n`) allows no more.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub viewers: u64,
    /// How long seats go, seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Holds a second.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rate: u32,
    /// Emulate the network between the regions, and look through the gateway that is farthest from the leader.
    #[arg(long)]
    pub far: bool,
}

/// What one viewer saw.
#[derive(Debug, Default)]
struct Sight {
    /// Index of each delta and when it was here.
    deltas: Vec<(u64, Instant)>,
}

/// Holds by log index, and when their answers came.
type Written = BTreeMap<u64, Instant>;

pub(super) async fn run(args: SseArgs) -> anyhow::Result<Report> {
    let (viewers, note) = affordable(args.viewers)?;
    let bin_dir = args.bench.bin_dir()?;
    let mut holdfast = if args.far {
        Holdfast::start_wide(bin_dir).await?
    } else {
        Holdfast::start(bin_dir).await?
    };
    let show = holdfast.open_show(ARENA).await?;
    let lab = &holdfast.lab;
    let (at, one_way) = if args.far {
        farthest(lab)
    } else {
        (0, Duration::ZERO)
    };
    lab.wait_on_sale(&lab.region(at), show).await?;
    let member = lab.cluster.member(&gateway_name(&lab.region(at)))?;
    let (addr, pid) = (member.http, member.pid().context("the gateway is gone")?);
    let empty = Usage::of(pid)?;

    eprintln!("... {viewers} viewers");
    let (stop, stopping) = watch::channel(false);
    let (sights, connected) = look(addr, show, viewers, &stopping).await?;
    let seated = Usage::of(pid)?;
    eprintln!("... {} holds a second for {} s", args.rate, args.seconds);
    let began = Instant::now();
    let written = write(&holdfast, show, &args).await?;
    tokio::time::sleep(SETTLE).await;
    let (took, busy) = (began.elapsed(), Usage::of(pid)?);
    let own = Usage::own()?;
    stop.send_replace(true);
    let sights = sights.join_all().await;
    let text = lab
        .http
        .get(format!("{}/metrics", lab.gateway(at)))
        .send()
        .await?
        .text()
        .await?;
    let behind = super::scrape::Counters::from(text)
        .series("holdfast_gateway_live_snapshots_total{reason=\"behind\"}");

    let mut results = delays(&sights, &written, one_way);
    results.extend([
        Measurement::new("one_way", one_way.as_secs_f64() * 1_000.0, "ms"),
        Measurement::new("viewers", figure(viewers), "viewers"),
        Measurement::new("connected_in", connected.as_secs_f64(), "s"),
        Measurement::new("holds", figure(written.len() as u64), "holds"),
        Measurement::new("fell_behind", behind, "snapshots"),
    ]);
    results.extend(cost(viewers, took, [empty, seated, busy]));
    results.push(Measurement::new(
        "generator.resident",
        mib(own.resident_bytes),
        "MiB",
    ));
    let mut report = Report::new("sse", &args.bench.bin_dir()?, results);
    report.notes.extend(note);
    holdfast.stop().await;
    Ok(report)
}

/// What the gateway used: without viewers, with them, and after `took` of seats that went.
fn cost(viewers: u64, took: Duration, [empty, seated, busy]: [Usage; 3]) -> [Measurement; 3] {
    let cores = (busy.cpu.saturating_sub(seated.cpu)).as_secs_f64() / took.as_secs_f64();
    let grown = busy.resident_bytes.saturating_sub(empty.resident_bytes);
    let per_viewer = figure(grown) / figure(viewers) / 1_024.0;
    [
        Measurement::new("gateway.cores", cores, "cores"),
        Measurement::new("gateway.resident", mib(busy.resident_bytes), "MiB"),
        Measurement::new("gateway.per_viewer", per_viewer, "KiB"),
    ]
}

fn mib(bytes: u64) -> f64 {
    figure(bytes) / 1_048_576.0
}

/// As many viewers as the limit of open files allows, here and in the gateway, which inherits it.
fn affordable(wanted: u64) -> anyhow::Result<(u64, Option<String>)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = wanted + FILES_SPARE;
    if needed > soft && needed <= hard {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    if needed <= hard {
        return Ok((wanted, None));
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let fewer = hard.saturating_sub(FILES_SPARE).max(1);
    Ok((
        fewer,
        Some(format!(
            "{fewer} viewers: no more files may be open (ulimit -n {hard})"
        )),
    ))
}

/// Has everybody look until `stop`; returns when all have their first event.
async fn look(
    addr: SocketAddr,
    show: u64,
    viewers: u64,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<(JoinSet<Sight>, Duration)> {
    let began = Instant::now();
    let doors = std::sync::Arc::new(Semaphore::new(CONNECTING));
    let (seated, mut count) = watch::channel(0_u64);
    let mut sights = JoinSet::new();
    for _ in 0..viewers {
        let place = std::sync::Arc::clone(&doors).acquire_owned().await?;
        let (seated, mut stop) = (seated.clone(), stop.clone());
        sights.spawn(async move {
            let mut sight = Sight::default();
            let Ok((mut stream, mut buffer)) = open(addr, show).await else {
                return sight;
            };
            drop(place);
            seated.send_modify(|count| *count += 1);
            loop {
                sight.take(&mut buffer);
                let read = tokio::select! {
                    read = stream.read_buf(&mut buffer) => read.unwrap_or(0),
                    _ = stop.wait_for(|stop| *stop) => 0,
                };
                if read == 0 {
                    return sight;
                }
            }
        });
    }
    let all = count.wait_for(|count| *count == viewers);
    let seated = tokio::time::timeout(FIRST_MAX, all).await;
    anyhow::ensure!(matches!(seated, Ok(Ok(_))), "not every viewer was let in");
    Ok((sights, began.elapsed()))
}

/// Opens one stream and reads up to the end of its first event.
async fn open(addr: SocketAddr, show: u64) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr).await?;
    let path = format!("/v1/shows/{}/seats/live", ShowRef(show));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let read = stream.read_buf(&mut buffer).await?;
        anyhow::ensure!(read > 0 && !buffer.starts_with(b"HTTP/1.1 5"), "refused");
        let first = find(&buffer, b"event: snapshot");
        if first.is_some_and(|at| find(&buffer[at..], b"\n\n").is_some()) {
            buffer = Vec::with_capacity(BUFFER_BYTES);
            return Ok((stream, buffer));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

impl Sight {
    /// Takes the deltas in `buffer` and leaves what may be the beginning of one.
    fn take(&mut self, buffer: &mut Vec<u8>) {
        let now = Instant::now();
        let mut from = 0;
        while let Some(at) = find(&buffer[from..], DELTA) {
            let id = &buffer[from + at + DELTA.len()..];
            let Some(end) = id.iter().position(|byte| *byte == b'\n') else {
                from += at;
                buffer.drain(..from);
                return;
            };
            let text = std::str::from_utf8(&id[..end]).ok();
            if let Some(id) = text.and_then(|text| text.parse().ok()) {
                self.deltas.push((id, now));
            }
            from += at + DELTA.len() + end;
        }
        let keep = buffer.len().saturating_sub(DELTA.len()).max(from);
        buffer.drain(..keep);
    }
}

/// Takes one seat after the other, at the leader.
async fn write(holdfast: &Holdfast, show: u64, args: &SseArgs) -> anyhow::Result<Written> {
    let node = holdfast.lab.node(LEADER)?;
    let mut due = tokio::time::interval(Duration::from_secs(1) / args.rate);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut written = Written::new();
    for seat in 0..ARENA {
        due.tick().await;
        if Instant::now() >= until {
            break;
        }
        let request = place_hold(show, vec![seat], u128::from(seat) + 1, "sse");
        let reply = node.pipe().submit(request, DEADLINE).await?;
        let held = matches!(reply.result, Some(submit_reply::Result::Hold(_)));
        anyhow::ensure!(held, "seat {seat} was refused: {:?}", reply.result);
        written.insert(reply.index, Instant::now());
    }
    Ok(written)
}

/// The region that is farthest from the leader's, and how long the way there takes.
fn farthest(lab: &Lab) -> (usize, Duration) {
    let topology = lab.cluster.topology();
    let home = &topology.regions[0].id;
    let way = |at: usize| {
        topology
            .rtt
            .get(home, &topology.regions[at].id)
            .unwrap_or_default()
            / 2
    };
    let all = (0..topology.regions.len()).map(|at| (at, way(at)));
    all.max_by_key(|(_, way)| *way).unwrap_or_default()
}

fn delays(sights: &[Sight], written: &Written, one_way: Duration) -> Vec<Measurement> {
    let mut times = Times::default();
    let mut missed = 0_u64;
    for sight in sights {
        let mut seen = 0;
        for (id, at) in &sight.deltas {
            // Of what came with this event, the one that waited longest.
            if let Some((_, written_at)) = written.range(seen + 1..=*id).next() {
                times.push(at.saturating_duration_since(*written_at));
            }
            seen = *id;
        }
        missed += written.range(seen + 1..).count() as u64;
    }
    let mut results = times.quantiles().measurements("delay");
    for result in &mut results {
        if result.name == "delay.p99" {
            result.target = Some(format!("<= {:.0}", one_way.as_secs_f64() * 1_000.0 + 100.0));
        }
    }
    results.push(Measurement::new(
        "missed",
        figure(missed),
        "holds x viewers",
    ));
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_are_found_however_the_stream_is_cut() {
        let text = b"1f\r\nevent: delta\nid: 12\ndata: {}\n\n\r\nevent: age\n\nevent: delta\nid: 345\ndata: {}\n\n";
        for cut in 0..text.len() {
            let mut sight = Sight::default();
            let mut buffer = text[..cut].to_vec();
            sight.take(&mut buffer);
            buffer.extend_from_slice(&text[cut..]);
            sight.take(&mut buffer);
            let ids: Vec<u64> = sight.deltas.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, [12, 345], "cut at {cut}");
        }
    }

    #[test]
    fn the_hold_that_waited_longest_counts_and_what_was_never_seen_is_missed() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let written = Written::from([(5, at(0)), (6, at(30)), (9, at(40))]);
        let sight = Sight {
            deltas: vec![(6, at(50))],
        };
        let results = delays(&[sight], &written, Duration::ZERO);
        let value = |name: &str| results.iter().find(|m| m.name == name).map(|m| m.value);
        assert_eq!(value("delay.max"), Some(50.0));
        assert_eq!(value("missed"), Some(1.0));
    }
}
