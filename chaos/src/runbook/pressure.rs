//! What presses on a cluster from outside and is no fault of its own: too many people at one door, a payment provider that does
//! not answer.
//!
//! Owns: those people. Must never: outlive the lab.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::task::JoinSet;

use crate::buyer::Buyer;
use crate::cluster::gateway_name;
use crate::lab::Lab;

/// What the door of the gateway is narrowed to, so that this machine can overrun it.
const NARROW: &str = "\n[limits]\nrequests_in_flight_max = 2\nwrites_in_flight_max = 1\n";
/// People who ask all the time.
const CROWD: usize = 24;
/// Between two questions of one of them: enough to be refused, not to starve the machine.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks of somebody who only looks on.
const LOOK: Duration = Duration::from_millis(200);
/// Buyers whose payment is never answered.
const UNANSWERED: usize = 3;
/// The test provider never answers this token.
const TOKEN: &str = "tok_timeout";

/// A crowd at the first region's gateway, whose door was narrowed. It stays until dropped; the door stays narrow.
///
/// # Errors
/// When the gateway cannot be started with a narrow door.
pub async fn overload(lab: &mut Lab) -> anyhow::Result<JoinSet<()>> {
    let name = gateway_name(&lab.region(0));
    let config = lab.cluster.data_dir().join(format!("config/{name}.toml"));
    let text = fs::read_to_string(&config).with_context(|| config.display().to_string())?;
    fs::write(&config, text + NARROW)?;
    lab.cluster.terminate(&name).await?;
    lab.cluster.spawn(&name)?;
    lab.cluster
        .wait_ready(&name, crate::cluster::READY_TIMEOUT)
        .await?;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        look_on(&mut crowd, lab, 0, PAUSE);
    }
    Ok(crowd)
}

/// Somebody at each gateway who looks at the first show's map all the time.
#[must_use]
pub fn onlookers(lab: &Lab) -> JoinSet<()> {
    let mut people = JoinSet::new();
    for at in 0..lab.cluster.topology().regions.len() {
        look_on(&mut people, lab, at, LOOK);
    }
    people
}

/// Refused or not: they ask again.
fn look_on(people: &mut JoinSet<()>, lab: &Lab, gateway: usize, pause: Duration) {
    let url = format!("{}/v1/shows/{}/seats", lab.gateway(gateway), lab.show(0));
    let http = lab.http.clone();
    people.spawn(async move {
        loop {
            let _answer = http.get(&url).send().await;
            tokio::time::sleep(pause).await;
        }
    });
}

/// Orders of the first show whose payments wait for a provider that does not answer.
///
/// # Errors
/// When the orders cannot be opened.
pub async fn stall_payments(lab: &Lab) -> anyhow::Result<JoinSet<()>> {
    let mut paying = JoinSet::new();
    for _ in 0..UNANSWERED {
        let buyer: Buyer = lab.guest(0).await?;
        let best = json!({"best_available": {"quantity": 1}});
        let hold = buyer.hold_with(&lab.show(0), &best, "hold").await;
        let order = buyer.order(&hold.id(), "order").await;
        anyhow::ensure!(order.status == 201, "no order: {:?}", order.body);
        paying.spawn(async move {
            let _accepted = buyer.pay(&order.id(), TOKEN, "pay").await;
        });
    }
    Ok(paying)
}
