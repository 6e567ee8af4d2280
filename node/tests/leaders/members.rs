//! Members come and go by the operator's own commands, while the show sells.

use clap::Parser as _;
use holdfast_node::ctl::{self, Answer, Failure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cluster::{Cluster, LONG, PAUSE, hold_id};

async fn ctl(address: &str, line: &str) -> Result<Answer, Failure> {
    let line = format!("holdfastctl --node {address} {line}");
    let args = ctl::Args::try_parse_from(line.split_whitespace()).unwrap();
    ctl::run(args).await
}

/// Asks until the answer is as wanted.
async fn until(address: &str, line: &str, is_so: impl Fn(&Answer) -> bool) -> Value {
    let deadline = Instant::now() + LONG;
    loop {
        let answer = ctl(address, line).await;
        match answer {
            Ok(answer) if is_so(&answer) => return answer.json,
            other => assert!(Instant::now() < deadline, "{line}: {other:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn replicas(answer: &Value, role: &str) -> Vec<u64> {
    let all = answer["replicas"].as_array().unwrap().iter();
    let mut nodes: Vec<u64> = all
        .filter(|replica| replica["role"] == role)
        .map(|replica| replica["node_id"].as_u64().unwrap())
        .collect();
    nodes.sort_unstable();
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_is_replaced_by_a_new_one_and_removed_for_good() {
    let mut cluster = Cluster::start().await;
    let show = cluster.show().await;
    cluster.leader(show, &[0, 1, 2]).await;
    hold_id(&cluster.hold(show, 0, "before", &[0, 1, 2]).await);
    let any = cluster.addresses[0].clone();

    let listeners = cluster.name_another("c").await;
    for address in &cluster.addresses {
        let read = ctl(address, "topology reload").await.unwrap();
        assert_eq!(read.json["nodes_added"], json!([4]));
    }
    cluster.start_another(listeners).await;
    until(&any, "node list", |answer| {
        let nodes = answer.json["nodes"].as_array().unwrap();
        nodes.len() == 4 && nodes.iter().all(|n| n["generation"] == 1) && answer.well
    })
    .await;

    let wrong = ctl(&any, "node replace n2 --with n4").await.unwrap_err();
    assert_eq!(wrong.exit_code(), 4, "n4 stands in another region: {wrong}");
    let would = ctl(&any, "node replace n3 --with n4 --dry-run").await;
    assert_eq!(would.unwrap().json["placed"], 1);
    let placed = ctl(&any, "node replace n3 --with n4").await.unwrap();
    assert!(placed.well && placed.json["placed"] == 1, "{}", placed.text);

    let removed = ctl(&any, "node remove n3 --wait-s 60").await.unwrap();
    assert!(removed.well, "{}", removed.text);
    let line = format!("show replicas s{show}");
    until(&any, &line, |answer| {
        answer.well
            && replicas(&answer.json, "released").is_empty()
            && replicas(&answer.json, "voter") == [1, 2, 4]
    })
    .await;
    until(&any, "membership status", |answer| {
        answer.well
            && answer.json["moving"] == 0
            && answer.json["directory_voters"] == json!([1, 2, 4])
            && answer.json["directory_learners"] == json!([])
    })
    .await;
    hold_id(&cluster.hold(show, 1, "after", &[0, 1, 3]).await);

    for at in 0..4 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_comes_back_without_its_disk_is_not_listened_to() {
    let mut cluster = Cluster::start().await;
    let show = cluster.show().await;
    cluster.leader(show, &[0, 1, 2]).await;
    until(&cluster.addresses[0].clone(), "node list", |answer| {
        let nodes = answer.json["nodes"].as_array().unwrap();
        nodes
            .iter()
            .all(|n| n["disk"].as_str().unwrap().len() == 32)
    })
    .await;
    cluster.stop(2).await;
    cluster.start_without_its_disk(2).await;
    let refused = cluster.nodes[2].as_ref().unwrap().refused();
    let reason = tokio::time::timeout(LONG, refused).await.unwrap();
    assert!(reason.contains("holdfastctl node replace n3"), "{reason}");
    let seen = until(&cluster.addresses[0].clone(), "node list", |answer| {
        answer.json["nodes"][2]["reachable"] == false
    })
    .await;
    assert_eq!(seen["nodes"][0]["reachable"], true);
    hold_id(&cluster.hold(show, 1, "after", &[0, 1]).await);
    for at in 0..3 {
        cluster.stop(at).await;
    }
}
