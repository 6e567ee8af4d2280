//! The whole way of a buyer, through three gateways over the emulated network, with real processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use serde_json::json;

/// Longer than any step takes over the network, shorter than a person's patience.
const PATIENCE: Duration = Duration::from_secs(20);

async fn lab() -> Lab {
    let mut short = GridShow::new("short", "southeastasia", 4, 10);
    short.hold_ttl_ms = 2_000;
    let shows = vec![GridShow::new("main", "eastus", 10, 12), short];
    Lab::start(LabOptions::wide(shows)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_gets_from_search_to_ticket_through_three_gateways() {
    let lab = lab().await;
    finds_the_show_everywhere(&lab).await;
    buys_through_three_gateways(&lab).await;
    cancels_and_another_buys(&lab).await;
    is_declined_and_tries_again(&lab).await;
    loses_a_conflict_and_is_told_the_seats(&lab).await;
    lets_a_hold_expire(&lab).await;
    repeats_safely(&lab).await;
    lab.stop().await;
}

async fn finds_the_show_everywhere(lab: &Lab) {
    for region in 0..3 {
        let guest = lab.guest(region).await.unwrap();
        let found = guest.get("/v1/events?city=testville&q=event").await;
        assert_eq!(found.status, 200, "{:?}", found.body);
        let text = found.body.to_string();
        assert!(text.contains("Event main"), "{text}");
        let none = guest.get("/v1/events?city=nowhere").await;
        assert!(
            !none.body.to_string().contains("Event main"),
            "{}",
            none.body
        );
    }
}

async fn buys_through_three_gateways(lab: &Lab) {
    let show = lab.show(0);
    let here = lab.guest(0).await.unwrap();
    let (there, far) = (here.through(&lab.gateway(1)), here.through(&lab.gateway(2)));
    let map = far.get(&format!("/v1/shows/{show}/seats")).await;
    assert_eq!(map.status, 200);
    assert!(
        map.body["as_of"]["age_ms"].is_u64(),
        "{}",
        map.body["as_of"]
    );
    assert_eq!(map.body["seats"].as_array().unwrap().len(), 120);

    let hold = far.hold(&show, &["A-1-1", "A-1-2"], "buy-hold").await;
    assert_eq!(
        (hold.status, hold.state()),
        (201, "active"),
        "{:?}",
        hold.body
    );
    assert_eq!(hold.body["total_minor"], 5_000);
    let longer = here.extend(&hold.id(), "buy-extend").await;
    assert_eq!(longer.status, 200, "{:?}", longer.body);
    let order = there.order(&hold.id(), "buy-order").await;
    assert_eq!(
        (order.status, order.state()),
        (201, "open"),
        "{:?}",
        order.body
    );
    let paid = here.pay(&order.id(), "tok_approve", "buy-pay").await;
    assert!([200, 202].contains(&paid.status), "{:?}", paid.body);
    let confirmed = far.order_until(&order.id(), "confirmed", PATIENCE).await;
    assert_eq!(confirmed.state(), "confirmed", "{:?}", confirmed.body);
    assert_eq!(confirmed.body["tickets"].as_array().unwrap().len(), 2);
    let state = lab.final_state(1, &show, &[]).await.unwrap();
    assert_eq!(state.seats["A-1-1"], "sold");
    assert_eq!(state.seats["A-1-3"], "available");
    // Someone else may not look at it.
    let stranger = lab.guest(2).await.unwrap();
    let peek = stranger.get(&format!("/v1/orders/{}", order.id())).await;
    assert!([403, 404].contains(&peek.status), "{:?}", peek.body);
}

async fn cancels_and_another_buys(lab: &Lab) {
    let show = lab.show(0);
    let first = lab.guest(1).await.unwrap();
    let hold = first
        .hold_with(&show, &json!({"best_available": {"quantity": 3}}), "c-hold")
        .await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let seats = hold.seats();
    assert_eq!(seats.len(), 3);
    let order = first.order(&hold.id(), "c-order").await;
    let cancelled = first
        .through(&lab.gateway(2))
        .cancel(&order.id(), "c-cancel")
        .await;
    assert_eq!(
        (cancelled.status, cancelled.state()),
        (200, "cancelled"),
        "{:?}",
        cancelled.body
    );
    let second = lab.guest(0).await.unwrap();
    let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
    let hold = second.hold(&show, &seats, "c2-hold").await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let gone = second.release(&hold.id(), "c2-release").await;
    assert!([200, 204].contains(&gone.status), "{:?}", gone.body);
}

async fn is_declined_and_tries_again(lab: &Lab) {
    let show = lab.show(0);
    let buyer = lab.guest(2).await.unwrap();
    let hold = buyer.hold(&show, &["A-5-5"], "d-hold").await;
    let order = buyer.order(&hold.id(), "d-order").await;
    let declined = buyer.pay(&order.id(), "tok_decline", "d-pay-1").await;
    assert_eq!(
        (declined.status, declined.code()),
        (402, "payment_declined"),
        "{:?}",
        declined.body
    );
    assert!(declined.problem);
    let paid = buyer.pay(&order.id(), "tok_approve", "d-pay-2").await;
    assert!([200, 202].contains(&paid.status), "{:?}", paid.body);
    let confirmed = buyer.order_until(&order.id(), "confirmed", PATIENCE).await;
    assert_eq!(confirmed.state(), "confirmed", "{:?}", confirmed.body);
}

async fn loses_a_conflict_and_is_told_the_seats(lab: &Lab) {
    let show = lab.show(0);
    let (a, b) = (lab.guest(0).await.unwrap(), lab.guest(2).await.unwrap());
    let (first, second) = tokio::join!(
        a.hold(&show, &["A-7-1", "A-7-2"], "x-a"),
        b.hold(&show, &["A-7-2", "A-7-3"], "x-b"),
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{:?} {:?}", first.body, second.body);
    let loser = if first.status == 409 { &first } else { &second };
    assert_eq!(loser.code(), "seats_taken");
    assert_eq!(loser.seats(), ["A-7-2"]);
    assert!(loser.problem);
    // All or nothing: the loser's other seat is free.
    let free = if first.status == 409 {
        "A-7-1"
    } else {
        "A-7-3"
    };
    assert_eq!(
        lab.final_state(1, &show, &[]).await.unwrap().seats[free],
        "available"
    );
}

async fn lets_a_hold_expire(lab: &Lab) {
    let show = lab.show(1);
    let buyer = lab.guest(1).await.unwrap();
    let hold = buyer.hold(&show, &["A-1-1"], "e-hold").await;
    assert_eq!(hold.status, 201, "{:?}", hold.body);
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let now = lab.final_state(2, &show, &[]).await.unwrap().seats["A-1-1"].clone();
        if now == "available" {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "still {now}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let late = buyer.order(&hold.id(), "e-order").await;
    assert_eq!(
        (late.status, late.code()),
        (409, "hold_expired"),
        "{:?}",
        late.body
    );
}

async fn repeats_safely(lab: &Lab) {
    let show = lab.show(0);
    let buyer = lab.guest(0).await.unwrap();
    let first = buyer.hold(&show, &["A-9-9"], "r-hold").await;
    // Another gateway does not know the first answer; the shard does.
    let again = buyer
        .through(&lab.gateway(1))
        .hold(&show, &["A-9-9"], "r-hold")
        .await;
    assert_eq!(
        (again.status, again.id()),
        (201, first.id()),
        "{:?}",
        again.body
    );
    assert!(again.replayed, "{:?}", again.body);
    let other = buyer
        .through(&lab.gateway(2))
        .hold(&show, &["A-9-8"], "r-hold")
        .await;
    assert_eq!(other.status, 422, "{:?}", other.body);
}
