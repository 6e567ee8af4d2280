//! The one safe retry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_node_api::v1::{CatalogueNode, FailureCode};

use crate::fake_node;
use crate::fake_show::Step;
use crate::harness::Harness;

const BODY: &str = r#"{"seats":["A-1"]}"#;

#[tokio::test]
async fn a_hint_leads_to_the_new_leader_with_the_same_key() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.world.lock().unwrap().leader = 2;
    assert_eq!(h.hold(&buyer, "k", BODY).await.status, 201);
    let seen = std::mem::take(&mut h.world.lock().unwrap().seen);
    let nodes: Vec<u64> = seen.iter().map(|(node, ..)| *node).collect();
    assert_eq!(nodes, [1, 2]);
    assert!(
        seen.iter()
            .all(|(_, caller, key)| *caller == seen[0].1 && key == "k")
    );
    // The new leader is remembered.
    h.hold(&buyer, "l", r#"{"seats":["A-2"]}"#).await;
    assert_eq!(h.world.lock().unwrap().seen[0].0, 2);
}

#[tokio::test]
async fn a_node_that_joined_later_is_asked_and_one_that_was_removed_is_not() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let addr = fake_node::start(3, Arc::clone(&h.world)).await.to_string();
    let newcomer = CatalogueNode {
        node_id: 3,
        region: "there".to_owned(),
        addr,
        removed: false,
        draining: false,
    };
    let gone = CatalogueNode {
        node_id: 1,
        removed: true,
        ..CatalogueNode::default()
    };
    {
        let mut world = h.world.lock().unwrap();
        world.announced.send_replace(vec![newcomer, gone]);
        world.leader = 3;
    }
    // Whether the news or the write is first: the write's budget is longer than the news takes.
    let held = h.hold(&buyer, "k", BODY).await;
    assert_eq!(held.status, 201, "{}", held.text);
    h.world.lock().unwrap().seen.clear();
    h.world.lock().unwrap().leader = 2;
    h.hold(&buyer, "l", r#"{"seats":["A-2"]}"#).await;
    let seen = std::mem::take(&mut h.world.lock().unwrap().seen);
    let nodes: Vec<u64> = seen.iter().map(|(node, ..)| *node).collect();
    assert_eq!(nodes, [3, 2]);
}

#[tokio::test]
async fn an_election_is_waited_out() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let failures = [
        FailureCode::NotLeader,
        FailureCode::Unavailable,
        FailureCode::Stopped,
        FailureCode::NotReady,
    ];
    h.world
        .lock()
        .unwrap()
        .steps
        .extend(failures.map(Step::Fail));
    assert_eq!(h.hold(&buyer, "k", BODY).await.status, 201);
}

#[tokio::test]
async fn an_answer_lost_with_its_leader_is_asked_for_again_and_acts_once() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.world
        .lock()
        .unwrap()
        .steps
        .extend([Step::DoAndKeepSilent, Step::Fail(FailureCode::Deadline)]);
    let held = h.hold(&buyer, "k", BODY).await;
    assert_eq!(held.status, 201, "{}", held.text);
    assert_eq!(held.json()["id"], "h1-1", "there is one hold, not two");
}

#[tokio::test]
async fn without_a_quorum_the_answer_is_a_clear_503_within_the_budget() {
    let h = Harness::with("write_budget_ms = 600").await;
    let buyer = h.guest().await;
    h.world.lock().unwrap().leader = 0;
    let started = Instant::now();
    let no = h.hold(&buyer, "k", BODY).await;
    assert_eq!(no.problem(), (503, "unavailable".to_owned()));
    assert!(no.headers.contains_key("retry-after"));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_ambiguous_end_says_that_the_outcome_is_unknown() {
    let h = Harness::with("write_budget_ms = 600").await;
    let buyer = h.guest().await;
    h.world.lock().unwrap().steps.extend([Step::KeepSilent; 8]);
    let no = h.hold(&buyer, "k", BODY).await;
    assert_eq!(no.problem(), (503, "outcome_unknown".to_owned()));
    assert!(
        no.json()["detail"]
            .as_str()
            .unwrap()
            .contains("same Idempotency-Key")
    );
    h.world.lock().unwrap().steps.clear();
    assert_eq!(h.hold(&buyer, "k", BODY).await.status, 201);
}

#[tokio::test]
async fn an_overloaded_leader_is_not_pressed() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.world
        .lock()
        .unwrap()
        .steps
        .extend([Step::Fail(FailureCode::Overloaded); 20]);
    assert_eq!(
        h.hold(&buyer, "k", BODY).await.problem(),
        (503, "overloaded".to_owned())
    );
    assert!(h.world.lock().unwrap().steps.len() >= 15);
}

#[tokio::test]
async fn a_fault_in_the_request_is_not_retried_and_names_the_field() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.world
        .lock()
        .unwrap()
        .steps
        .push_back(Step::Fail(FailureCode::Invalid));
    let no = h.hold(&buyer, "k", BODY).await;
    assert_eq!(no.problem(), (400, "invalid".to_owned()));
    assert_eq!(no.json()["errors"][0]["field"], "place_hold.seats");
    assert_eq!(h.world.lock().unwrap().seen.len(), 1);
}
