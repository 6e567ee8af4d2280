//! A very short drill, from a file to a report.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use holdfast_chaos::drill::catalogue::Entry;
use holdfast_chaos::drill::engine::{self, Order};
use holdfast_chaos::drill::file::DrillFile;
use holdfast_chaos::drill::result::{DrillResult, Verdict};
use holdfast_chaos::history::{History, Money};
use holdfast_chaos::report::scorecard::Scorecard;

/// Without the network's delays, and with bounds that say nothing about the machine's speed.
const SHORT: &str = r#"
title = "A node dies for a moment"
hypothesis = "The others sell on, and nothing is lost."
promises = ["no-double-sale", "nothing-lost", "recovery"]
tail_s = 4
lab = { wan = false }
shows = [
    { name = "hot", rows = 11, seats_per_row = 20, home = "eastus" },
    { name = "pairs", rows = 11, seats_per_row = 20, home = "eastus" },
    { name = "idle", count = 2, rows = 2, seats_per_row = 6, home = "eastus", idle = true },
]
workloads = [
    { kind = "rush", show = "hot", clients = 3 },
    { kind = "race", show = "pairs", clients = 2 },
    { kind = "churn", show = "hot", clients = 2 },
]
steady = { for_s = 3, ops_rate_min = 0.1, error_ratio_max = 1.0 }
steps = [{ at_s = 0, for_s = 3, fault = { kind = "kill", node = "leader" } }]
blast = { regions = ["all"], shows_ratio = 1.0, requests_ratio = 1.0, for_s = 120 }
expect = { rto_max_s_max = 60, sales_min = 1 }
"#;

fn order(out: &std::path::Path, text: &str) -> Order {
    Order {
        entry: Entry {
            name: "short".to_owned(),
            class: "file".to_owned(),
            file: DrillFile::parse("short", text).unwrap(),
        },
        seed: 7,
        topology: None,
        bin_dir: None,
        out: out.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_drill_holds_and_leaves_a_report_that_the_scorecard_reads() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("short-7");
    let result = engine::run(order(&out, SHORT)).await.unwrap();
    let missed: Vec<_> = result.expectations.iter().filter(|e| !e.held).collect();
    assert_eq!(result.verdict, Verdict::Held, "{missed:#?}");
    assert!(result.rpo.acknowledged_sales > 0);
    assert_eq!(result.recovery.len(), 4, "each show is probed");
    assert!(result.checks.iter().any(|check| check.looked_at > 0));

    let json = std::fs::read(out.join("report.json")).unwrap();
    let read: DrillResult = serde_json::from_slice(&json).unwrap();
    assert_eq!(read.run.seed, 7);
    assert_eq!(read.verdict, result.verdict);
    assert_eq!(read.expectations.len(), result.expectations.len());
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    for wanted in ["the hypothesis held", "<svg", "Blast radius", "seed"] {
        assert!(html.contains(wanted), "{wanted}");
    }
    let history = History::load(&out.join("history.jsonl")).unwrap();
    assert!(history.header.notices_watched && history.header.money_watched);
    let mut money = history.money.iter();
    assert!(money.any(|moved| moved.moved == Money::Captured));
    let card = Scorecard::of(dir.path()).unwrap();
    assert!(card.is_good() && card.runs == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_steady_state_nothing_is_broken_and_nothing_is_learned() {
    let dir = tempfile::tempdir().unwrap();
    let text = SHORT.replace("ops_rate_min = 0.1", "ops_rate_min = 1000000");
    let result = engine::run(order(dir.path(), &text)).await.unwrap();
    assert_eq!(result.verdict, Verdict::Aborted);
    assert!(result.aborted_because.contains("no steady state"));
    assert!(result.faults.is_empty());
}

/// The parts that the drill above does without: name servers, and a waiting room.
const STEERED: &str = r#"
title = "A region is gone for a moment, and a waiting room is open"
hypothesis = "DNS leaves it out, and the room lets in as many as it may."
promises = ["steering", "fair-line"]
tail_s = 6
lab = { wan = false, dns = true }
shows = [
    { name = "hot", rows = 11, seats_per_row = 20, home = "westeurope" },
    { name = "room", rows = 11, seats_per_row = 20, home = "westeurope", room = { capacity = 4, rate_per_min = 240, prequeue_s = 3 } },
]
workloads = [
    { kind = "rush", show = "hot", clients = 2 },
    { kind = "line", show = "room", clients = 14 },
]
steady = { for_s = 4, ops_rate_min = 0.1, error_ratio_max = 1.0 }
steps = [{ at_s = 0, for_s = 12, fault = { kind = "region-gone", region = "eastus" } }]
blast = { regions = ["all"], shows_ratio = 1.0, requests_ratio = 1.0, for_s = 120 }
expect = { dns_out_s_max = 12, room_over_capacity_max = 0, room_unproven_max = 0, room_came_in_min = 1 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_follows_dns_and_a_waiting_room() {
    let dir = tempfile::tempdir().unwrap();
    let result = engine::run(order(dir.path(), STEERED)).await.unwrap();
    let missed: Vec<_> = result.expectations.iter().filter(|e| !e.held).collect();
    assert_eq!(result.verdict, Verdict::Held, "{missed:#?}");
    let dns = result.dns.unwrap();
    assert_eq!(dns.lost.len(), 2, "two servers are left: {:?}", dns.lost);
    assert!(dns.lost.iter().all(|lost| lost.region == "eastus"));
    let [room] = result.rooms.as_slice() else {
        panic!("one room was open: {:?}", result.rooms);
    };
    assert_eq!(room.early + room.late, 14, "everybody joined: {room:?}");
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    for wanted in ["Out of the answers", "Most inside for certain"] {
        assert!(html.contains(wanted), "{wanted}");
    }
}
