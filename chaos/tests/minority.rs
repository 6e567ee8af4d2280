//! A region that is cut off knows that it cannot sell, says so, and still shows what it last knew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use tokio::time::Instant;

/// A refusal must come within the gateway's write budget and a little.
const REFUSED_WITHIN: Duration = Duration::from_secs(16);
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_region_refuses_writes_and_serves_maps_with_their_age() {
    let shows = vec![GridShow::new("cut", "eastus", 5, 10)];
    let lab = Lab::start(LabOptions::wide(shows)).await.unwrap();
    let show = lab.show(0);
    let map = format!("/v1/shows/{show}/seats");
    // The home region itself is cut off: its leader must step aside.
    let inside = lab.guest(0).await.unwrap();
    let outside = lab.guest(1).await.unwrap();
    let hold = inside.hold(&show, &["A-1-1"], "before").await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let wan = lab.cluster.wan().unwrap();
    wan.isolate(&lab.region(0));

    let elsewhere =
        holdfast_chaos::buyer::insist(PATIENCE, || outside.hold(&show, &["A-2-1"], "majority"));
    let elsewhere = elsewhere.await;
    assert_eq!(elsewhere.status, 201, "{:?}", elsewhere.body);

    let asked_at = Instant::now();
    let refused = inside.hold(&show, &["A-3-1"], "minority").await;
    assert_eq!(refused.status, 503, "{:?}", refused.body);
    assert!(refused.problem, "not problem+json: {:?}", refused.body);
    assert!(refused.retry_after_s.is_some(), "no Retry-After");
    assert!(
        ["unavailable", "outcome_unknown"].contains(&refused.code()),
        "{:?}",
        refused.body
    );
    assert!(
        asked_at.elapsed() < REFUSED_WITHIN,
        "{:?}",
        asked_at.elapsed()
    );

    let first = inside.get(&map).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = inside.get(&map).await;
    let age =
        |answer: &holdfast_chaos::buyer::Answer| answer.body["as_of"]["age_ms"].as_u64().unwrap();
    assert!(
        age(&second) >= age(&first) + 400,
        "{} then {}",
        age(&first),
        age(&second)
    );
    let seat = |answer: &holdfast_chaos::buyer::Answer, id: &str| {
        let seats = answer.body["seats"].as_array().unwrap().clone();
        seats.into_iter().find(|seat| seat["id"] == id).unwrap()["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // What it knew, not what happened since.
    assert_eq!(seat(&second, "A-1-1"), "held");
    assert_eq!(seat(&second, "A-2-1"), "available");

    wan.heal_all();
    let after =
        holdfast_chaos::buyer::insist(PATIENCE, || inside.hold(&show, &["A-3-1"], "minority"));
    let after = after.await;
    assert_eq!(after.status, 201, "{:?}", after.body);
    lab.replicas_agree(lab.shows[0].show_id, PATIENCE)
        .await
        .unwrap();
    let fresh = inside.get(&map).await;
    assert_eq!(seat(&fresh, "A-2-1"), "held");
    lab.stop().await;
}
