//! The orders of whoever asks, in pages; nobody else's, and nothing left out in silence.

use crate::harness::Harness;

async fn buy(h: &Harness, buyer: &str, number: u32, seat: &str) -> String {
    let key = |step: &str| format!("{step}-{number}");
    let body = format!(r#"{{"seats":["{seat}"]}}"#);
    let hold = h.hold(buyer, &key("hold"), &body).await.json();
    let body = serde_json::json!({ "hold": hold["id"] }).to_string();
    let order = h.post(buyer, &key("order"), "/v1/orders", &body).await;
    let id = order.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/orders/{id}/pay");
    let body = r#"{"payment_token":"tok_approve"}"#;
    let paid = h.post(buyer, &key("pay"), &path, body).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    id
}

#[tokio::test]
async fn a_buyer_gets_their_own_orders_page_by_page() {
    let h = Harness::start().await;
    let (one, two) = (h.guest().await, h.guest().await);
    let auth = [("authorization", one.as_str())];
    let none = h.send("GET", "/v1/orders", &auth, None).await;
    assert_eq!(none.json()["orders"], serde_json::json!([]));
    for (number, seat) in [(1, "A-1"), (2, "A-2"), (3, "A-3")] {
        buy(&h, &one, number, seat).await;
    }
    buy(&h, &two, 1, "A-4").await;

    let first = h.send("GET", "/v1/orders?page_size=2", &auth, None).await;
    let first = first.json();
    assert_eq!(first["orders"][0]["id"], "o1-3");
    assert_eq!(first["orders"][1]["id"], "o1-2");
    assert_eq!(first["orders"][1]["state"], "confirmed");
    assert_eq!(first["complete"], true);
    assert_eq!(first["indexes"][0]["jurisdiction"], "XX");
    let path = format!("/v1/orders?after={}", first["next"].as_str().unwrap());
    let rest = h.send("GET", &path, &auth, None).await.json();
    assert_eq!(rest["orders"].as_array().unwrap().len(), 1);
    assert_eq!(rest["orders"][0]["id"], "o1-1");
    assert!(rest["next"].is_null());
}

#[tokio::test]
async fn who_asks_for_orders_says_who_they_are_and_gets_no_guess() {
    let h = Harness::start().await;
    let nobody = h.get("/v1/orders").await;
    assert_eq!(nobody.problem(), (401, "unauthenticated".to_owned()));
    let buyer = h.guest().await;
    let auth = [("authorization", buyer.as_str())];
    for query in ["after=o1-1", "page_size=0", "page_size=101", "show=s1"] {
        let path = format!("/v1/orders?{query}");
        let no = h.send("GET", &path, &auth, None).await;
        assert_eq!(
            no.problem(),
            (400, "invalid_parameter".to_owned()),
            "{query}"
        );
    }
    h.world.lock().unwrap().index_down = true;
    let away = h.send("GET", "/v1/orders", &auth, None).await;
    assert_eq!(away.problem(), (503, "unavailable".to_owned()));
}
