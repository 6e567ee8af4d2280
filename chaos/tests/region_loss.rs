//! Nodes and regions are killed in mid-sale: the rest goes on selling, nothing acknowledged is lost, the lost come back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_chaos::workload::sale::{Sale, first_success_after};
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{NamedSeats, PlaceHold, SubmitRequest, place_hold::What, submit_reply};
use holdfast_region_config::NodeId;
use tokio::time::Instant;

#[path = "support/books.rs"]
mod books;

use books::nothing_is_lost;

/// Without anybody's help: election on the real trio takes 2.3 to 2.8 s, a debug build on a busy machine adds some. How long it takes
/// is for `bench failover` to say.
const WRITABLE_AGAIN_MAX: Duration = Duration::from_secs(30);
/// For things that only have to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);

fn hall(home: &str) -> GridShow {
    let mut hall = GridShow::new("loss", home, 30, 40);
    hall.hold_ttl_ms = 30_000;
    hall
}

/// The whole story once: the leader's node dies and comes back, then the whole region, in mid-sale.
async fn lose_node_then_region(options: LabOptions, seed: u64, sales_before: usize) {
    eprintln!("seed {seed}, first kill after {sales_before} sales");
    let seats = options.shows[0].seats();
    let mut lab = Lab::start(options).await.unwrap();
    let home = lab.region(0);
    let others = [lab.gateway(1), lab.gateway(2)];
    let sale = Sale::start(&lab, 0, seats, 3, seed);

    sale.sells(sales_before, PATIENCE).await.unwrap();
    let node_lost_ns = sale.now_ns();
    lab.cluster.kill("n1").await.unwrap();
    sale.sells(5, PATIENCE).await.unwrap();
    lab.cluster.spawn("n1").unwrap();
    lab.cluster.wait_ready("n1", PATIENCE).await.unwrap();
    sale.sells(5, PATIENCE).await.unwrap();

    // The show comes home after the failure; only then is its whole region worth losing.
    lab.leader_is(lab.shows[0].show_id, NodeId::new(1), PATIENCE)
        .await
        .unwrap();
    let region_lost_ns = sale.now_ns();
    lab.cluster.kill_region(&home).await.unwrap();
    sale.sells(5, PATIENCE).await.unwrap();
    for name in lab.cluster.names_in(&home) {
        lab.cluster.spawn(&name).unwrap();
        lab.cluster.wait_ready(&name, PATIENCE).await.unwrap();
    }
    sale.sells(5, PATIENCE).await.unwrap();
    let ended = sale.end().await;

    let history = nothing_is_lost(&lab, &ended).await;
    for (what, since_ns) in [("node", node_lost_ns), ("region", region_lost_ns)] {
        let gap = first_success_after(&history, since_ns, &others).unwrap();
        eprintln!("{what} lost: first hold granted elsewhere after {gap:?}");
        assert!(gap < WRITABLE_AGAIN_MAX, "{what} lost: {gap:?}");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_region_is_lost_over_the_real_network() {
    lose_node_then_region(LabOptions::wide(vec![hall("eastus")]), 1, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_region_is_lost_at_other_moments() {
    for (seed, sales_before) in [(2, 1), (3, 20)] {
        lose_node_then_region(LabOptions::trio(vec![hall("eastus")]), seed, sales_before).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_lead_is_hardly_missed() {
    let hall = hall("westeurope");
    let seats = hall.seats();
    let mut lab = Lab::start(LabOptions::trio(vec![hall])).await.unwrap();
    let sale = Sale::start(&lab, 0, seats, 2, 5);
    sale.sells(5, PATIENCE).await.unwrap();
    let lost_ns = sale.now_ns();
    let lost = lab.region(2);
    lab.cluster.kill_region(&lost).await.unwrap();
    sale.sells(10, PATIENCE).await.unwrap();
    for name in lab.cluster.names_in(&lost) {
        lab.cluster.spawn(&name).unwrap();
        lab.cluster.wait_ready(&name, PATIENCE).await.unwrap();
    }
    let ended = sale.end().await;
    let history = nothing_is_lost(&lab, &ended).await;
    let gap = first_success_after(&history, lost_ns, &[lab.gateway(1)]).unwrap();
    assert!(gap < WRITABLE_AGAIN_MAX, "{gap:?}");
    lab.stop().await;
}

/// One hold through the gRPC pipe, by a caller of its own; every one is a Raft entry of its own when sent one by one.
async fn hold_seat(node: &NodeClient, show_id: u64, seat: u32) {
    let named = NamedSeats { seats: vec![seat] };
    let request = SubmitRequest {
        show_id,
        caller: u128::from(seat + 1).to_be_bytes().to_vec().into(),
        idempotency_key: "fill".to_owned(),
        command: Some(Command::PlaceHold(PlaceHold {
            ttl_ms: 0,
            what: Some(What::Seats(named)),
            ..PlaceHold::default()
        })),
        ..SubmitRequest::default()
    };
    let reply = node.pipe().submit(request, PATIENCE).await.unwrap();
    assert!(
        matches!(reply.result, Some(submit_reply::Result::Hold(_))),
        "seat {seat}: {reply:?}"
    );
}

/// Waits until the log has let go of `index`: with a follower away that is each time when it was found away once more.
async fn purged_past(lab: &Lab, node: NodeId, show_id: u64, index: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let group = lab.status(node, show_id).await.unwrap().group.unwrap();
        if group.purged_index > index {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the log still has what n3 missed: purged {}, n3 had {index}",
            group.purged_index
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_missed_more_than_the_log_keeps_catches_up_from_a_snapshot() {
    let mut options = LabOptions::trio(vec![hall("eastus")]);
    options.node_limits = vec![
        ("snapshot_every_entries", 50),
        ("snapshot_keep_entries", 10),
    ];
    let mut lab = Lab::start(options).await.unwrap();
    let show_id = lab.shows[0].show_id;
    lab.replicas_agree(show_id, PATIENCE).await.unwrap();
    let before = lab
        .status(NodeId::new(3), show_id)
        .await
        .unwrap()
        .group
        .unwrap();
    lab.cluster.kill("n3").await.unwrap();
    let leader = lab
        .status(NodeId::new(1), show_id)
        .await
        .unwrap()
        .group
        .unwrap()
        .leader;
    let node = lab.node(NodeId::new(leader)).unwrap();
    for seat in 0..300 {
        hold_seat(&node, show_id, seat).await;
    }
    purged_past(&lab, NodeId::new(leader), show_id, before.last_log_index).await;
    lab.cluster.spawn("n3").unwrap();
    lab.cluster.wait_ready("n3", PATIENCE).await.unwrap();
    lab.replicas_agree(show_id, PATIENCE).await.unwrap();
    let after = lab.status(NodeId::new(3), show_id).await.unwrap();
    assert!(after.group.unwrap().snapshot_index > before.last_log_index);
    assert_eq!(after.held, 300);
    // And from its own disk alone.
    lab.cluster.kill("n3").await.unwrap();
    lab.cluster.spawn("n3").unwrap();
    lab.cluster.wait_ready("n3", PATIENCE).await.unwrap();
    lab.replicas_agree(show_id, PATIENCE).await.unwrap();
    lab.stop().await;
}
