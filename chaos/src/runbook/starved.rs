//! A gateway without processor time in a rush for seats that are gone.
//!
//! A refusal waits for nobody: it is begun and ended in one go, and slow only when its gateway is stopped in between. So the
//! gateway is stopped every few refusals, whatever one takes on this machine and with these binaries, and there are always
//! more people at its door than it has time for.
//!
//! Owns: the seats, the people and how long the turns are. Must never: outlive the lab.

use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::buyer::insist;
use crate::fault::throttle::GatewayThrottled;
use crate::fault::{FaultSpec, RegionChoice, Running};
use crate::lab::Lab;

/// Refusals that a thread of the gateway has time for before it is stopped. The fewer, the more of all refusals are hit: about one in
/// so many.
const REFUSALS_A_TURN: u32 = 2;
/// Shortest turn: the machine's timers are not finer.
const RUN_MIN: Duration = Duration::from_micros(50);
/// Longest turn, should this machine be very slow.
const RUN_MAX: Duration = Duration::from_millis(10);
/// Between two turns, ms: more than a refusal may take, and short enough that the gateway can be scraped four times a second.
const STAND_MS: u32 = 5;
/// People, for each processor of this machine: more than one turn is enough for.
const PEOPLE_PER_CORE: usize = 6;
/// Before one of them asks again.
const THINK: Duration = Duration::from_millis(2);
/// Seats that all of them want. Fewer than an order may have.
const SEATS: u32 = 8;
/// Refusals before the rush, to learn what one takes.
const TRIES: u32 = 50;
/// How long the purchase may take, and until the gateway has heard of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks for that.
const LOOK: Duration = Duration::from_millis(50);
/// What a gateway took for the refusals that it gave by itself.
const METRIC: &str = "holdfast_gateway_local_rejection_request_seconds";

/// Somebody who wants seats that are sold.
#[derive(Clone)]
struct Latecomer {
    http: reqwest::Client,
    url: String,
    token: String,
    wanted: Value,
}

/// Sells seats of the first show, stops the first region's gateway again and again, and lets people in who ask for them. The people
/// stay until dropped.
///
/// # Errors
/// When the seats cannot be sold, the gateway asks the shard about them for ever, or it cannot be stopped.
pub(super) async fn rush(
    lab: &mut Lab,
    rng: &mut StdRng,
) -> anyhow::Result<(Running, JoinSet<()>)> {
    let seats = sold(lab).await?;
    let latecomer = Latecomer {
        http: lab.http.clone(),
        url: format!("{}/v1/shows/{}/holds", lab.gateway(0), lab.show(0)),
        token: lab.guest(0).await?.token().to_owned(),
        wanted: json!({ "seats": seats }),
    };
    latecomer.until_refused_here().await?;
    let one = latecomer.refusal_takes(lab).await?;
    let run = (one * REFUSALS_A_TURN).clamp(RUN_MIN, RUN_MAX);
    let throttled = FaultSpec::GatewayThrottled(GatewayThrottled {
        region: RegionChoice::Named(lab.region(0)),
        run_us: u32::try_from(run.as_micros())?,
        stand_ms: STAND_MS,
    });
    let throttled = throttled.start(lab, rng).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut people = JoinSet::new();
    for number in 0..PEOPLE_PER_CORE * cores {
        people.spawn(latecomer.clone().insists(number));
    }
    Ok((throttled, people))
}

/// Seats of the first show that somebody has bought just now.
async fn sold(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let buyer = lab.guest(0).await?;
    let best = json!({ "best_available": { "quantity": SEATS } });
    let hold = buyer.hold_with(&lab.show(0), &best, "hold").await;
    let order = buyer.order(&hold.id(), "order").await;
    anyhow::ensure!(order.status == 201, "no order: {}", order.body);
    let order = order.id();
    let paid = insist(PATIENCE, || buyer.pay(&order, "tok_approve", "pay")).await;
    anyhow::ensure!(paid.state() == "confirmed", "not sold: {}", paid.body);
    Ok(hold.seats())
}

impl Latecomer {
    /// Asks once; whether the gateway has said no by itself.
    async fn asks(&self, key: &str) -> reqwest::Result<bool> {
        let request = self.http.post(&self.url).bearer_auth(&self.token);
        let request = request.header("Idempotency-Key", key).json(&self.wanted);
        let answer = request.send().await?;
        let by = answer.headers().get("holdfast-answered-by");
        let here = by.is_some_and(|by| by.as_bytes() == b"live-copy");
        // Read to its end, so that the connection can be used again.
        answer.bytes().await?;
        Ok(here)
    }

    /// The gateway's copy of the seats follows the shard.
    async fn until_refused_here(&self) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        for turn in 0_u64.. {
            if self.asks(&format!("early-{turn}")).await? {
                break;
            }
            anyhow::ensure!(
                Instant::now() < until,
                "the gateway does not hear that the seats are sold"
            );
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// What one refusal takes the gateway while it has nothing else to do.
    async fn refusal_takes(&self, lab: &Lab) -> anyhow::Result<Duration> {
        let before = refusals(lab).await?;
        for turn in 0..TRIES {
            self.asks(&format!("tried-{turn}")).await?;
        }
        let after = refusals(lab).await?;
        let mean_s = (after.sum_s - before.sum_s) / (after.count - before.count);
        Duration::try_from_secs_f64(mean_s).context("the gateway refused nothing by itself")
    }

    async fn insists(self, number: usize) {
        for turn in 0_u64.. {
            let _refused = self.asks(&format!("rush-{number}-{turn}")).await;
            sleep(THINK).await;
        }
    }
}

/// Refusals of the first gateway by itself, since it runs.
struct Refusals {
    sum_s: f64,
    count: f64,
}

async fn refusals(lab: &Lab) -> anyhow::Result<Refusals> {
    let answer = lab.http.get(format!("{}/metrics", lab.gateway(0)));
    let text = answer.send().await?.error_for_status()?.text().await?;
    let value = |of: &str| -> anyhow::Result<f64> {
        let name = format!("{METRIC}_{of} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&name));
        Ok(found.with_context(|| format!("no {name}"))?.parse()?)
    };
    Ok(Refusals {
        sum_s: value("sum")?,
        count: value("count")?,
    })
}
