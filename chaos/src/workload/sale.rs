//! A steady sale: buyers at every gateway take a seat or two, order, pay, and start again as somebody else.
//!
//! Owns: the buyers and what they did. Must never: stop because a region is gone. A buyer whose answer is open asks again
//! with the same key, as a browser would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_node_api::refs::ShowRef;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::buyer::{Buyer, insist};
use crate::history::{Header, History, Op, Outcome, Recorder, Show};
use crate::lab::Lab;

/// How long a buyer insists on one answer before giving up on the whole purchase.
const INSIST: Duration = Duration::from_secs(15);
/// A buyer who was refused or whose gateway is gone thinks this long.
const THINK: Duration = Duration::from_millis(50);
/// How often a waiting test looks at the counters.
const LOOK: Duration = Duration::from_millis(20);

/// A running sale.
#[derive(Debug)]
pub struct Sale {
    recorder: Recorder,
    sold: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    buyers: JoinSet<Vec<(Buyer, String)>>,
}

/// What is left of a sale that ended.
#[derive(Debug)]
pub struct Ended {
    /// Writes down what is looked at afterwards.
    pub recorder: Recorder,
    /// Confirmed orders with their buyers.
    pub orders: Vec<(Buyer, String)>,
}

struct Shopper {
    http: reqwest::Client,
    url: String,
    show: String,
    seats: Arc<Vec<String>>,
    recorder: Recorder,
    sold: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

impl Sale {
    /// Starts `buyers_per_gateway` buyers at each gateway of the lab for the show at place `show`, whose seats are `seats`.
    #[must_use]
    pub fn start(
        lab: &Lab,
        show: usize,
        seats: Vec<String>,
        buyers_per_gateway: u64,
        seed: u64,
    ) -> Self {
        let recorder = Recorder::in_memory(Header {
            seed: Some(seed),
            ..Header::new("sale")
        });
        recorder.show(Show {
            show: ShowRef(lab.shows[show].show_id).to_string(),
            seats: seats.clone(),
            ..Show::default()
        });
        let (sold, seats) = (Arc::new(AtomicUsize::new(0)), Arc::new(seats));
        let stop = watch::Sender::new(false);
        let mut buyers = JoinSet::new();
        for (region, _) in (0_u64..).zip(&lab.cluster.topology().regions) {
            for number in 0..buyers_per_gateway {
                let shopper = Shopper {
                    http: lab.http.clone(),
                    url: lab.gateway(usize::try_from(region).unwrap_or(0)),
                    show: ShowRef(lab.shows[show].show_id).to_string(),
                    seats: Arc::clone(&seats),
                    recorder: recorder.clone(),
                    sold: Arc::clone(&sold),
                    stop: stop.subscribe(),
                };
                let random = StdRng::seed_from_u64(seed ^ (region << 32) ^ number);
                buyers.spawn(shopper.shop(random));
            }
        }
        Self {
            recorder,
            sold,
            stop,
            buyers,
        }
    }

    /// How many orders were confirmed to their buyers so far.
    #[must_use]
    pub fn sold(&self) -> usize {
        self.sold.load(Ordering::Relaxed)
    }

    /// Waits until `more` further orders are confirmed.
    ///
    /// # Errors
    /// When it takes longer than `patience`.
    pub async fn sells(&self, more: usize, patience: Duration) -> anyhow::Result<Duration> {
        let (wanted, started) = (self.sold() + more, Instant::now());
        while self.sold() < wanted {
            let sold = wanted - self.sold().min(wanted);
            anyhow::ensure!(
                started.elapsed() < patience,
                "{sold} of {more} sales are missing after {patience:?}; last: {:?}",
                self.recorder.history().map(|history| {
                    let last = history.calls.into_iter().rev().take(5);
                    last.collect::<Vec<_>>()
                })
            );
            sleep(LOOK).await;
        }
        Ok(started.elapsed())
    }

    /// ns on the history's clock, for [`first_success_after`].
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.recorder.now_ns()
    }

    /// Lets every buyer finish what is begun, and returns what happened.
    pub async fn end(self) -> Ended {
        self.stop.send_replace(true);
        let finished = self.buyers.join_all().await;
        Ended {
            recorder: self.recorder,
            orders: finished.into_iter().flatten().collect(),
        }
    }
}

/// How long after `since_ns` the first hold that began then was granted through one of `gateways`.
#[must_use]
pub fn first_success_after(
    history: &History,
    since_ns: u64,
    gateways: &[String],
) -> Option<Duration> {
    let calls = history.calls.iter().filter(|call| {
        call.op == Op::Hold
            && call.is_ok()
            && call.invoked_ns >= since_ns
            && gateways.iter().any(|url| url == history.text(call.at))
    });
    let first = calls.map(|call| call.end.at_ns).min()?;
    Some(Duration::from_nanos(first - since_ns))
}

impl Shopper {
    async fn shop(self, mut random: StdRng) -> Vec<(Buyer, String)> {
        let mut confirmed = Vec::new();
        while !*self.stop.borrow() {
            let first = random.random_range(0..self.seats.len());
            let count = random.random_range(1..=2).min(self.seats.len() - first);
            let wanted: Vec<&str> = self.seats[first..first + count]
                .iter()
                .map(String::as_str)
                .collect();
            match self.buy(&wanted).await {
                Some(order) => {
                    self.sold.fetch_add(1, Ordering::Relaxed);
                    confirmed.push(order);
                }
                None => sleep(THINK).await,
            }
        }
        confirmed
    }

    /// One purchase by a new guest; `None` when it ended in any other way than confirmed.
    async fn buy(&self, seats: &[&str]) -> Option<(Buyer, String)> {
        let guest = Buyer::guest(&self.http, &self.url)
            .await
            .ok()?
            .recorded(&self.recorder);
        let hold = insist(INSIST, || guest.hold(&self.show, seats, "hold")).await;
        if hold.outcome() != Outcome::Ok {
            return None;
        }
        let hold = hold.id();
        let order = insist(INSIST, || guest.order(&hold, "order")).await;
        if order.outcome() != Outcome::Ok {
            return None;
        }
        let order = order.id();
        let paid = insist(INSIST, || guest.pay(&order, "tok_approve", "pay")).await;
        let confirmed = paid.outcome() == Outcome::Ok && paid.state() == "confirmed";
        confirmed.then_some((guest, order))
    }
}
