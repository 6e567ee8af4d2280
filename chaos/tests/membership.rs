//! Nodes and regions come, go and are replaced by the operator's own commands, while shows sell: real processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::cluster::{Signal, gateway_name};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_chaos::workload::sale::Sale;
use holdfast_node_api::v1::{MembershipStatusReply, MembershipStatusRequest};
use holdfast_region_config::NodeId;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

#[path = "support/books.rs"]
mod books;
#[path = "support/rush.rs"]
mod rush;

use books::nothing_is_lost;
use rush::Rush;

const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at how far a change is.
const POLL: Duration = Duration::from_millis(50);

const N1: NodeId = NodeId::new(1);

/// A hall for the sale, one for the rush, and some that nobody buys: which nodes of a region a show gets differs by show.
fn halls(homes: &[&str]) -> Vec<GridShow> {
    let names = ["sale", "rush", "quiet-1", "quiet-2", "quiet-3"];
    let mut homes = homes.iter().cycle();
    let hall = |name| GridShow::new(name, homes.next().unwrap(), 30, 40);
    let mut halls: Vec<GridShow> = names.into_iter().map(hall).collect();
    for hall in &mut halls {
        hall.hold_ttl_ms = 30_000;
    }
    halls
}

/// Two places in each of three regions, n1 and n2 in the first; `held_back` are empty.
fn pairs(held_back: &[u64]) -> LabOptions {
    LabOptions {
        nodes_per_region: 2,
        held_back: held_back.iter().copied().map(NodeId::new).collect(),
        ..LabOptions::trio(halls(&["eastus"]))
    }
}

fn name(node: u64) -> String {
    NodeId::new(node).to_string()
}

/// Every node's topology file names exactly these; those of them that run read it again.
async fn name_nodes(lab: &mut Lab, nodes: &[u64]) {
    let named = |node: NodeId| nodes.contains(&node.get());
    lab.cluster.name_nodes(named).unwrap();
    for node in nodes {
        if lab.cluster.is_running(&name(*node)).unwrap() {
            let node = NodeId::new(*node);
            lab.operate(node, "topology reload").await.unwrap();
        }
    }
}

async fn start(lab: &mut Lab, member: &str) {
    lab.cluster.spawn(member).unwrap();
    lab.cluster.wait_ready(member, PATIENCE).await.unwrap();
}

/// Waits until `asked` knows `node` well enough for an operator to use it.
async fn is_known(lab: &Lab, asked: NodeId, node: u64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let reply = lab.operate(asked, "node list").await;
        let listed = reply.as_ref().is_ok_and(|reply| {
            let nodes = reply["nodes"].as_array().into_iter().flatten();
            let mut ready = nodes.filter(|n| n["reachable"] == true && n["generation"] != 0);
            ready.any(|n| n["node_id"] == node)
        });
        if listed {
            return;
        }
        assert!(Instant::now() < until, "n{node} is not known: {reply:?}");
        sleep(POLL).await;
    }
}

/// Waits until it is so by the word of `asked`.
async fn progress(
    lab: &Lab,
    asked: NodeId,
    what: &str,
    is_so: impl Fn(&MembershipStatusReply) -> bool,
) {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut cluster = lab.node(asked).unwrap().cluster();
        let status = cluster.membership_status(MembershipStatusRequest {}).await;
        if status.as_ref().is_ok_and(|status| is_so(status.get_ref())) {
            return;
        }
        assert!(Instant::now() < until, "{what} in vain: {status:?}");
        sleep(POLL).await;
    }
}

async fn all_settled(lab: &Lab, asked: NodeId) {
    progress(lab, asked, "settled", |now| {
        now.moving == 0 && now.leaving == 0 && now.stuck == 0
    })
    .await;
}

/// Nodes with a replica of any show.
async fn keepers(lab: &Lab, asked: NodeId) -> Vec<u64> {
    let mut all = Vec::new();
    for show in &lab.shows {
        let reply = lab.replicas(asked, show.show_id).await.unwrap();
        all.extend(reply.replicas.iter().map(|replica| replica.node_id));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_added_and_another_replaced_and_removed_while_shows_sell() {
    let options = pairs(&[2, 4, 6]);
    let seats = options.shows[0].seats();
    let mut lab = Lab::start(options).await.unwrap();
    let sale = Sale::start(&lab, 0, seats, 2, 1);
    let rush = Rush::start(&lab, &lab.show(1), &[0, 1, 2]).await;
    rush.goes_on(6).await;

    name_nodes(&mut lab, &[1, 2, 3, 5]).await;
    start(&mut lab, "n2").await;
    is_known(&lab, N1, 2).await;
    let added = lab.operate(N1, "node add n2").await.unwrap();
    let placed = added["placed"].as_u64().unwrap();
    assert!(placed > 0, "no show would be placed on n2: {added}");
    all_settled(&lab, N1).await;
    assert!(keepers(&lab, N1).await.contains(&2));
    rush.goes_on(6).await;

    name_nodes(&mut lab, &[1, 2, 3, 5, 6]).await;
    start(&mut lab, "n6").await;
    is_known(&lab, N1, 6).await;
    let replaced = lab.operate(N1, "node replace n5 --with n6").await.unwrap();
    assert_eq!(replaced["placed"], 5, "{replaced}");
    let removed = lab.operate(N1, "node remove n5 --wait-s 90").await.unwrap();
    assert_eq!(removed["removed"], json!([5]), "{removed}");
    rush.goes_on(6).await;
    lab.cluster.terminate("n5").await.unwrap();
    name_nodes(&mut lab, &[1, 2, 3, 6]).await;
    all_settled(&lab, N1).await;
    assert!(!keepers(&lab, N1).await.contains(&5));

    rush.goes_on(6).await;
    sale.sells(5, PATIENCE).await.unwrap();
    let failed = rush.end().await;
    assert_eq!(failed, Vec::<String>::new());
    nothing_is_lost(&lab, &sale.end().await).await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_added_and_another_removed_while_shows_sell() {
    let options = LabOptions {
        regions: 4,
        held_back: vec![NodeId::new(4)],
        // Half of the shows live in the region that goes.
        ..LabOptions::trio(halls(&["eastus", "westeurope"]))
    };
    let seats = options.shows[0].seats();
    let mut lab = Lab::start(options).await.unwrap();
    let sale = Sale::start(&lab, 0, seats, 2, 2);
    let rush = Rush::start(&lab, &lab.show(1), &[0, 2]).await;
    rush.goes_on(6).await;
    let gone = lab.region(1);
    assert_eq!(gone.as_str(), "westeurope");

    name_nodes(&mut lab, &[1, 2, 3, 4]).await;
    let new = lab.region(3);
    start(&mut lab, "n4").await;
    start(&mut lab, &gateway_name(&new)).await;
    is_known(&lab, N1, 4).await;
    let added = lab.operate(N1, &format!("region add {new}")).await.unwrap();
    assert_eq!(added["placed"], 5, "{added}");
    all_settled(&lab, N1).await;
    rush.goes_on(6).await;
    for show in &lab.shows {
        lab.wait_on_sale(&new, show.show_id).await.unwrap();
    }

    let line = format!("region remove {gone} --wait-s 90");
    let removed = lab.operate(N1, &line).await.unwrap();
    assert_eq!(removed["removed"], json!([2]), "{removed}");
    rush.goes_on(6).await;
    for member in lab.cluster.names_in(&gone) {
        lab.cluster.terminate(&member).await.unwrap();
    }
    name_nodes(&mut lab, &[1, 3, 4]).await;
    all_settled(&lab, N1).await;
    assert_eq!(keepers(&lab, N1).await, [1, 3, 4]);

    rush.goes_on(6).await;
    sale.sells(5, PATIENCE).await.unwrap();
    let failed = rush.end().await;
    assert_eq!(failed, Vec::<String>::new());
    nothing_is_lost(&lab, &sale.end().await).await;
    lab.stop().await;
}

/// Kills the leader's node while n6 takes n5's place: before n6 has anything, or at any later moment.
async fn kill_the_leader_in_the_middle(seed: u64) {
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let options = pairs(&[2, 4, 6]);
    let seats = options.shows[0].seats();
    let mut lab = Lab::start(options).await.unwrap();
    let show = lab.shows[0].show_id;
    let n3 = NodeId::new(3);
    let sale = Sale::start(&lab, 0, seats, 2, seed);
    sale.sells(3, PATIENCE).await.unwrap();
    name_nodes(&mut lab, &[1, 3, 5, 6]).await;
    start(&mut lab, "n6").await;
    is_known(&lab, n3, 6).await;
    lab.leader_is(show, N1, PATIENCE).await.unwrap();

    let newcomer_stalls = seed == 1;
    if newcomer_stalls {
        lab.cluster.signal("n6", Signal::Pause).unwrap();
    }
    lab.operate(n3, "node replace n5 --with n6").await.unwrap();
    if newcomer_stalls {
        // It learns already and cannot vote: half-way.
        let until = Instant::now() + PATIENCE;
        while lab.replicas(N1, show).await.unwrap().learners_now != [6] {
            assert!(Instant::now() < until, "n6 never learns");
            sleep(POLL).await;
        }
    } else {
        sleep(Duration::from_millis(random.random_range(0..400))).await;
    }
    lab.cluster.kill("n1").await.unwrap();
    lab.cluster.signal("n6", Signal::Continue).unwrap();

    // n1 is away: the group cannot settle without it, but whoever leads now goes on to the new voters.
    let until = Instant::now() + PATIENCE;
    let mut now = Vec::new();
    while now != [1, 3, 6] {
        assert!(Instant::now() < until, "never resumed, voters are {now:?}");
        for asked in [3, 6] {
            let reply = lab.replicas(NodeId::new(asked), show).await;
            if let Ok(reply) = reply.map_err(|error| eprintln!("n{asked}: {error}"))
                && reply.leader == asked
            {
                now = reply.voters_now;
                now.sort_unstable();
            }
        }
        sleep(POLL).await;
    }
    sale.sells(3, PATIENCE).await.unwrap();
    start(&mut lab, "n1").await;
    all_settled(&lab, n3).await;
    assert_eq!(keepers(&lab, n3).await, [1, 3, 6]);
    sale.sells(3, PATIENCE).await.unwrap();
    nothing_is_lost(&lab, &sale.end().await).await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replacement_is_resumed_by_whoever_leads_next() {
    for seed in 1..=3 {
        kill_the_leader_in_the_middle(seed).await;
    }
}
