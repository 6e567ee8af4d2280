//! What must be true at the end of every sale, whatever was done to the cluster meanwhile.
//!
//! Owns: the questions that are put to the system and to the history. Must never: forgive.

use std::time::Duration;

use holdfast_chaos::checker::{self, Options};
use holdfast_chaos::history::{History, Reading};
use holdfast_chaos::lab::Lab;
use holdfast_chaos::workload::sale::Ended;

/// For replicas to agree.
const PATIENCE: Duration = Duration::from_secs(60);

/// No seat has two owners, nothing acknowledged is gone, every replica says the same.
pub(crate) async fn nothing_is_lost(lab: &Lab, ended: &Ended) -> History {
    lab.replicas_agree(lab.shows[0].show_id, PATIENCE)
        .await
        .unwrap();
    let history = ended.recorder.history().unwrap();
    let seats = &history.shows[0].seats;
    for gateway in 0..lab.cluster.topology().regions.len() {
        let guest = lab.guest(gateway).await.unwrap().recorded(&ended.recorder);
        guest
            .read_seats(&lab.show(0), seats, Reading::Linearizable)
            .await;
        for (buyer, order) in &ended.orders {
            let buyer = buyer.through(&lab.gateway(gateway));
            buyer.read_order(order, Reading::Linearizable).await;
        }
    }
    ended.recorder.finish().unwrap();
    let history = ended.recorder.history().unwrap();
    let verdict = checker::check_history(&history, &Options::default());
    assert!(verdict.is_valid(), "{verdict}");
    for node in &lab.cluster.topology().nodes {
        let Ok(status) = lab.status(node.id, lab.shows[0].show_id).await else {
            // Not every node has a replica; whether those that have one agree was asked above.
            continue;
        };
        assert_eq!(status.invariant_violations, 0, "on node {}", node.id);
    }
    history
}
