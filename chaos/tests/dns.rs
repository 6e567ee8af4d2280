//! Names lead users to regions that are well: a region is lost and comes back, an operator drains and pins.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::buyer::http_client;
use holdfast_chaos::dns_client::{Answer, ask};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_region_config::NodeId;
use tokio::time::Instant;

/// For things that only have to happen at all; a region that was lost is trusted again after 15 s at the earliest.
const PATIENCE: Duration = Duration::from_secs(90);
/// Near the second region, by the cluster's made-up networks.
const SECOND: &str = "10.2.3.0/24";
const FIRST_ADDR: &str = "192.0.2.10";
const SECOND_ADDR: &str = "192.0.2.20";
const THIRD_ADDR: &str = "192.0.2.30";

async fn answer(lab: &Lab, server: usize) -> Answer {
    let server = lab.cluster.dns_servers()[server].addr;
    ask(server, &lab.cluster.dns_name(), Some(SECOND))
        .await
        .unwrap()
}

fn addrs(answer: &Answer) -> Vec<String> {
    answer.addrs.iter().map(ToString::to_string).collect()
}

/// Until every one of these regions' servers answers these addresses, in this order.
async fn answers(lab: &Lab, servers: &[usize], expected: &[&str]) -> Answer {
    answers_that_live(lab, servers, expected, None).await
}

/// The same, and until they may be kept for so long: a server that has just started, or seen a region come back, says for a while
/// that its answers soon change.
async fn answers_that_live(
    lab: &Lab,
    servers: &[usize],
    expected: &[&str],
    ttl_s: Option<u32>,
) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut last = None;
        for server in servers {
            let found = answer(lab, *server).await;
            let right = addrs(&found) == expected && (ttl_s.is_none() || found.ttl_s == ttl_s);
            last = Some((right, found));
            if !right {
                break;
            }
        }
        let (right, found) = last.unwrap();
        if right {
            return found;
        }
        assert!(Instant::now() < until, "{found:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ctl(lab: &Lab, line: &str) -> serde_json::Value {
    lab.operate(NodeId::new(1), line).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_region_is_not_answered_and_an_operator_can_drain_and_pin() {
    let mut options = LabOptions::trio(vec![GridShow::new("names", "eastus", 4, 4)]);
    options.dns = true;
    let mut lab = Lab::start(options).await.unwrap();

    // Every server sends users in Europe to Europe first, and says for how wide a network that holds.
    let near = [SECOND_ADDR, FIRST_ADDR];
    let well = answers_that_live(&lab, &[0, 1, 2], &near, Some(30)).await;
    assert_eq!(well.scope_bits, Some(16));

    // Europe is lost: the others stop sending users there, and have that forgotten soon.
    let europe = lab.region(1);
    lab.cluster.kill_region(&europe).await.unwrap();
    let began = Instant::now();
    let degraded = answers(&lab, &[0, 2], &[FIRST_ADDR, THIRD_ADDR]).await;
    eprintln!(
        "a lost region was out of the answers after {:?}",
        began.elapsed()
    );
    assert_eq!(degraded.ttl_s, Some(5));

    // It comes back, and is believed after a while.
    for name in lab.cluster.names_in(&europe) {
        lab.cluster.spawn(&name).unwrap();
        lab.cluster.wait_ready(&name, PATIENCE).await.unwrap();
    }
    answers_that_live(&lab, &[0, 1, 2], &near, Some(30)).await;
    eprintln!(
        "it was back in the answers {:?} after it was lost",
        began.elapsed()
    );

    // An operator sends nobody there for a while, then everybody, then lets DNS decide again.
    ctl(&lab, "dns drain westeurope --for 10m").await;
    let drained = answers(&lab, &[0, 1, 2], &[FIRST_ADDR, THIRD_ADDR]).await;
    assert_eq!(drained.ttl_s, Some(5));
    ctl(
        &lab,
        "dns pin tickets.holdfast.example southeastasia --for 10m",
    )
    .await;
    let pinned = answers(&lab, &[0, 1, 2], &[THIRD_ADDR]).await;
    assert_eq!(pinned.scope_bits, Some(0), "everybody gets the same");
    let listed = ctl(&lab, "dns list").await;
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 2);
    ctl(&lab, "dns clear --everything").await;
    answers(&lab, &[0, 1, 2], &[SECOND_ADDR, FIRST_ADDR]).await;

    // What nobody takes back ends by itself.
    // For so long that all servers are seen to do it, also by a machine that is busy with other things.
    ctl(&lab, "dns drain westeurope --for 12s").await;
    answers(&lab, &[0, 1, 2], &[FIRST_ADDR, THIRD_ADDR]).await;
    answers(&lab, &[0, 1, 2], &[SECOND_ADDR, FIRST_ADDR]).await;

    // One region stays open, unless somebody breaks the glass; even then DNS answers.
    ctl(&lab, "dns drain eastus --for 10m").await;
    ctl(&lab, "dns drain westeurope --for 10m").await;
    let refused = lab
        .operate(NodeId::new(1), "dns drain southeastasia --for 10m")
        .await;
    assert!(refused.unwrap_err().to_string().contains("last_region"));
    ctl(&lab, "dns drain southeastasia --for 10m --break-glass").await;
    answers(&lab, &[0, 1, 2], &[SECOND_ADDR, FIRST_ADDR]).await;
    lab.stop().await;
}

/// Nobody can be sold a seat through a region without nodes, however well its gateway is: that one serves who still comes
/// through another region, and sends the next ones elsewhere itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_nodes_are_gone_is_not_answered_though_its_gateway_lives() {
    let mut options = LabOptions::trio(vec![GridShow::new("nodeless", "eastus", 4, 4)]);
    options.dns = true;
    let mut lab = Lab::start(options).await.unwrap();
    let near = [SECOND_ADDR, FIRST_ADDR];
    answers_that_live(&lab, &[0, 1, 2], &near, Some(30)).await;

    lab.cluster.kill("n2").await.unwrap();
    let began = Instant::now();
    let degraded = answers(&lab, &[0, 1, 2], &[FIRST_ADDR, THIRD_ADDR]).await;
    eprintln!("out of the answers after {:?}", began.elapsed());
    assert_eq!(degraded.ttl_s, Some(5));

    // Whoever was told before, and comes, is served.
    let show = lab.show(0);
    let buyer = lab.guest(1).await.unwrap();
    let hold = buyer.hold(&show, &["A-1-1"], "nodeless").await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);

    lab.cluster.spawn("n2").unwrap();
    lab.cluster.wait_ready("n2", PATIENCE).await.unwrap();
    answers_that_live(&lab, &[0, 1, 2], &near, Some(30)).await;
    eprintln!("back in the answers after {:?}", began.elapsed());
    lab.stop().await;
}

/// Waits until the gateway of region `at` sees gateways of the regions `others`.
async fn sees_gateways_of(lab: &Lab, at: usize, others: &[usize]) {
    let url = format!("{}/v1/route/observations", lab.gateway(at));
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = http_client().get(&url).send().await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let sees = |at: &usize| said["sees"][lab.region(*at).as_str()]["gateways"] == true;
        if others.iter().all(sees) {
            return;
        }
        assert!(Instant::now() < until, "{said}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A gateway and a node whose files know no address of a node, nor of a gateway, come up by what DNS says.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_and_a_node_find_nodes_and_gateways_by_name() {
    let mut options = LabOptions::trio(vec![GridShow::new("found", "eastus", 4, 4)]);
    options.dns = true;
    let mut lab = Lab::start(options).await.unwrap();
    let resolver = lab.cluster.dns_servers()[0].addr;
    let config = lab.cluster.data_dir().join("config");
    let nameless = config.join("topology-nameless.toml");
    let topology = lab.cluster.topology();
    let addrs =
        |node: &holdfast_region_config::topology::Node| format!("node-{}.invalid:1", node.id);
    let topology = topology
        .with_addrs(addrs, |gateway| format!("{}.invalid:1", gateway.region))
        .unwrap();
    std::fs::write(&nameless, topology.to_toml()).unwrap();
    for name in ["n3", "gateway-southeastasia"] {
        lab.cluster.terminate(name).await.unwrap();
        let file = config.join(format!("{name}.toml"));
        let mut table: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        table.insert("topology".to_owned(), nameless.display().to_string().into());
        let srv = "_holdfast-node._tcp.holdfast.example".to_owned().into();
        let resolver = resolver.to_string().into();
        let discovery = [("srv".to_owned(), srv), ("resolver".to_owned(), resolver)];
        let discovery = toml::Value::Table(discovery.into_iter().collect());
        table.insert("discovery".to_owned(), discovery);
        std::fs::write(&file, table.to_string()).unwrap();
        lab.cluster.spawn(name).unwrap();
        lab.cluster.wait_ready(name, PATIENCE).await.unwrap();
    }
    // The node reaches the others again, and says so: its exit code is 0 only when all is well.
    let until = Instant::now() + PATIENCE;
    while let Err(error) = lab.operate(NodeId::new(3), "cluster status").await {
        assert!(Instant::now() < until, "{error:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    answers(&lab, &[2], &[SECOND_ADDR, FIRST_ADDR]).await;
    sees_gateways_of(&lab, 2, &[0, 1]).await;
    lab.stop().await;
}
