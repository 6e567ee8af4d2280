//! A waiting room through a whole sale with real processes: early and late, a region lost in mid admission, never too full.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_region_config::NodeId;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const CAPACITY: u64 = 8;
const EARLY: usize = 36;
const LATE: usize = 6;
/// For things that only have to happen at all, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(300);

/// Somebody who wants one seat.
struct Fan {
    http: reqwest::Client,
    token: String,
    /// Gateways that they try, near first.
    gateways: Vec<String>,
    show: String,
    number: usize,
}

impl Fan {
    async fn new(lab: &Lab, number: usize) -> Self {
        let guest = lab.guest(number % 3).await.unwrap();
        let near = (0..3).map(|n| lab.gateway((number + n) % 3));
        Self {
            http: lab.http.clone(),
            token: guest.token().to_owned(),
            gateways: near.collect(),
            show: lab.show(0),
            number,
        }
    }

    /// Asks the gateways in turn until one answers; status and body.
    async fn ask(
        &self,
        post: bool,
        path: &str,
        header: (&str, &str),
        body: Option<Value>,
    ) -> (u16, Value) {
        let until = Instant::now() + PATIENCE;
        let mut tries = 0;
        loop {
            let gateway = &self.gateways[tries % self.gateways.len()];
            tries += 1;
            let url = format!("{gateway}/v1{path}");
            let request = if post {
                self.http.post(url)
            } else {
                self.http.get(url)
            };
            let request = request
                .bearer_auth(&self.token)
                .header(header.0, header.1)
                .header("Idempotency-Key", format!("fan-{}{path}", self.number))
                .timeout(Duration::from_secs(10));
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            if let Ok(answer) = request.send().await
                && answer.status().as_u16() < 500
            {
                let status = answer.status().as_u16();
                return (status, answer.json().await.unwrap_or_default());
            }
            assert!(Instant::now() < until, "no gateway answers {path}");
            sleep(POLL).await;
        }
    }

    fn queue(&self) -> String {
        format!("/shows/{}/queue", self.show)
    }

    async fn join(&self) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, joined) = self.ask(true, &self.queue(), ("x-none", "0"), None).await;
            // A gateway hears of a new room a moment later.
            if joined["code"] == "queue_none" && Instant::now() < until {
                sleep(POLL).await;
                continue;
            }
            assert_eq!(status, 201, "{joined}");
            return joined;
        }
    }

    /// Waits for the turn, claims, and gives the key and the pass.
    async fn comes_in(&self, ticket: &str) -> (String, String) {
        let until = Instant::now() + PATIENCE;
        let header = ("X-Holdfast-Ticket", ticket);
        loop {
            let (_, seen) = self.ask(false, &self.queue(), header, None).await;
            if seen["you"]["standing"] == "admitted" {
                let path = format!("{}/claim", self.queue());
                let (status, claimed) = self.ask(true, &path, header, None).await;
                if status == 200 {
                    let key = seen["you"]["key"].as_str().unwrap().to_owned();
                    return (key, claimed["pass"].as_str().unwrap().to_owned());
                }
                assert_eq!(status, 202, "{claimed}");
            }
            assert!(
                Instant::now() < until,
                "{} waits too long: {seen}",
                self.number
            );
            sleep(POLL).await;
        }
    }

    async fn buys(&self, seat: &str, pass: &str) {
        let header = ("X-Holdfast-Pass", pass);
        let path = format!("/shows/{}/holds", self.show);
        let body = Some(json!({"seats": [seat]}));
        let (status, hold) = self.ask(true, &path, header, body).await;
        assert!(
            [200, 201].contains(&status),
            "{} holds: {hold}",
            self.number
        );
        let body = Some(json!({"hold": hold["id"]}));
        let (status, order) = self.ask(true, "/orders", header, body).await;
        assert!(
            [200, 201].contains(&status),
            "{} orders: {order}",
            self.number
        );
        let path = format!("/orders/{}/pay", order["id"].as_str().unwrap());
        let body = Some(json!({"payment_token": "tok_approve"}));
        let (status, paid) = self.ask(true, &path, header, body).await;
        assert!([200, 202].contains(&status), "{} pays: {paid}", self.number);
    }
}

/// Looks at every gateway and keeps the most that were ever inside.
fn watch(lab: &Lab, over: Arc<AtomicBool>) -> tokio::task::JoinHandle<u64> {
    let urls: Vec<String> = (0..3)
        .map(|at| format!("{}/v1/shows/{}/queue", lab.gateway(at), lab.show(0)))
        .collect();
    let http = lab.http.clone();
    tokio::spawn(async move {
        let mut most = 0;
        while !over.load(Ordering::Relaxed) {
            for url in &urls {
                let Ok(answer) = http.get(url).timeout(POLL).send().await else {
                    continue;
                };
                let seen: Value = answer.json().await.unwrap_or_default();
                most = seen["inside"].as_u64().unwrap_or(0).max(most);
            }
            sleep(POLL / 3).await;
        }
        most
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_loses_their_place_when_the_leaders_region_is_lost_in_mid_admission() {
    let shows = vec![GridShow::new("room", "eastus", 10, 12)];
    let mut lab = Lab::start(LabOptions::trio(shows)).await.unwrap();
    let show = lab.show(0);
    // Asked of a node that does not lead the show: the tool finds the leader.
    let open = format!("queue open {show} --sale-at +35 --capacity {CAPACITY} --rate 120");
    let opened = lab.operate(NodeId::new(2), &open).await.unwrap();
    assert_eq!(opened["state"], "prequeue", "{opened}");

    // A few at a time: all have to be there before the draw, also on a machine that does much else.
    let early = stream::iter(0..EARLY).map(async |number| {
        let fan = Fan::new(&lab, number).await;
        let joined = fan.join().await;
        assert_eq!(joined["you"]["standing"], "not_drawn", "{joined}");
        let path = format!("/shows/{show}/holds");
        let body = Some(json!({"seats": ["A-1-1"]}));
        let (status, refused) = fan.ask(true, &path, ("x-none", "0"), body).await;
        assert_eq!((status, &refused["code"]), (403, &json!("pass_required")));
        (fan, joined["ticket"].as_str().unwrap().to_owned())
    });
    let early: Vec<_> = early.buffered(12).collect().await;
    let proof_before = proof(&lab, 1).await;
    assert_eq!(proof_before["seed"], Value::Null);

    let over = Arc::new(AtomicBool::new(false));
    let watch = watch(&lab, Arc::clone(&over));
    let seats: Vec<String> = (1..=10)
        .flat_map(|row| (1..=12).map(move |seat| format!("A-{row}-{seat}")))
        .collect();
    let mut coming = JoinSet::new();
    let comes = |coming: &mut JoinSet<String>, fan: Fan, ticket: String| {
        let seat = seats[fan.number].clone();
        coming.spawn(async move {
            let (key, pass) = fan.comes_in(&ticket).await;
            fan.buys(&seat, &pass).await;
            key
        });
    };
    for (fan, ticket) in early {
        comes(&mut coming, fan, ticket);
    }
    // A third is in when the region of the leader goes.
    let mut keys = Vec::new();
    while keys.len() < EARLY / 3 {
        keys.push(coming.join_next().await.unwrap().unwrap());
    }
    let home = lab.region(0);
    lab.cluster.kill_region(&home).await.unwrap();
    for number in EARLY..EARLY + LATE {
        let fan = fan_elsewhere(&lab, number).await;
        let joined = fan.join().await;
        assert_eq!(joined["you"]["phase"], "late", "{joined}");
        let ticket = joined["ticket"].as_str().unwrap().to_owned();
        comes(&mut coming, fan, ticket);
    }
    while let Some(key) = coming.join_next().await {
        keys.push(key.unwrap());
    }
    over.store(true, Ordering::Relaxed);
    let most = watch.await.unwrap();
    assert_eq!(keys.len(), EARLY + LATE, "everybody came in");
    assert!(most <= CAPACITY, "{most} were inside at once");
    assert!(most > 0, "the watch saw nothing");
    let proof_after = proof(&lab, 1).await;
    assert_eq!(proof_after["commit"], proof_before["commit"]);
    assert!(proof_after["seed"].is_string(), "{proof_after}");
    lab.stop().await;
}

async fn fan_elsewhere(lab: &Lab, number: usize) -> Fan {
    let guest = lab.guest(1 + number % 2).await.unwrap();
    Fan {
        http: lab.http.clone(),
        token: guest.token().to_owned(),
        gateways: vec![lab.gateway(1), lab.gateway(2)],
        show: lab.show(0),
        number,
    }
}

async fn proof(lab: &Lab, at: usize) -> Value {
    let url = format!("{}/v1/shows/{}/queue/proof", lab.gateway(at), lab.show(0));
    lab.http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}
