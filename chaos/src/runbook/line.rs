//! A crowd before a waiting room that somebody has paused and forgotten.
//!
//! Owns: that crowd. Must never: outlive the lab.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::buyer::Buyer;
use crate::lab::Lab;

/// People in line.
const CROWD: usize = 20;
/// Between two looks of one of them.
const LOOK: Duration = Duration::from_millis(500);
/// From joining to the start of sale, s.
const PREQUEUE_S: u64 = 4;
/// How long the draw may take.
const DRAW_MAX: Duration = Duration::from_secs(30);

/// Opens a room for the first show, lets a crowd join, waits for the draw and pauses. The crowd waits until dropped: who is let in,
/// claims and takes one place.
///
/// # Errors
/// When the room cannot be opened or joined.
pub(super) async fn standing_room(lab: &Lab) -> anyhow::Result<JoinSet<()>> {
    let (show, asked) = (lab.show(0), lab.cluster.topology().nodes[0].id);
    let open = format!("queue open {show} --sale-at +{PREQUEUE_S} --capacity 8 --rate 240");
    lab.operate(asked, &open).await?;
    lab.operate(asked, &format!("queue pause {show}")).await?;
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let fan = lab
            .guest(number % lab.cluster.topology().regions.len())
            .await?;
        let joined = until_joined(&fan, &show).await?;
        crowd.spawn(waits(fan.with_ticket(&joined), show.clone()));
    }
    let until = Instant::now() + DRAW_MAX;
    loop {
        let said = lab.operate(asked, &format!("queue status {show}")).await?;
        let drawn = said["state"]
            .as_str()
            .is_some_and(|state| state == "paused");
        if drawn && said["waiting"].as_u64() > Some(0) {
            return Ok(crowd);
        }
        anyhow::ensure!(Instant::now() < until, "the draw is not made: {said}");
        sleep(LOOK).await;
    }
}

/// A gateway hears of a new room within a second or two.
async fn until_joined(fan: &Buyer, show: &str) -> anyhow::Result<String> {
    let until = Instant::now() + DRAW_MAX;
    loop {
        let joined = fan.join_queue(show).await;
        if joined.status == 201 {
            let ticket = joined.body["ticket"].as_str();
            return ticket
                .map(str::to_owned)
                .context("a place without a ticket");
        }
        anyhow::ensure!(Instant::now() < until, "cannot join: {}", joined.body);
        sleep(LOOK).await;
    }
}

async fn waits(fan: Buyer, show: String) {
    loop {
        let seen = fan.look_at_queue(&show).await;
        if seen.body["you"]["standing"] == "admitted" {
            let claimed = fan.claim_pass(&show).await;
            if let Some(pass) = claimed.body["pass"].as_str() {
                let best = serde_json::json!({"best_available": {"quantity": 1}});
                let fan = fan.with_pass(pass);
                let hold = fan.hold_with(&show, &best, "hold").await;
                let order = fan.order(&hold.id(), "order").await;
                let _paid = fan.pay(&order.id(), "tok_approve", "pay").await;
                return;
            }
        }
        sleep(LOOK).await;
    }
}
