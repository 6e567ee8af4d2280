//! Limits that slow robots down, and a full house that still takes money.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::fake_show::World;
use crate::harness::{Answer, Harness};

async fn with(sections: &str) -> Harness {
    Harness::configured(Arc::new(Mutex::new(World::led_by(1))), "", sections).await
}

fn retry_after(answer: &Answer) -> u64 {
    answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Everybody on the test's machine comes through a listed proxy, so that there are as many addresses as one likes.
const PROXY: &str = "[proxies]\ntrusted = [\"127.0.0.0/8\"]\n";

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let h = with(&format!(
        "{PROXY}[rates]\naddress_per_s = 1\naddress_burst = 5\n"
    ))
    .await;
    let from = async |addr: &str| {
        h.send("GET", "/v1/events", &[("x-forwarded-for", addr)], None)
            .await
    };
    let mut let_in = 0;
    let no = loop {
        let answer = from("203.0.113.9").await;
        if answer.status != 200 {
            break answer;
        }
        let_in += 1;
        assert!(let_in < 1_000, "nobody is refused");
    };
    assert!(let_in >= 5, "{let_in}");
    assert_eq!(no.problem(), (429, "rate_limited".to_owned()));
    assert_eq!(no.json()["of"], "address");
    assert_eq!(retry_after(&no), 1);
    assert_eq!(from("203.0.113.10").await.status, 200);
    assert_eq!(h.get("/healthz").await.status, 200);
}

pub(crate) fn solve(work: &serde_json::Value) -> String {
    let text = |name: &str| work[name].as_str().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let number = (0..=work["maxnumber"].as_u64().unwrap())
        .find(|n| hex(&Sha256::digest(format!("{}{n}", text("salt")))) == text("challenge"))
        .unwrap();
    let solution = serde_json::json!({
        "algorithm": text("algorithm"),
        "challenge": text("challenge"),
        "number": number,
        "salt": text("salt"),
        "signature": text("signature"),
    });
    base64::engine::general_purpose::STANDARD.encode(solution.to_string())
}

#[tokio::test]
async fn seats_are_taken_after_a_challenge_when_one_is_asked_for() {
    let h = with(&format!("{PROXY}[rates]\nchallenge = \"always\"\n")).await;
    let from = ("x-forwarded-for", "203.0.113.9");
    let no = h.send("POST", "/v1/guests", &[from], None).await;
    assert_eq!(no.problem(), (403, "challenge_required".to_owned()));
    let solution = solve(&h.get("/v1/challenge").await.json());
    let solved = [from, ("x-altcha", solution.as_str())];
    let guest = h.send("POST", "/v1/guests", &solved, None).await;
    assert_eq!(guest.status, 201);
    let again = h.send("POST", "/v1/guests", &solved, None).await;
    assert_eq!(again.problem().0, 403, "each solution is good once");
    assert!(
        again.json()["detail"]
            .as_str()
            .unwrap()
            .contains("used before")
    );

    let wait = h
        .send("GET", "/v1/challenge?kind=wait", &[from], None)
        .await
        .json();
    let early = [from, ("x-altcha", wait["token"].as_str().unwrap())];
    let early = h.send("POST", "/v1/guests", &early, None).await;
    assert!(
        early.json()["detail"]
            .as_str()
            .unwrap()
            .contains("wait is not over")
    );
    for _ in 0..2 {
        h.send("GET", "/v1/challenge?kind=wait", &[from], None)
            .await;
    }
    let no = h
        .send("GET", "/v1/challenge?kind=wait", &[from], None)
        .await;
    assert_eq!(no.problem(), (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn a_buyer_who_takes_and_leaves_seats_waits_longer_each_time() {
    let h = with(PROXY).await;
    let from = ("x-forwarded-for", "203.0.113.9");
    let guest = h.send("POST", "/v1/guests", &[from], None).await.json();
    let bearer = format!("Bearer {}", guest["token"].as_str().unwrap());
    let send = |method: &'static str, path: String, key: String, body: &'static str| {
        let bearer = bearer.clone();
        let h = &h;
        async move {
            let headers = [
                from,
                ("authorization", bearer.as_str()),
                ("idempotency-key", key.as_str()),
                ("content-type", "application/json"),
            ];
            h.send(method, &path, &headers, (!body.is_empty()).then_some(body))
                .await
        }
    };
    let mut refused = None;
    for n in 0..8 {
        let hold = send(
            "POST",
            "/v1/shows/s1/holds".into(),
            format!("h{n}"),
            r#"{"seats":["A-1"]}"#,
        )
        .await;
        if hold.status != 201 {
            refused = Some(hold);
            break;
        }
        let id = hold.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(
            send("DELETE", format!("/v1/holds/{id}"), format!("r{n}"), "")
                .await
                .status,
            200
        );
    }
    let refused = refused.expect("eight holds that come to nothing are too many");
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert_eq!(refused.json()["of"], "holds");
    assert!(retry_after(&refused) >= 1);
}

#[tokio::test]
async fn while_browsers_fill_the_house_a_payment_gets_through() {
    let h = Harness::with("requests_in_flight_max = 10\nwrites_in_flight_max = 5").await;
    let buyer = h.guest().await;
    let hold = h.hold(&buyer, "h", r#"{"seats":["A-1"]}"#).await.json();
    let open = format!(r#"{{"hold":"{}"}}"#, hold["id"].as_str().unwrap());
    let order = h.post(&buyer, "o", "/v1/orders", &open).await.json();
    let delays = [(1, Duration::from_secs(2)), (2, Duration::from_secs(2))];
    h.world.lock().unwrap().map_delays.extend(delays);
    let (h, mut looking) = (Arc::new(h), tokio::task::JoinSet::new());
    for _ in 0..40 {
        let h = Arc::clone(&h);
        looking.spawn(async move { h.get("/v1/shows/s1/seats").await });
    }
    let shed = looking.join_next().await.unwrap().unwrap();
    assert_eq!(shed.problem(), (503, "overloaded".to_owned()));
    assert!((1..=5).contains(&retry_after(&shed)));
    let path = format!("/v1/orders/{}/pay", order["id"].as_str().unwrap());
    let paid = h
        .post(&buyer, "p", &path, r#"{"payment_token":"tok_approve"}"#)
        .await;
    assert_eq!(paid.status, 200, "{}", paid.text);
    assert!(looking.len() >= 5, "they still look");
}
