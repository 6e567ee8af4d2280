//! A session sees its own writes and never less than it saw, at any gateway.

use std::time::Duration;

use crate::harness::{Answer, Harness};

const BODY: &str = r#"{"seats":["A-1"]}"#;

fn token(answer: &Answer) -> String {
    answer.headers["x-holdfast-session"]
        .to_str()
        .unwrap()
        .to_owned()
}

fn index(answer: &Answer) -> u64 {
    answer.headers["holdfast-index"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_token_of_one_gateway_is_honoured_by_another_whose_replica_is_behind() {
    let first = Harness::start().await;
    let buyer = first.guest().await;
    first.world.lock().unwrap().leader = 2;
    let hold = first.hold(&buyer, "k", BODY).await;
    assert_eq!(hold.status, 201);
    let token = token(&hold);

    let second = first.beside().await;
    second.world.lock().unwrap().behind.insert(1, 0);
    // Node 2 is slow enough that only who must goes there.
    second
        .world
        .lock()
        .unwrap()
        .map_delays
        .insert(2, Duration::from_millis(20));
    let mut with = 0;
    for _ in 0..5 {
        let session = [("x-holdfast-session", token.as_str())];
        let map = second
            .send("GET", "/v1/shows/s1/seats", &session, None)
            .await;
        assert_eq!(map.status, 200, "{}", map.text);
        with = index(&map);
        assert!(with >= 1, "it saw its own hold");
    }
    assert_eq!(with, 1);
}

#[tokio::test]
async fn a_browser_keeps_what_it_has_seen_in_a_cookie() {
    let h = Harness::start().await;
    h.world.lock().unwrap().index = 5;
    let guest = h.send("POST", "/v1/guests", &[], None).await;
    let bearer = format!("Bearer {}", guest.json()["token"].as_str().unwrap());
    let map = h
        .send(
            "GET",
            "/v1/shows/s1/seats",
            &[("cookie", "hf_guest=x")],
            None,
        )
        .await;
    let cookie = map.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("hf_seen=") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let again = h
        .send("GET", "/v1/shows/s1/seats", &[("cookie", cookie)], None)
        .await;
    assert_eq!(index(&again), 5);
    assert!(
        !again.headers.contains_key("set-cookie"),
        "nothing new was seen"
    );
    let hold = h.hold(&bearer, "k", BODY).await;
    assert!(!hold.headers.contains_key("set-cookie"), "not a browser");
    assert!(hold.headers.contains_key("x-holdfast-session"));
}

#[tokio::test]
async fn a_forged_token_is_refused_and_a_forged_cookie_is_as_none() {
    let h = Harness::start().await;
    h.world.lock().unwrap().index = 5;
    let good = token(&h.get("/v1/shows/s1/seats").await);
    let long = "A".repeat(5_000);
    let cut = &good[..good.len() - 2];
    for bad in ["", "x", cut, &long] {
        let no = h
            .send(
                "GET",
                "/v1/shows/s1/seats",
                &[("x-holdfast-session", bad)],
                None,
            )
            .await;
        assert_eq!(no.problem(), (400, "invalid_parameter".to_owned()));
        assert_eq!(no.json()["errors"][0]["field"], "X-Holdfast-Session");
        let cookie = format!("hf_seen={bad}");
        let yes = h
            .send("GET", "/v1/shows/s1/seats", &[("cookie", &cookie)], None)
            .await;
        assert_eq!(yes.status, 200);
    }
}
