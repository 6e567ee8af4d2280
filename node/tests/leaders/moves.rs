//! A planned move fails no request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Parser as _;
use holdfast_node::ctl;
use holdfast_node_api::{
    client::NodeClient,
    v1::{self, FailureCode, submit_reply, submit_request},
};
use tokio::{task::JoinSet, time::Instant};

use crate::cluster::{Cluster, LONG, PAUSE};

/// What a caller is willing to wait for one hold, over all its tries, also on a busy machine.
const BUDGET: Duration = Duration::from_secs(15);
const BUYERS: u8 = 6;

/// Buyers who hold and release one seat each, without a pause.
struct Rush {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    buyers: JoinSet<Vec<String>>,
}

impl Rush {
    fn start(cluster: &Cluster, show_id: u64) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut buyers = JoinSet::new();
        for buyer in 1..=BUYERS {
            let caller = Caller {
                clients: cluster.clients.clone(),
                show_id,
                buyer,
                leader: usize::from(buyer) % 3,
            };
            buyers.spawn(caller.rush(Arc::clone(&stop), Arc::clone(&done)));
        }
        Self { stop, done, buyers }
    }

    /// Waits until `more` requests more were answered.
    async fn goes_on(&self, more: u64) {
        let enough = self.done.load(Ordering::Relaxed) + more;
        let until = Instant::now() + LONG;
        while self.done.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < until, "the rush has come to a stop");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What went wrong, and how many requests were answered.
    async fn end(self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.buyers.join_all().await;
        let done = self.done.load(Ordering::Relaxed);
        (failed.into_iter().flatten().collect(), done)
    }
}

/// Does what a gateway does: one key, the leader as hinted, the others in turn, within a budget.
struct Caller {
    clients: Vec<NodeClient>,
    show_id: u64,
    buyer: u8,
    leader: usize,
}

impl Caller {
    async fn rush(mut self, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Vec<String> {
        let mut failed = Vec::new();
        let seat = u32::from(self.buyer);
        for round in 0_u64.. {
            if stop.load(Ordering::Relaxed) {
                return failed;
            }
            let what = Some(v1::place_hold::What::Seats(v1::NamedSeats {
                seats: vec![seat],
            }));
            let hold = submit_request::Command::PlaceHold(v1::PlaceHold {
                ttl_ms: 0,
                what,
                ..v1::PlaceHold::default()
            });
            let hold_id = match self.ask(&format!("hold-{round}"), hold).await {
                Ok(submit_reply::Result::Hold(hold)) => hold.hold_id,
                other => {
                    failed.push(format!("buyer {}, hold {round}: {other:?}", self.buyer));
                    continue;
                }
            };
            done.fetch_add(1, Ordering::Relaxed);
            let release = submit_request::Command::ReleaseHold(v1::ReleaseHold { hold_id });
            match self.ask(&format!("release-{round}"), release).await {
                Ok(submit_reply::Result::Hold(_)) => done.fetch_add(1, Ordering::Relaxed),
                other => {
                    failed.push(format!("buyer {}, release {round}: {other:?}", self.buyer));
                    continue;
                }
            };
        }
        failed
    }

    async fn ask(
        &mut self,
        key: &str,
        command: submit_request::Command,
    ) -> Result<submit_reply::Result, String> {
        let until = Instant::now() + BUDGET;
        let mut last = String::new();
        let mut through_log = false;
        while Instant::now() < until {
            let request = v1::SubmitRequest {
                show_id: self.show_id,
                caller: vec![self.buyer; 16].into(),
                idempotency_key: key.to_owned(),
                through_log,
                command: Some(command.clone()),
                ..v1::SubmitRequest::default()
            };
            let pipe = self.clients[self.leader].pipe();
            match pipe.submit(request, Duration::from_secs(2)).await {
                Ok(v1::SubmitReply {
                    result: Some(submit_reply::Result::Failure(failure)),
                    ..
                }) => {
                    through_log |= failure.maybe_happened;
                    let hinted = failure.leader_node_id;
                    let hint = usize::try_from(hinted).unwrap();
                    if failure.code() == FailureCode::NotLeader && hint > 0 {
                        self.leader = hint - 1;
                    } else {
                        self.leader = (self.leader + 1) % 3;
                        tokio::time::sleep(PAUSE).await;
                    }
                    last = format!("{failure:?}");
                }
                Ok(reply) => return reply.result.ok_or_else(|| "empty".to_owned()),
                Err(error) => {
                    through_log |= error.maybe_happened();
                    self.leader = (self.leader + 1) % 3;
                    last = error.to_string();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Err(last)
    }
}

async fn ctl(cluster: &Cluster, node: usize, line: &str) -> ctl::Answer {
    let address = &cluster.addresses[node];
    let line = format!("holdfastctl --node {address} {line}");
    let args = ctl::Args::try_parse_from(line.split_whitespace()).unwrap();
    ctl::run(args).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_moves_in_the_middle_of_a_rush_fail_no_hold() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    cluster.leader(show_id, &[0, 1, 2]).await;
    let rush = Rush::start(&cluster, show_id);
    for turn in 0..20 {
        rush.goes_on(20).await;
        let to = turn % 3 + 1;
        let line = format!("show move-leader s{show_id} --to n{to}");
        let said = ctl(&cluster, turn % 2, &line).await;
        assert!(said.well, "{}", said.text);
        assert_eq!(cluster.leader(show_id, &[to - 1]).await, to - 1);
    }
    rush.goes_on(20).await;
    let (failed, done) = rush.end().await;
    assert_eq!(failed, Vec::<String>::new(), "of {done}");
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_evacuated_and_restored_and_a_node_drained_without_a_failed_hold() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    cluster.leader(show_id, &[0]).await;
    cluster.announced().await;
    let rush = Rush::start(&cluster, show_id);
    rush.goes_on(50).await;

    let dry = ctl(&cluster, 1, "region evacuate a --dry-run").await;
    assert!(
        dry.well && dry.json["moves"][0]["from"] == 1,
        "{}",
        dry.text
    );
    assert_eq!(cluster.leader(show_id, &[0]).await, 0);
    let said = ctl(&cluster, 1, "region evacuate a").await;
    assert!(said.well, "{}", said.text);
    // Another node hears of it a moment later.
    let until = Instant::now() + LONG;
    let status = loop {
        let status = ctl(&cluster, 2, "leaders status").await;
        if status.json["regions"][0]["led"] == 0 && status.well {
            break status;
        }
        assert!(Instant::now() < until, "{}", status.text);
    };
    let away = status.json["away_by_why"]["evacuated"].as_u64();
    assert!(away >= Some(1), "{}", status.text);
    rush.goes_on(50).await;

    let said = ctl(&cluster, 0, "region restore a").await;
    assert!(said.well, "{}", said.text);
    assert_eq!(cluster.leader(show_id, &[0]).await, 0);
    rush.goes_on(50).await;

    let said = ctl(&cluster, 2, "node drain n1").await;
    assert!(said.well, "{}", said.text);
    assert_ne!(cluster.leader(show_id, &[1, 2]).await, 0);
    rush.goes_on(50).await;
    let said = ctl(&cluster, 2, "node undrain n1").await;
    assert!(said.well, "{}", said.text);
    assert_eq!(cluster.leader(show_id, &[0]).await, 0);

    let (failed, done) = rush.end().await;
    assert_eq!(failed, Vec::<String>::new(), "of {done}");
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaders_node_stops_in_the_middle_of_a_rush_and_no_hold_fails() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0, 1, 2]).await;
    let rush = Rush::start(&cluster, show_id);
    rush.goes_on(50).await;
    cluster.stop(leader).await;
    rush.goes_on(100).await;
    let (failed, done) = rush.end().await;
    assert_eq!(failed, Vec::<String>::new(), "of {done}");
    for at in (0..3).filter(|at| *at != leader) {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_completed_says_so_in_time() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    cluster.leader(show_id, &[0, 1, 2]).await;
    cluster.announced().await;
    for node in ["n2", "n3"] {
        let said = ctl(&cluster, 0, &format!("node drain {node}")).await;
        assert!(said.well, "{}", said.text);
    }
    let said = ctl(&cluster, 0, "node drain n1 --wait-s 1").await;
    assert!(!said.well, "{}", said.text);
    assert!(
        said.json["stuck_total"].as_u64() >= Some(1),
        "{}",
        said.text
    );
    for at in 0..3 {
        cluster.stop(at).await;
    }
}
