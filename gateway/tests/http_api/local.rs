//! Holds that are doomed already, answered without the shard; and those that never may be.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::fake_show::Step;
use crate::harness::{Answer, Harness};

const LIMITS: &str = "write_budget_ms = 900";
const OCTETS: (&str, &str) = ("accept", "application/vnd.holdfast.seats+octets");

/// Waits until the copy of the gateway has log index `index`.
async fn copied(h: &Harness, index: u64) {
    for _ in 0..500 {
        let seats = h.open("/v1/shows/s1/seats", &[OCTETS]).await;
        let known: u64 = seats.headers()["holdfast-index"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let metrics = h.get("/metrics").await.text;
        if known >= index && metrics.contains("holdfast_gateway_live_shows 1") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the copy does not follow");
}

fn is_local(answer: &Answer) -> bool {
    answer
        .headers
        .get("holdfast-answered-by")
        .is_some_and(|by| by == "live-copy")
}

fn asked(h: &Harness) -> usize {
    h.world.lock().unwrap().seen.len()
}

#[tokio::test]
async fn a_taken_seat_is_refused_here_with_its_age_and_a_free_one_never_is() {
    let h = Harness::with(LIMITS).await;
    let (one, two) = (h.guest().await, h.guest().await);
    assert_eq!(h.hold(&one, "1", r#"{"seats":["A-1"]}"#).await.status, 201);
    copied(&h, 1).await;
    let before = asked(&h);
    let no = h.hold(&two, "1", r#"{"seats":["A-4","A-1"]}"#).await;
    assert_eq!(no.problem(), (409, "seats_taken".to_owned()));
    assert!(is_local(&no), "{}", no.text);
    assert_eq!(
        (
            no.json()["seats"].clone(),
            no.json()["as_of"]["index"].clone()
        ),
        (json!(["A-1"]), json!(1))
    );
    assert_eq!(no.headers["holdfast-index"], "1");
    assert_eq!(asked(&h), before, "nobody was asked");
    assert_eq!(h.hold(&two, "2", r#"{"seats":["A-4"]}"#).await.status, 201);
    assert_eq!(asked(&h), before + 1);
    let metrics = h.get("/metrics").await.text;
    assert!(metrics.contains("holdfast_gateway_holds_total{answered_by=\"live-copy\"} 1"));
    assert!(metrics.contains("holdfast_gateway_local_rejection_request_seconds_count 1"));
}

#[tokio::test]
async fn who_wants_the_leader_gets_the_leader() {
    let h = Harness::with(LIMITS).await;
    let (one, two) = (h.guest().await, h.guest().await);
    assert_eq!(h.hold(&one, "1", r#"{"seats":["A-1"]}"#).await.status, 201);
    copied(&h, 1).await;
    let before = asked(&h);
    let sure = [
        ("authorization", two.as_str()),
        ("idempotency-key", "1"),
        ("x-consistency", "linearizable"),
    ];
    let no = h.hold_with(&sure, r#"{"seats":["A-1"]}"#).await;
    assert_eq!(no.problem(), (409, "seats_taken".to_owned()));
    assert!(!is_local(&no) && asked(&h) == before + 1);
}

#[tokio::test]
async fn a_repeat_at_another_gateway_gets_its_first_answer_though_the_seat_is_taken() {
    let h = Harness::with(LIMITS).await;
    let buyer = h.guest().await;
    let body = r#"{"seats":["A-1"]}"#;
    assert_eq!(h.hold(&buyer, "1", body).await.status, 201);
    let other = Harness::of(Arc::clone(&h.world), LIMITS).await;
    copied(&other, 1).await;
    let again = other.hold(&buyer, "1", body).await;
    assert_eq!(
        (again.status.as_u16(), again.replayed()),
        (201, true),
        "{}",
        again.text
    );
    let stranger = other.guest().await;
    assert!(is_local(&other.hold(&stranger, "1", body).await));
}

#[tokio::test]
async fn a_request_whose_outcome_is_unknown_here_is_not_answered_from_the_copy() {
    let h = Harness::with(LIMITS).await;
    let (one, two) = (h.guest().await, h.guest().await);
    copied(&h, 0).await;
    let silence = std::iter::repeat_n(Step::KeepSilent, 4);
    h.world.lock().unwrap().steps.extend(silence);
    let body = r#"{"seats":["A-1"]}"#;
    let lost = h.hold(&two, "1", body).await;
    assert_eq!(lost.problem(), (503, "outcome_unknown".to_owned()));
    h.world.lock().unwrap().steps.clear();
    assert_eq!(h.hold(&one, "1", body).await.status, 201);
    let index = h.world.lock().unwrap().index;
    copied(&h, index).await;
    let again = h.hold(&two, "1", body).await;
    assert_eq!(again.problem(), (409, "seats_taken".to_owned()));
    assert!(!is_local(&again), "the first try may be on its way");
    assert!(
        is_local(&h.hold(&two, "2", body).await),
        "a new request is another matter"
    );
}

#[tokio::test]
async fn an_old_copy_speaks_of_sold_seats_only() {
    let h = Harness::with(LIMITS).await;
    let (one, two) = (h.guest().await, h.guest().await);
    assert_eq!(
        h.hold(&one, "1", r#"{"seats":["A-1","A-2"]}"#).await.status,
        201
    );
    {
        let mut world = h.world.lock().unwrap();
        world.sold.insert(1);
        world.age_ms = 5_000;
        world.index += 1;
    }
    for _ in 0..500 {
        let no = h.hold(&two, "s", r#"{"seats":["A-2"]}"#).await;
        assert_eq!(no.problem(), (409, "seats_taken".to_owned()));
        if is_local(&no) && no.json()["as_of"]["age_ms"].as_u64() >= Some(5_000) {
            let held = h.hold(&two, "h", r#"{"seats":["A-1"]}"#).await;
            assert_eq!(held.problem(), (409, "seats_taken".to_owned()));
            assert!(!is_local(&held), "a hold may have lapsed since");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a sold seat was not answered for from the copy");
}

#[tokio::test]
async fn an_operator_can_have_every_hold_asked_of_the_shard() {
    let h = Harness::with("write_budget_ms = 900\n[live]\nlocal_rejection = false").await;
    let (one, two) = (h.guest().await, h.guest().await);
    assert_eq!(h.hold(&one, "1", r#"{"seats":["A-1"]}"#).await.status, 201);
    copied(&h, 1).await;
    assert!(!is_local(&h.hold(&two, "1", r#"{"seats":["A-1"]}"#).await));
}
