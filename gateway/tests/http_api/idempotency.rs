//! `Idempotency-Key`: the same key, the same answer.

use crate::fake_show::Step;
use crate::harness::Harness;

const BODY: &str = r#"{"seats":["A-1"]}"#;

#[tokio::test]
async fn a_repeat_gets_the_same_answer_and_says_so() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let first = h.hold(&buyer, "k", BODY).await;
    let again = h.hold(&buyer, "\"k\"", r#"{ "seats": [ "A-1" ] }"#).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(first.headers["location"], again.headers["location"]);
    assert!(again.replayed() && !first.replayed());
    assert_eq!(
        h.world.lock().unwrap().seen.len(),
        1,
        "a remembered answer asks no node"
    );
}

#[tokio::test]
async fn a_changed_request_under_the_same_key_is_refused() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.hold(&buyer, "k", BODY).await;
    let changed = h.hold(&buyer, "k", r#"{"seats":["A-2"]}"#).await;
    assert_eq!(changed.problem(), (422, "request_reused".to_owned()));
    let elsewhere = h
        .post(&buyer, "k", "/v1/orders", r#"{"hold":"h1-1"}"#)
        .await;
    assert_eq!(elsewhere.problem(), (422, "request_reused".to_owned()));
}

#[tokio::test]
async fn another_buyers_key_is_another_key() {
    let h = Harness::start().await;
    let (one, two) = (h.guest().await, h.guest().await);
    h.hold(&one, "k", BODY).await;
    assert_eq!(h.hold(&two, "k", r#"{"seats":["A-2"]}"#).await.status, 201);
}

#[tokio::test]
async fn a_write_without_a_key_is_refused_and_nothing_happens() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let headers = [
        ("authorization", buyer.as_str()),
        ("content-type", "application/json"),
    ];
    let no = h
        .send("POST", "/v1/shows/s1/holds", &headers, Some(BODY))
        .await;
    assert_eq!(no.problem(), (400, "idempotency_key_missing".to_owned()));
    assert!(h.world.lock().unwrap().seen.is_empty());
}

#[tokio::test]
async fn a_second_request_while_the_first_is_in_work_waits_its_turn() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.world.lock().unwrap().steps.push_back(Step::KeepSilent);
    let first = h.hold(&buyer, "k", BODY);
    let second = async {
        while h.world.lock().unwrap().seen.is_empty() {
            tokio::task::yield_now().await;
        }
        h.hold(&buyer, "k", BODY).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.problem(), (409, "request_in_flight".to_owned()));
    assert_eq!(second.headers["retry-after"], "1");
    assert_eq!(first.status, 201, "{}", first.text);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let h = Harness::start().await;
    let (one, two) = (h.guest().await, h.guest().await);
    h.hold(&one, "1", BODY).await;
    assert_eq!(h.hold(&two, "k", BODY).await.problem().0, 409);
    let keyed = [("authorization", one.as_str()), ("idempotency-key", "2")];
    h.send("DELETE", "/v1/holds/h1-1", &keyed, None).await;
    assert_eq!(h.hold(&two, "k", BODY).await.status, 201);
}

#[tokio::test]
async fn the_shard_remembers_what_another_gateway_did() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    // The effect is there and the answer was lost, as if another gateway had asked and died.
    h.world
        .lock()
        .unwrap()
        .steps
        .push_back(Step::DoAndKeepSilent);
    let found = h.hold(&buyer, "k", BODY).await;
    assert_eq!((found.status.as_u16(), found.replayed()), (201, true));
}
