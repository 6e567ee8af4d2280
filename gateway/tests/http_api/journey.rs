//! What a buyer does, in order.

use crate::harness::Harness;

#[tokio::test]
async fn a_buyer_finds_holds_orders_pays_and_gets_tickets() {
    let h = Harness::start().await;
    let found = h.get("/v1/events?city=porto&q=night").await.json();
    assert_eq!(found["events"][0]["shows"][0]["id"], "s1");
    assert_eq!(h.get("/v1/events/e1").await.json()["name"], "Night Music");
    assert_eq!(
        h.get("/v1/events/e1/shows").await.json()["shows"][0]["city"],
        "Porto"
    );
    assert_eq!(
        h.get("/v1/shows/s1").await.json()["event_name"],
        "Night Music"
    );

    let buyer = h.guest().await;
    let held = h.hold(&buyer, "1", r#"{"seats":["A-2","A-3"]}"#).await;
    assert_eq!(held.status, 201, "{}", held.text);
    assert_eq!(held.headers["location"], "/v1/holds/h1-1");
    assert_eq!(held.json()["seats"], serde_json::json!(["A-2", "A-3"]));

    let auth = [("authorization", buyer.as_str())];
    assert_eq!(
        h.send("GET", "/v1/holds/h1-1", &auth, None).await.json()["state"],
        "active"
    );
    let longer = h
        .post(&buyer, "2", "/v1/holds/h1-1/extend", "")
        .await
        .json();
    assert_eq!(longer["expires_at_ms"], 61_000);

    let order = h
        .post(&buyer, "3", "/v1/orders", r#"{"hold":"h1-1"}"#)
        .await;
    assert_eq!(
        (order.status.as_u16(), &order.headers["location"]),
        (201, &"/v1/orders/o1-1".parse().unwrap())
    );
    let paid = h
        .post(
            &buyer,
            "4",
            "/v1/orders/o1-1/pay",
            r#"{"payment_token":"tok_approve"}"#,
        )
        .await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    assert_eq!(paid.json()["state"], "confirmed");
    assert_eq!(paid.json()["tickets"], serde_json::json!(["t1-1", "t1-2"]));
    assert_eq!(
        h.send("GET", "/v1/orders/o1-1", &auth, None).await.json()["state"],
        "confirmed"
    );
}

#[tokio::test]
async fn a_taken_seat_is_named_and_the_other_buyer_keeps_it() {
    let h = Harness::start().await;
    let (one, two) = (h.guest().await, h.guest().await);
    assert_eq!(h.hold(&one, "1", r#"{"seats":["A-1"]}"#).await.status, 201);
    let no = h.hold(&two, "1", r#"{"seats":["A-1","A-4"]}"#).await;
    assert_eq!(no.problem(), (409, "seats_taken".to_owned()));
    assert_eq!(no.json()["seats"], serde_json::json!(["A-1"]));
    let theirs = h
        .send("GET", "/v1/holds/h1-1", &[("authorization", &two)], None)
        .await;
    assert_eq!(theirs.problem(), (403, "hold_not_yours".to_owned()));
    let none = h
        .send("GET", "/v1/holds/h1-9", &[("authorization", &two)], None)
        .await;
    assert_eq!(none.problem(), (404, "hold_unknown".to_owned()));
}

#[tokio::test]
async fn a_hold_can_be_let_go_and_an_order_cancelled() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.hold(
        &buyer,
        "1",
        r#"{"best_available":{"quantity":2,"category":"Best"}}"#,
    )
    .await;
    let keyed = [("authorization", buyer.as_str()), ("idempotency-key", "2")];
    let gone = h.send("DELETE", "/v1/holds/h1-1", &keyed, None).await;
    assert_eq!(gone.json()["state"], "released");
    let ga = h
        .hold(
            &buyer,
            "3",
            r#"{"general_admission":{"area":"floor","quantity":4}}"#,
        )
        .await
        .json();
    assert_eq!(
        ga["general_admission"],
        serde_json::json!({"area": "floor", "quantity": 4})
    );
    h.post(&buyer, "4", "/v1/orders", r#"{"hold":"h1-2"}"#)
        .await;
    let cancelled = h.post(&buyer, "5", "/v1/orders/o1-1/cancel", "").await;
    assert_eq!(cancelled.json()["state"], "cancelled");
}

#[tokio::test]
async fn payments_that_fail_say_how_and_one_still_under_way_is_accepted() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.hold(&buyer, "1", r#"{"seats":["A-1"]}"#).await;
    h.post(&buyer, "2", "/v1/orders", r#"{"hold":"h1-1"}"#)
        .await;
    let pay = async |key: &str, token: &str| {
        let body = format!("{{\"payment_token\":\"{token}\"}}");
        h.post(&buyer, key, "/v1/orders/o1-1/pay", &body).await
    };
    let declined = pay("3", "tok_decline").await;
    assert_eq!(declined.problem(), (402, "payment_declined".to_owned()));
    assert_eq!(declined.json()["order"]["id"], "o1-1");
    assert_eq!(
        pay("4", "tok_timeout").await.problem(),
        (402, "payment_timeout".to_owned())
    );
    let slow = pay("5", "tok_other").await;
    assert_eq!(
        (slow.status.as_u16(), slow.json()["state"].as_str()),
        (202, Some("paying"))
    );
}

#[tokio::test]
async fn the_seat_map_has_a_whole_and_a_compact_form_and_polls_cheaply() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    h.hold(&buyer, "1", r#"{"seats":["A-2"]}"#).await;
    let whole = h.get("/v1/shows/s1/seats").await;
    let map = whole.json();
    assert_eq!(map["seats"][1]["state"], "held");
    assert_eq!(map["seats"][0]["accessible"], true);
    assert_eq!(map["seats"][1]["companion_of"], "A-1");
    assert_eq!(map["seats"][2]["price_minor"], 4_500);
    assert_eq!(map["areas"][0]["available"], 50);

    let compact = h.get("/v1/shows/s1/seats?fields=state").await;
    assert_eq!(compact.json()["states"], "ahaaaa");
    let tag = compact.headers["etag"].to_str().unwrap();
    assert_ne!(tag, whole.headers["etag"]);
    h.world.lock().unwrap().age_ms = 12_345;
    let path = "/v1/shows/s1/seats?fields=state";
    let same = h.send("GET", path, &[("if-none-match", tag)], None).await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    assert_eq!(same.headers["holdfast-age-ms"], "12345");
    h.hold(&buyer, "2", r#"{"seats":["A-3"]}"#).await;
    assert_eq!(
        h.send("GET", path, &[("if-none-match", tag)], None)
            .await
            .status,
        200
    );

    let sure = h
        .send("GET", path, &[("x-consistency", "linearizable")], None)
        .await
        .json();
    assert_eq!(sure["as_of"]["linearizable"], true);
    h.world.lock().unwrap().reads_down = true;
    assert_eq!(h.get(path).await.problem(), (503, "unavailable".to_owned()));
}
