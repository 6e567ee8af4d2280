//! Where an answer comes from, and that slow or lost nodes cost a reader little.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_gateway::geo::exchange::ClusterToken;
use holdfast_gateway::session::Sessions;
use holdfast_node_api::v1::CatalogueNode;

use crate::browser::Browser;
use crate::fake_show::World;
use crate::harness::{Answer, Harness};

/// The header as pairs.
fn route(answer: &Answer) -> Vec<(String, String)> {
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

/// What a second request, with the token of the first, is answered: as the page asks.
async fn echoed(h: &Harness) -> Answer {
    let first = h.get("/v1/route/echo").await;
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["access-control-allow-origin"], "*");
    assert!(first.json()["round_trip_ms"].is_null(), "{}", first.text);
    let token = first.json()["token"].as_str().unwrap().to_owned();
    h.get(&format!("/v1/route/echo?token={token}")).await
}

#[tokio::test]
async fn a_client_that_answers_at_once_is_measured() {
    let h = Harness::start().await;
    let echo = echoed(&h).await;
    assert_eq!(echo.status, 200, "{}", echo.text);
    assert_eq!(echo.json()["region"], "here");
    let took_ms = echo.json()["round_trip_ms"].as_f64().unwrap();
    assert!((0.0..=2_000.0).contains(&took_ms), "{took_ms}");
    let own = h.get("/v1/route/explain").await.json();
    assert_eq!(own["client"]["known_by"], "measured");
    assert_eq!(own["client"]["range"], "127.0.0.0/24");
    let entry = &own["entry"]["candidates"][0];
    assert_eq!(own["entry"]["region"], "here");
    assert_eq!(entry["region"], "here");
    assert_eq!(entry["measured_ms"], echo.json()["round_trip_ms"]);
    let stranger = h.get("/v1/route/explain?client=203.0.113.9").await.json();
    assert_eq!(stranger["client"]["known_by"], "unknown");
    assert_eq!(stranger["client"]["range"], "203.0.113.0/24", "no wider");
    let metrics = h.get("/metrics").await.text;
    for line in [
        "holdfast_gateway_round_trips_total 1",
        "holdfast_gateway_round_trip_networks{about=\"here\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in:\n{metrics}");
    }
}

#[tokio::test]
async fn a_token_that_is_forged_or_another_gateways_is_refused() {
    let h = Harness::start().await;
    let other = h.beside().await.get("/v1/route/echo").await.json();
    let own = h.get("/v1/route/echo").await.json();
    let own = own["token"].as_str().unwrap();
    let forged = format!("{}AAAA", &own[..own.len() - 4]);
    for bad in [forged.as_str(), "x", other["token"].as_str().unwrap()] {
        let no = h.get(&format!("/v1/route/echo?token={bad}")).await;
        assert_eq!(no.problem(), (400, "invalid_parameter".to_owned()));
        assert_eq!(no.json()["errors"][0]["field"], "token");
    }
    let unknown = h.get("/v1/route/echo?tokens=x").await;
    assert_eq!(unknown.json()["errors"][0]["field"], "tokens");
    let own = h.get("/v1/route/explain").await.json();
    assert_eq!(own["client"]["known_by"], "unknown", "nothing was measured");
}

#[tokio::test]
async fn only_gateways_of_the_cluster_are_told_what_was_measured_and_only_once() {
    let h = Harness::start().await;
    assert_eq!(echoed(&h).await.status, 200);
    // The key of the harness, as another gateway has it.
    let token = |key: u8| {
        let sessions = Sessions::new([key; 32], Duration::from_secs(60));
        format!("Bearer {}", ClusterToken::of(&sessions).text())
    };
    let (ours, theirs) = (token(7), token(8));
    let ask = async |path: &str, token: &str| {
        let headers = [("authorization", token)];
        h.send("GET", path, &headers, None).await
    };
    for stranger in [theirs.as_str(), "Bearer ", "Basic x"] {
        let no = ask("/v1/route/round-trips", stranger).await;
        assert_eq!(
            no.problem(),
            (401, "token_invalid".to_owned()),
            "{stranger}"
        );
    }
    let no = h.get("/v1/route/round-trips").await;
    assert_eq!(no.problem(), (401, "token_invalid".to_owned()));
    let told = ask("/v1/route/round-trips", &ours).await.json();
    assert_eq!(told["region"], "here");
    assert_eq!(told["round_trips"].as_array().unwrap().len(), 1);
    assert_eq!(told["round_trips"][0]["network"], "127.0.0.0/24");
    let next = told["next"].as_str().unwrap();
    let news = ask(&format!("/v1/route/round-trips?after={next}"), &ours).await;
    assert_eq!(news.json()["round_trips"], serde_json::json!([]));
    assert_eq!(news.json()["next"], next);
    let again = ask("/v1/route/round-trips?after=0-9", &ours).await.json();
    let heard = again["round_trips"].as_array().unwrap().len();
    assert_eq!(heard, 1, "who heard another process begins anew");
    let no = ask("/v1/route/round-trips?after=x", &ours).await;
    assert_eq!(no.problem(), (400, "invalid_parameter".to_owned()));
    assert_eq!(no.json()["errors"][0]["field"], "after");
}

#[tokio::test]
async fn a_page_is_told_where_to_measure_and_may() {
    let sections = "[geo.round_trips]\norigins = { here = \"https://here.example\", there = \"http://127.0.0.1:81\" }";
    let world = Arc::new(Mutex::new(World::led_by(1)));
    let h = Harness::configured(world, "", sections).await;
    let page = Browser::new(&h).open("/").await;
    let origins = "https://here.example http://127.0.0.1:81";
    page.has(&format!("data-origins=\"{origins}\""));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let connect = format!("; connect-src 'self' {origins};");
    assert!(policy.contains(&connect), "{policy}");
    let h = Harness::start().await;
    let page = Browser::new(&h).open("/").await;
    assert!(!page.text.contains("data-origins"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("; connect-src 'self';"), "{policy}");
}

#[tokio::test]
async fn a_region_whose_nodes_are_gone_is_served_through_another_one() {
    let h = Harness::start().await;
    let there = crate::fake_node::start(3, Arc::clone(&h.world)).await;
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
