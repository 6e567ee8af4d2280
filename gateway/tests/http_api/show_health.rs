//! A node that cannot serve one show by its own word is asked last for it, and that is explained.

use std::collections::HashMap;

use holdfast_node_api::v1::FailureCode;
use serde_json::Value;

use crate::fake_show::Step;
use crate::harness::Harness;

/// What is explained of `node` and show `s1`: its health, and whether there is a word of it.
async fn show_health(h: &Harness, node: u64) -> (String, bool) {
    let body = h.get("/v1/route/explain?show=s1").await.json();
    let nodes = body["serving"]["candidates"][0]["nodes"].clone();
    let all = nodes.as_array().unwrap().iter();
    let said: Vec<&Value> = all.filter(|said| said["node"] == node).collect();
    let health = said[0]["show_health"].as_str().unwrap().to_owned();
    (health, said[0]["show_health_age_ms"].is_f64())
}

#[tokio::test]
async fn a_replica_that_is_too_old_is_passed_over_and_that_is_explained() {
    let h = Harness::start().await;
    for _ in 0..100 {
        // Which one is first may change while this runs: the faster one is.
        let body = h.get("/v1/route/explain?show=s1").await.json();
        let first = body["show"]["reads_from"]["node"].as_u64().unwrap();
        let old = HashMap::from([(first, 60_000)]);
        h.world.lock().unwrap().old_replicas = old;
        let map = h.get("/v1/shows/s1/seats").await;
        let other = 3 - first;
        let route = map.headers["x-holdfast-route"].to_str().unwrap();
        assert!(route.contains(&format!(", node={other},")), "{route}");
        assert_eq!(map.headers["holdfast-age-ms"], "0");
        if show_health(&h, first).await == ("behind".to_owned(), true) {
            assert_eq!(show_health(&h, other).await.0, "good");
            let body = h.get("/v1/route/explain").await.json();
            let node = &body["serving"]["candidates"][0]["nodes"][0];
            assert_eq!(node["show_health"], Value::Null, "of which show?");
            return;
        }
    }
    panic!("the old replica was never asked");
}

#[tokio::test]
async fn a_leader_that_cannot_commit_is_told_by_show() {
    let h = Harness::with("write_budget_ms = 600").await;
    let buyer = h.guest().await;
    let failures = [Step::Fail(FailureCode::Unavailable); 64];
    h.world.lock().unwrap().steps.extend(failures);
    let no = h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    assert_eq!(no.problem(), (503, "unavailable".to_owned()));
    assert_eq!(show_health(&h, 1).await, ("unable".to_owned(), true));
    assert_eq!(show_health(&h, 2).await, ("good".to_owned(), false));
    h.world.lock().unwrap().steps.clear();
    let held = h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    assert_eq!(held.status, 201, "it is asked all the same: {}", held.text);
    assert_eq!(show_health(&h, 1).await.0, "good");
}
