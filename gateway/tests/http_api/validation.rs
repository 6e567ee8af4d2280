//! Bad input: each gets an answer that names the field and the reason.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::Harness;

#[tokio::test]
async fn tokens_that_are_missing_or_tampered_with_are_told_apart() {
    let h = Harness::start().await;
    let good = h.guest().await;
    let ask = async |headers: &[(&str, &str)]| h.send("GET", "/v1/holds/h1-1", headers, None).await;
    let none = ask(&[]).await;
    assert_eq!(none.problem(), (401, "unauthenticated".to_owned()));
    assert!(none.headers.contains_key("www-authenticate"));
    let mut changed = good.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [changed.as_str(), "Bearer ", "Basic abc", "Bearer x.y.z"] {
        assert_eq!(
            ask(&[("authorization", bad)]).await.problem(),
            (401, "token_invalid".to_owned()),
            "{bad}"
        );
    }
    let bad_cookie = ask(&[("cookie", "hf_guest=nonsense")]).await;
    assert_eq!(bad_cookie.problem(), (401, "token_invalid".to_owned()));
}

#[tokio::test]
async fn a_guest_cookie_is_as_good_as_its_token_and_is_renewed() {
    let h = Harness::start().await;
    let guest = h.send("POST", "/v1/guests", &[], None).await;
    let cookie = guest.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    let again = h
        .send("POST", "/v1/guests", &[("cookie", pair)], None)
        .await;
    assert_eq!(again.json()["buyer"], guest.json()["buyer"]);
    let headers = [("cookie", pair), ("idempotency-key", "k")];
    let held = h.hold_with(&headers, r#"{"seats":["A-1"]}"#).await;
    assert_eq!(held.status, 201, "{}", held.text);
}

#[tokio::test]
async fn bad_bodies_name_the_field() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let many = format!("{{\"seats\":[{}]}}", vec!["\"A-1\""; 257].join(","));
    let cases = [
        ("", 400, "invalid_json", ""),
        ("[1]", 400, "invalid_json", ""),
        (r#"{"seats":["A-1"],"x":1}"#, 400, "invalid_json", "/x"),
        (r#"{"seats":[1]}"#, 400, "invalid_json", "/seats/0"),
        (many.as_str(), 400, "invalid_json", "/seats"),
        (
            r#"{"best_available":{"quantity":-1}}"#,
            400,
            "invalid_json",
            "/best_available/quantity",
        ),
        (
            r#"{"best_available":{"quantity":1,"category":"?"}}"#,
            422,
            "category_unknown",
            "/best_available/category",
        ),
    ];
    for (body, status, code, field) in cases {
        let no = h.hold(&buyer, "k", body).await;
        assert_eq!(no.problem(), (status, code.to_owned()), "{body}");
        assert_eq!(no.json()["errors"][0]["field"], field, "{body}");
    }
    let unknown = h.hold(&buyer, "k", r#"{"seats":["A-1","Z-9"]}"#).await;
    assert_eq!(unknown.problem(), (422, "seat_unknown".to_owned()));
    assert_eq!(unknown.json()["seats"], serde_json::json!(["Z-9"]));
    let large = h.hold(&buyer, "k", &"x".repeat(65 * 1024)).await;
    assert_eq!(large.problem(), (413, "body_too_large".to_owned()));
    let headers = [
        ("authorization", buyer.as_str()),
        ("idempotency-key", "k"),
        ("content-type", "text/plain"),
    ];
    let text = h
        .send("POST", "/v1/shows/s1/holds", &headers, Some("{}"))
        .await;
    assert_eq!(text.problem(), (415, "unsupported_media_type".to_owned()));
    assert!(h.world.lock().unwrap().seen.is_empty());
}

#[tokio::test]
async fn bad_addresses_and_parameters_are_explained() {
    let h = Harness::start().await;
    let cases = [
        ("/v1/shows/x7/seats", 404, "invalid_id"),
        ("/v1/shows/s0/seats", 404, "invalid_id"),
        ("/v1/shows/s99/seats", 404, "unknown_show"),
        ("/v1/events/e99", 404, "event_unknown"),
        ("/v1/events?date=tomorrow", 400, "invalid_parameter"),
        ("/v1/events?page=0", 400, "invalid_parameter"),
        ("/v1/events?town=Porto", 400, "invalid_parameter"),
        ("/v1/shows/s1/seats?fields=some", 400, "invalid_parameter"),
        ("/v1/shows/%ff/seats", 400, "invalid_parameter"),
        ("/events", 404, "not_found"),
        ("/v1/nothing", 404, "not_found"),
        ("/assets/none.js", 404, "not_found"),
    ];
    for (path, status, code) in cases {
        assert_eq!(
            h.get(path).await.problem(),
            (status, code.to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn methods_are_told_and_head_has_no_body() {
    let h = Harness::start().await;
    let wrong = h.send("PUT", "/v1/events", &[], None).await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed".to_owned()));
    assert_eq!(wrong.headers["allow"], "GET, HEAD, OPTIONS");
    let options = h.send("OPTIONS", "/v1/holds/h1-1", &[], None).await;
    assert_eq!(
        (options.status.as_u16(), &options.headers["allow"]),
        (204, &"DELETE, GET, HEAD, OPTIONS".parse().unwrap())
    );
    let head = h.send("HEAD", "/v1/events", &[], None).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn every_answer_carries_headers_of_safety() {
    let h = Harness::start().await;
    for path in ["/", "/assets/app.js", "/v1/events", "/v1/nothing"] {
        let answer = h.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
    }
    assert!(
        h.get("/metrics")
            .await
            .text
            .contains("holdfast_gateway_requests_total")
    );
    assert!(
        h.get("/docs/errors/seats_taken")
            .await
            .text
            .contains("seats_taken")
    );
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let h = Harness::with("header_timeout_ms = 200").await;
    let address = h.base.trim_start_matches("http://");
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        slow.read_to_end(&mut rest),
    );
    assert!(closed.await.is_ok(), "the connection must be closed");
}
