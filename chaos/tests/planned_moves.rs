//! Leaders move on purpose in mid-sale, through real gateways over the real network: no buyer sees an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use holdfast_chaos::buyer::Buyer;
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_node_api::v1::{PinLeaderRequest, RegionState, SetRegionStateRequest};
use holdfast_region_config::NodeId;
use tokio::task::JoinSet;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);
const MOVES: u64 = 20;

/// Buyers who hold and release a seat each, again and again, two at each gateway.
struct Rush {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    buyers: JoinSet<Vec<String>>,
}

impl Rush {
    async fn start(lab: &Lab, show: &str) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut buyers = JoinSet::new();
        for number in 0..6 {
            let buyer = lab.guest(number % 3).await.unwrap();
            let seat = format!("A-{}-1", number + 1);
            let (show, stop, done) = (show.to_owned(), Arc::clone(&stop), Arc::clone(&done));
            buyers.spawn(async move {
                let mut failed = Vec::new();
                for round in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    match hold_and_release(&buyer, &show, &seat, round).await {
                        Ok(()) => _ = done.fetch_add(1, Ordering::Relaxed),
                        Err(what) => failed.push(format!("buyer {number}, round {round}: {what}")),
                    }
                }
                failed
            });
        }
        Self { stop, done, buyers }
    }

    /// Waits until `more` rounds more went well.
    async fn goes_on(&self, more: u64) {
        let enough = self.done.load(Ordering::Relaxed) + more;
        let until = Instant::now() + PATIENCE;
        while self.done.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < until, "the rush has come to a stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.buyers.join_all().await;
        failed.into_iter().flatten().collect()
    }
}

/// One request each: the gateway may try several times, the buyer does not.
async fn hold_and_release(buyer: &Buyer, show: &str, seat: &str, round: u64) -> Result<(), String> {
    let hold = buyer.hold(show, &[seat], &format!("hold-{round}")).await;
    if hold.status != 201 {
        return Err(format!("hold: {} {}", hold.status, hold.body));
    }
    let key = format!("release-{round}");
    let release = buyer.release(&hold.id(), &key).await;
    if release.status != 200 {
        return Err(format!("release: {} {}", release.status, release.body));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_evacuation_and_a_stopped_node_fail_no_request() {
    let shows = vec![GridShow::new("moves", "eastus", 6, 10)];
    let mut lab = Lab::start(LabOptions::wide(shows)).await.unwrap();
    let (show, show_id) = (lab.show(0), lab.shows[0].show_id);
    let rush = Rush::start(&lab, &show).await;
    let mut cluster = lab.node(NodeId::new(2)).unwrap().cluster();
    for turn in 0..MOVES {
        rush.goes_on(6).await;
        let node_id = turn % 3 + 1;
        let pin = PinLeaderRequest { show_id, node_id };
        cluster.pin_leader(pin).await.unwrap();
        let leader = NodeId::new(node_id);
        lab.leader_is(show_id, leader, PATIENCE).await.unwrap();
    }
    let unpin = PinLeaderRequest {
        show_id,
        node_id: 0,
    };
    cluster.pin_leader(unpin).await.unwrap();
    let home = NodeId::new(1);
    lab.leader_is(show_id, home, PATIENCE).await.unwrap();

    for state in [RegionState::Evacuated, RegionState::Serving] {
        rush.goes_on(6).await;
        let request = SetRegionStateRequest {
            region: lab.region(0).to_string(),
            state: state.into(),
            expected_generation: None,
        };
        cluster.set_region_state(request).await.unwrap();
        let leader = match state {
            RegionState::Evacuated => NodeId::new(2),
            _ => home,
        };
        lab.leader_is(show_id, leader, PATIENCE).await.unwrap();
    }

    rush.goes_on(6).await;
    lab.cluster.terminate("n1").await.unwrap();
    rush.goes_on(30).await;
    let failed = rush.end().await;
    assert_eq!(failed, Vec::<String>::new());
    lab.cluster.spawn("n1").unwrap();
    lab.cluster.wait_ready("n1", PATIENCE).await.unwrap();
    lab.replicas_agree(show_id, PATIENCE).await.unwrap();
    lab.stop().await;
}
