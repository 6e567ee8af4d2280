//! "My orders" with real processes: bought at one gateway, listed at another, also after a region is lost; and an index that is
//! away stops no sale and misses nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::buyer::Buyer;
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use holdfast_region_config::NodeId;
use serde_json::{Value, json};
use tokio::time::Instant;

/// For things that only have to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const POLL: Duration = Duration::from_millis(200);

/// Buys one seat; the order's id once it is confirmed.
async fn buy(buyer: &Buyer, show: &str, seat: &str) -> String {
    let key = |step: &str| format!("{step}-{show}-{seat}");
    let until = Instant::now() + PATIENCE;
    let hold = loop {
        let hold = buyer.hold(show, &[seat], &key("hold")).await;
        if hold.status == 201 || Instant::now() > until {
            break hold;
        }
        tokio::time::sleep(POLL).await;
    };
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let order = buyer.order(&hold.id(), &key("order")).await;
    assert_eq!(order.status, 201, "{:?}", order.body);
    let id = order.id();
    let paid = buyer.pay(&id, "tok_approve", &key("pay")).await;
    assert!([200, 202].contains(&paid.status), "{:?}", paid.body);
    let confirmed = buyer.order_until(&id, "confirmed", PATIENCE).await;
    assert_eq!(confirmed.state(), "confirmed", "{:?}", confirmed.body);
    id
}

/// Ids that the index lists for the buyer, and whether all of it could be read.
fn listed(page: &Value) -> (Vec<&str>, bool) {
    let orders = page["orders"].as_array().into_iter().flatten();
    let ids = orders.filter_map(|order| order["id"].as_str()).collect();
    (ids, page["complete"].as_bool().unwrap_or(false))
}

/// Waits until the buyer's gateway lists exactly these, the latest first, and knows that it is all.
async fn lists(buyer: &Buyer, wanted: &[&str]) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = buyer.get("/v1/orders").await;
        if answer.status == 200 && listed(&answer.body) == (wanted.to_vec(), true) {
            return answer.body;
        }
        assert!(
            Instant::now() < until,
            "{wanted:?} expected, {} {:?}",
            answer.status,
            answer.body
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Begins every index, and waits until each gateway has heard of the first.
async fn begin(lab: &Lab) {
    let until = Instant::now() + PATIENCE;
    for at in 0..3 {
        let guest = lab.guest(at).await.unwrap();
        loop {
            let begun = lab.operate(NodeId::new(2), "index begin --all").await;
            let page = guest.get("/v1/orders").await;
            if begun.is_ok() && page.body["indexes"][0].is_object() && page.status == 200 {
                break;
            }
            assert!(Instant::now() < until, "{begun:?}, {:?}", page.body);
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Waits until nothing waits for its index and one holds so many orders; gives that index.
async fn index_holds(lab: &Lab, orders: u64) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = lab.operate(NodeId::new(2), "index status").await;
        if let Ok(status) = &status
            && status["waiting"] == 0
            && let Some(index) = status["indexes"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|i| i["orders"] == orders)
        {
            return index.clone();
        }
        assert!(Instant::now() < until, "{orders} orders: {status:?}");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_bought_at_one_gateway_is_listed_at_another_after_a_region_is_lost() {
    let shows = vec![
        GridShow::new("first", "westeurope", 2, 4),
        GridShow::new("second", "westeurope", 2, 4),
    ];
    let options = LabOptions {
        preset: "europe",
        ..LabOptions::trio(shows)
    };
    let mut lab = Lab::start(options).await.unwrap();
    begin(&lab).await;
    let here = lab.guest(0).await.unwrap();
    let none = here.get("/v1/orders").await;
    assert_eq!((none.status, listed(&none.body)), (200, (vec![], true)));

    let first = buy(&here, &lab.show(0), "A-1-1").await;
    let second = buy(&here, &lab.show(1), "A-1-1").await;
    let there = here.through(&lab.gateway(1));
    let page = lists(&there, &[&second, &first]).await;
    assert_eq!(page["orders"][0]["state"], "confirmed");
    assert_eq!(page["indexes"][0]["jurisdiction"], "EU");
    assert!(page["indexes"][0]["as_of"]["age_ms"].is_u64(), "{page}");

    let home = lab.region(0);
    lab.cluster.kill_region(&home).await.unwrap();
    let far = here.through(&lab.gateway(2));
    lists(&far, &[&second, &first]).await;
    // The index is led elsewhere now and takes what is bought.
    let third = buy(&far, &lab.show(0), "A-1-2").await;
    lists(&there, &[&third, &second, &first]).await;
    let page = there.get("/v1/orders?page_size=1").await;
    let next = page.body["next"].as_str().unwrap();
    let rest = there.get(&format!("/v1/orders?after={next}")).await;
    assert_eq!(listed(&rest.body).0, [&second, &first]);
    // Nobody else's.
    let stranger = lab.guest(1).await.unwrap();
    assert_eq!(listed(&stranger.get("/v1/orders").await.body).0, [""; 0]);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_away_stops_no_sale_and_hears_everything_when_it_is_back() {
    // Every region of this topology is a jurisdiction of its own, so that the index of the home's dies with its one node.
    let shows = vec![GridShow::new("alone", "eastus", 2, 4)];
    let mut lab = Lab::start(LabOptions::trio(shows)).await.unwrap();
    begin(&lab).await;
    let there = lab.guest(1).await.unwrap();
    let first = buy(&there, &lab.show(0), "A-1-1").await;
    lists(&there, &[&first]).await;
    let index = index_holds(&lab, 1).await;
    assert_eq!(index["jurisdiction"], "US", "{index}");
    assert_eq!(index["voters"], json!([1]), "{index}");

    lab.cluster.kill("n1").await.unwrap();
    let second = buy(&there, &lab.show(0), "A-1-2").await;
    // What can be read is, and what is missing is said.
    let missing = there.get("/v1/orders").await;
    assert_eq!(missing.status, 200, "{:?}", missing.body);
    assert_eq!(listed(&missing.body), (vec![], false));

    lab.cluster.spawn("n1").unwrap();
    lab.cluster.wait_ready("n1", PATIENCE).await.unwrap();
    lists(&there, &[&second, &first]).await;
    // The index restarts in the middle of it all: nothing is told twice, nothing is lost.
    let third = buy(&there, &lab.show(0), "A-2-1").await;
    lab.cluster.kill("n1").await.unwrap();
    lab.cluster.spawn("n1").unwrap();
    lab.cluster.wait_ready("n1", PATIENCE).await.unwrap();
    lists(&there, &[&third, &second, &first]).await;
    index_holds(&lab, 3).await;
    lab.stop().await;
}
