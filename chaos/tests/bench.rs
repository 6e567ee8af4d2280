//! Every bench runs from end to end, tiny: what they say then is worth nothing, that they say it is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use clap::Parser;
use holdfast_chaos::bench::{self, Against, BenchCommand, Report};
use holdfast_chaos::lab::build_siblings;
use tokio::sync::Mutex;

/// Each bench starts a cluster or several; all at once would measure nothing but the machine's end.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The command line as a user types it.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: BenchCommand,
}

async fn run(words: &str) -> Report {
    let _turn = ONE_AT_A_TIME.lock().await;
    let dir: PathBuf = tokio::task::spawn_blocking(build_siblings)
        .await
        .unwrap()
        .unwrap();
    let words = format!("bench {words} --bin-dir {}", dir.display());
    let cli = Cli::try_parse_from(words.split(' ')).unwrap();
    Box::pin(bench::measure(cli.command)).await.unwrap()
}

fn value(report: &Report, name: &str) -> f64 {
    let found = report.results.iter().find(|m| m.name == name);
    found
        .unwrap_or_else(|| panic!("{name} is not in {}", report.table()))
        .value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_measured_in_a_closed_and_an_open_loop_and_through_http() {
    let words = "hold --seats 200 --attempts 400 --seconds 1 --clients 1,16 --rates 200";
    let report = run(words).await;
    assert!(value(&report, "closed.16_clients.attempts_rate") > 0.0);
    assert!(value(&report, "closed.16_clients.commands_per_entry") >= 1.0);
    assert_eq!(value(&report, "open.200_per_s.failed"), 0.0);
    assert!(value(&report, "http.16_clients.p999") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_see_seats_go_and_none_is_missed() {
    let report = run("sse --viewers 50 --seconds 2 --rate 5").await;
    assert_eq!(value(&report, "viewers"), 50.0);
    assert_eq!(value(&report, "missed"), 0.0);
    assert!(value(&report, "delay.max") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_measured_through_http_and_refuses_near_the_buyer() {
    if let Err(missing) = bench::RejectionArgs::installed() {
        eprintln!("skipped: {missing}");
        return;
    }
    let report = run("rejection --seconds 1").await;
    assert!(value(&report, "sold_out.rate") > 0.0);
    assert!(value(&report, "sold_out.local_ratio") > 0.0);
    let report = run("gateway --seconds 1 --shows 1 --orders 200").await;
    for name in ["map", "hold", "order"] {
        assert!(value(&report, &format!("{name}.echo_ratio")) > 0.0);
    }
}

/// Beside one foreign system, when it is installed here.
async fn beside(against: Against, name: &str) {
    if let Err(missing) = against.installed() {
        eprintln!("skipped: {missing}");
        return;
    }
    let sizes = "--seats 200 --attempts 400 --seconds 1 --clients 8 --rounds 1";
    let report = run(&format!("hold {sizes} --against {name}")).await;
    let ratio = format!("ratio_{}", name.replace('-', "_"));
    assert!(value(&report, &ratio) > 0.0);
    // The same wishes on the same seats have the same number of winners wherever one buyer asks after the other; with
    // eight at a time it is close to that.
    let rate = |what: &str| {
        let of = |which: &str| format!("{}.8_clients.{which}", what.replace('-', "_"));
        value(&report, &of("holds_rate")) / value(&report, &of("attempts_rate"))
    };
    let (ours, theirs) = (rate("holdfast"), rate(name));
    assert!((ours - theirs).abs() < 0.05, "{ours} {theirs}");
    assert!(!report.peers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_run_on_etcd() {
    beside(Against::Etcd, "etcd").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_run_on_redis() {
    beside(Against::Redis, "redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_run_on_postgres_with_and_without_standbys() {
    beside(Against::Postgres, "postgres").await;
    beside(Against::PostgresSync, "postgres-sync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_region_is_measured_whichever_way_it_is_lost() {
    for mode in ["kill", "blackhole"] {
        let sizes = "--shards 6 --hot 2 --users 2 --calm-s 2 --settle-s 0";
        let report = run(&format!("failover {sizes} --mode {mode}")).await;
        assert_eq!(value(&report, "rto_never"), 0.0, "{}", report.table());
        assert!(value(&report, "rto_max_s") > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_is_measured_with_leaders_at_home_and_away_and_with_shows_asleep() {
    let report = run("latency --samples 10").await;
    assert!(value(&report, "leader_at_home.worst_p50_ratio") >= 1.0);
    assert!(value(&report, "leader_away.worst_p50_ratio") >= 1.0);
    let asleep = "first_write.unloaded.p50_ratio_beyond_wake";
    assert!(value(&report, asleep).is_finite());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evacuation_fails_nobody() {
    let report = run("evacuate --shards 6 --users 3 --calm-s 2").await;
    assert!(value(&report, "before.requests") > 0.0);
    assert_eq!(value(&report, "failed_requests"), 0.0, "{}", report.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_serves_again() {
    let report = run("restart --shards 6").await;
    assert!(value(&report, "after_kill.serving_s") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_shows_are_watched_in_every_state() {
    let report = run("idle --shows 3 --seconds 1").await;
    for state in ["awake", "hibernating", "unloaded"] {
        assert!(value(&report, &format!("{state}.no_shows.nodes_resident")) > 0.0);
        let resident = format!("{state}.3_shows.resident_per_replica");
        assert!(value(&report, &resident).is_finite());
    }
}

/// Beside Knot or BIND where one is installed, alone where none is.
#[tokio::test(flavor = "multi_thread")]
async fn dns_is_measured_beside_a_name_server() {
    let report = run("dns --seconds 1 --rounds 1 --clients 8").await;
    assert!(value(&report, "dns.holdfast.8_clients.rate") > 0.0);
    assert!(value(&report, "dns.holdfast.8_clients.memory") > 0.0);
    if report.peers.is_empty() {
        eprintln!("skipped: {}", report.notes.join("; "));
    } else {
        assert!(value(&report, "dns.ratio") > 0.0);
    }
}
