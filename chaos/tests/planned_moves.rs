//! Leaders move on purpose in mid-sale, through real gateways over the real network: no buyer sees an error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_node_api::v1::{PinLeaderRequest, RegionState, SetRegionStateRequest};
use holdfast_region_config::NodeId;

#[path = "support/rush.rs"]
mod rush;

use rush::Rush;

const PATIENCE: Duration = Duration::from_secs(60);
const MOVES: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn moves_evacuation_and_a_stopped_node_fail_no_request() {
    let shows = vec![GridShow::new("moves", "eastus", 6, 10)];
    let mut lab = Lab::start(LabOptions::wide(shows)).await.unwrap();
    let (show, show_id) = (lab.show(0), lab.shows[0].show_id);
    let rush = Rush::start(&lab, &show, &[0, 1, 2]).await;
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
