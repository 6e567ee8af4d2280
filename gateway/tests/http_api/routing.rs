//! Where an answer comes from, and that slow or lost nodes cost a reader little.

use std::time::Duration;

use holdfast_node_api::v1::CatalogueNode;

use crate::harness::Harness;

/// The header as pairs.
fn route(answer: &crate::harness::Answer) -> Vec<(String, String)> {
    let line = answer.headers["x-holdfast-route"].to_str().unwrap();
    let pairs = line
        .split(", ")
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn said<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn every_answer_about_a_show_says_where_it_came_from() {
    let h = Harness::start().await;
    h.world.lock().unwrap().age_ms = 7;
    let map = h.get("/v1/shows/s1/seats").await;
    let pairs = route(&map);
    assert_eq!(said(&pairs, "gateway"), Some("here"));
    assert_eq!(said(&pairs, "served-by"), Some("here"));
    assert_eq!(said(&pairs, "leader"), Some("here"));
    assert_eq!(said(&pairs, "age-ms"), Some("7"));
    let timing = map.headers["server-timing"].to_str().unwrap();
    assert!(
        timing.starts_with("upstream;dur=") && timing.contains(", gateway;dur="),
        "{timing}"
    );
    let buyer = h.guest().await;
    let hold = h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    assert_eq!(said(&route(&hold), "node"), Some("1"), "the leader");
    assert!(
        !h.get("/v1/events")
            .await
            .headers
            .contains_key("x-holdfast-route")
    );
}

#[tokio::test]
async fn a_read_that_is_late_is_asked_elsewhere_too() {
    let h = Harness::start().await;
    h.get("/v1/shows/s1/seats").await;
    h.world
        .lock()
        .unwrap()
        .map_delays
        .insert(1, Duration::from_millis(1_000));
    h.world
        .lock()
        .unwrap()
        .map_delays
        .insert(2, Duration::from_millis(0));
    let mut late = 0;
    for _ in 0..4 {
        let pairs = route(&h.get("/v1/shows/s1/seats").await);
        assert_eq!(said(&pairs, "node"), Some("2"));
        late += u32::from(said(&pairs, "tries") == Some("2"));
    }
    let metrics = h.get("/metrics").await.text;
    let hedged = metrics.lines().find_map(|line| {
        line.strip_prefix("holdfast_gateway_read_tries_total{result=\"hedged\"} ")
    });
    let hedged: u32 = hedged.map_or(0, |count| count.parse().unwrap());
    assert!(
        hedged >= late,
        "a slow machine is late with the first one too: {metrics}"
    );
}

#[tokio::test]
async fn the_choice_is_explained() {
    let h = Harness::start().await;
    let body = h
        .get("/v1/route/explain?client=203.0.113.9&show=s1")
        .await
        .json();
    assert_eq!(body["gateway"], "here");
    assert_eq!(body["client"]["known_by"], "unknown");
    assert_eq!(body["client"]["range"], "0.0.0.0/0", "true for everybody");
    assert_eq!(body["entry"]["region"], "here");
    assert_eq!(body["serving"]["candidates"][0]["chosen"], true);
    let nodes = body["serving"]["candidates"][0]["nodes"]
        .as_array()
        .unwrap();
    assert_eq!(nodes.len(), 2);
    assert!(nodes.iter().all(|node| node["replica"] == "voter"));
    assert_eq!(body["show"]["home_region"], "here");
    assert_eq!(body["show"]["writes_to"]["confirmed"], false);
    let buyer = h.guest().await;
    h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    let body = h.get("/v1/route/explain?show=s1").await.json();
    assert_eq!(body["show"]["writes_to"]["confirmed"], true);
    assert_eq!(body["client"]["address"], "127.0.0.1");
    let no = h.get("/v1/route/explain?client=example.org").await;
    assert_eq!(no.problem(), (400, "invalid_parameter".to_owned()));
    assert_eq!(h.get("/v1/route/explain?show=s9").await.problem().0, 404);
}

#[tokio::test]
async fn a_region_whose_nodes_are_gone_is_served_through_another_one() {
    let h = Harness::start().await;
    let there = crate::fake_node::start(3, std::sync::Arc::clone(&h.world)).await;
    let node = |node_id, region: &str, addr: String, removed| CatalogueNode {
        node_id,
        region: region.to_owned(),
        addr,
        removed,
        draining: false,
    };
    h.world.lock().unwrap().leader = 3;
    // The gateway's own nodes vanish from its world as if their region burned down.
    h.world.lock().unwrap().announced.send_replace(vec![
        node(3, "there", there.to_string(), false),
        node(1, "here", String::new(), true),
        node(2, "here", String::new(), true),
    ]);
    let mut answer = h.get("/v1/shows/s1/seats").await;
    for _ in 0..200 {
        if said(&route(&answer), "served-by") == Some("there") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = h.get("/v1/shows/s1/seats").await;
    }
    assert_eq!(said(&route(&answer), "served-by"), Some("there"));
    let buyer = h.guest().await;
    let hold = h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    assert_eq!(hold.status, 201);
    assert_eq!(said(&route(&hold), "leader"), Some("there"));
}
