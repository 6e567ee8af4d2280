//! The documents, as a browser without scripts uses them.
//!
//! Owns: forms, languages, what a first view weighs. Must never: look at the drawing; the browser tests do.

use holdfast_node_api::v1;
use holdfast_node_api::v1::submit_reply::Result as Outcome;

use crate::browser::Browser;
use crate::fake_show::rejected;
use crate::harness::Harness;
use crate::queue::{becomes, room, up_to, with_room};

/// All that a first view loads, before compression, bytes.
const FIRST_VIEW_BYTES_MAX: usize = 150 * 1024;

#[tokio::test]
async fn a_buyer_without_scripts_gets_tickets() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    b.open("/?city=Porto&q=night&from=2027-05-01&to=2027-05-31")
        .await
        .has("href=\"/shows/s1\"");
    b.open("/events/e1")
        .await
        .has("Night Music")
        .has("href=\"/shows/s1\"");
    let show = b.open("/shows/s1").await;
    show.has("name=\"seat\" value=\"A-2\"");
    let key = show.key("/shows/s1/hold");
    let held = b
        .post("/shows/s1/hold", &format!("key={key}&seat=A-2&seat=A-3"))
        .await;
    assert_eq!(held.location(), "/holds/h1-1");
    let hold = b.open("/holds/h1-1").await;
    hold.has("data-now-ms").has("seat 2").has("€45.00");
    let longer = b.post("/holds/h1-1/extend", "key=1").await;
    assert_eq!(longer.location(), "/holds/h1-1");
    assert_eq!(
        b.post("/holds/h1-1/order", "key=2").await.location(),
        "/orders/o1-1"
    );
    assert_eq!(b.open("/holds/h1-1").await.location(), "/orders/o1-1");
    b.open("/orders/o1-1")
        .await
        .has("Pay for your order")
        .has("name=\"token\"");
    let declined = b.post("/orders/o1-1/pay", "key=3&token=tok_decline").await;
    assert_eq!(declined.status, 402);
    declined
        .has("The payment was declined")
        .has("name=\"token\"");
    let paid = b.post("/orders/o1-1/pay", "key=4&token=tok_approve").await;
    assert_eq!(paid.location(), "/orders/o1-1");
    b.open("/orders/o1-1")
        .await
        .has("You are going!")
        .has("t1-2");
    b.open("/orders")
        .await
        .has("href=\"/orders/o1-1\"")
        .has("confirmed");
}

#[tokio::test]
async fn a_double_click_holds_once_and_another_choice_holds_again() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    let form = "key=abc&seat=A-2";
    assert_eq!(
        b.post("/shows/s1/hold", form).await.location(),
        "/holds/h1-1"
    );
    assert_eq!(
        b.post("/shows/s1/hold", form).await.location(),
        "/holds/h1-1"
    );
    let other = b.post("/shows/s1/hold", "key=abc&seat=A-4").await;
    assert_eq!(other.location(), "/holds/h1-2");
}

#[tokio::test]
async fn a_lost_seat_is_named_and_the_nearest_block_offered() {
    let h = Harness::start().await;
    let rival = h.guest().await;
    assert_eq!(
        h.hold(&rival, "1", r#"{"seats":["A-3"]}"#).await.status,
        201
    );
    let mut b = Browser::new(&h);
    let no = b.post("/shows/s1/hold", "key=1&seat=A-3&seat=A-4").await;
    assert_eq!(no.status, 409);
    no.has("Someone was quicker: ").has("seat 3");
    no.has("value=\"A-4\" checked");
    let no = b.post("/shows/s1/hold", "key=2&seat=A-3").await;
    no.has("The nearest free block")
        .has("Hold this seat instead");
    let near = h.get("/v1/shows/s1/nearest?seat=A-3&gone=A-3").await;
    assert_eq!(near.json()["seats"], serde_json::json!(["A-4"]));
    let unknown = h.get("/v1/shows/s1/nearest?seat=Z-9").await;
    assert_eq!(unknown.problem(), (422, "seat_unknown".to_owned()));
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    for foreign in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[],
    ] {
        let view = b
            .send(
                "POST",
                "/shows/s1/hold",
                foreign,
                Some("seat=A-2".to_owned()),
            )
            .await;
        assert_eq!(view.status, 403, "{foreign:?}");
        view.has("cross_site");
    }
    assert!(b.cookies.is_empty(), "a stranger's form makes no guest");
    let foreign = [("sec-fetch-site", "cross-site"), ("accept", "text/html")];
    let view = b.send("POST", "/shows/s1/hold", &foreign, None).await;
    view.has("This was not asked for here");
    let origin = h.base.clone();
    let own = [("origin", origin.as_str())];
    let view = b
        .send("POST", "/shows/s1/hold", &own, Some("seat=A-2".to_owned()))
        .await;
    assert_eq!(view.location(), "/holds/h1-1");
}

#[tokio::test]
async fn the_page_speaks_the_readers_language_and_keeps_the_switch() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    let german = [("accept-language", "de-AT,en;q=0.5")];
    let view = b.send("GET", "/", &german, None).await;
    view.has("<html lang=\"de\">")
        .has("Was möchten Sie erleben?");
    let switched = b.open("/language?to=de&back=%2Fshows%2Fs1").await;
    assert_eq!(switched.location(), "/shows/s1");
    b.open("/shows/s1")
        .await
        .has("Samstag, 1. Mai 2027")
        .has("45,00\u{a0}€");
    let away = b.open("/language?to=en&back=%2F%2Fevil.example").await;
    assert_eq!(away.location(), "/");
    b.open("/").await.has("<html lang=\"en\">");
}

#[tokio::test]
async fn what_others_wrote_is_shown_and_not_obeyed() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    let view = b
        .open("/?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        .await;
    view.has("&lt;script&gt;");
    assert!(!view.text.contains("<script>alert"), "{}", view.text);
    let view = b.open("/shows/s1?zone=%3Cb%3E&seat=%22%3E%3Cimg%3E").await;
    assert!(!view.text.contains("<img>") && view.status == 200);
    let policy = view.headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"));
    assert!(!view.text.contains(" style=") && !view.text.contains(" onclick="));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_a_document() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    for path in [
        "/nowhere",
        "/shows/s99",
        "/shows/x",
        "/events/e9",
        "/holds/h1-9",
    ] {
        let view = b.open(path).await;
        assert!((400..500).contains(&view.status), "{path}: {}", view.status);
        assert_eq!(
            view.headers["content-type"], "text/html; charset=utf-8",
            "{path}"
        );
        view.has("href=\"/\"");
    }
    let api = b.open("/v1/nowhere").await;
    assert_eq!(api.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_first_view_is_small() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    for path in ["/", "/events/e1", "/shows/s1", "/orders"] {
        let view = b.open(path).await;
        let mut bytes = view.text.len();
        let parts = view.text.split("/assets/").skip(1);
        for name in parts.map(|part| part.split('"').next().unwrap()) {
            let asset = b.open(&format!("/assets/{name}")).await;
            assert_eq!(asset.status, 200, "{name}");
            bytes += asset.text.len();
        }
        // What its scripts ask for to draw the map.
        if path == "/shows/s1" {
            for data in ["layout", "seats"] {
                let data = b.open(&format!("/v1/shows/s1/{data}")).await;
                assert_eq!(data.status, 200, "{}", data.text);
                bytes += data.text.len();
            }
        }
        println!("{path}: {bytes} bytes before compression");
        assert!(bytes < FIRST_VIEW_BYTES_MAX, "{path}: {bytes}");
    }
}

#[tokio::test]
async fn a_buyer_without_scripts_waits_comes_in_and_holds() {
    let (h, now_ms) = with_room(true).await;
    becomes(&h, up_to(room(now_ms, true), 0, now_ms)).await;
    let mut b = Browser::new(&h);
    b.open("/shows/s1").await.has("href=\"/shows/s1/queue\"");
    let no = b.post("/shows/s1/hold", "key=1&seat=A-2").await;
    no.has("First the waiting room");
    b.open("/shows/s1/queue").await.has("Join the line");
    let joined = b.post("/shows/s1/queue", "key=2").await;
    assert_eq!(joined.location(), "/shows/s1/queue");
    let waiting = b.open("/shows/s1/queue").await;
    waiting
        .has("data-standing=\"waiting\"")
        .has("data-position");
    assert!(!waiting.text.contains("http-equiv=\"refresh\""), "unasked");
    let watched = b.open("/shows/s1/queue?watched").await;
    watched.has("<noscript><meta http-equiv=\"refresh\"");
    becomes(
        &h,
        up_to(up_to(room(now_ms, true), 0, now_ms), u128::MAX, now_ms),
    )
    .await;
    b.open("/shows/s1/queue").await.has("It is your turn");
    h.world.lock().unwrap().door = Some(rejected("queue_full", vec![]));
    let full = b.post("/shows/s1/queue/claim", "key=3").await;
    assert_eq!(full.location(), "/shows/s1/queue?tried");
    let full = b.open("/shows/s1/queue?tried").await;
    full.has("everybody who may be inside").has("data-tried");
    h.world.lock().unwrap().door = Some(Outcome::Pass(v1::Pass {
        pass: vec![5; 16].into(),
        expires_at_ms: now_ms + 600_000,
        now_ms,
    }));
    let claimed = b.post("/shows/s1/queue/claim", "key=3").await;
    assert_eq!(claimed.location(), "/shows/s1");
    b.open("/shows/s1").await.has("You are in");
    b.open("/shows/s1/queue").await.has("You are in");
    let held = b.post("/shows/s1/hold", "key=4&seat=A-2").await;
    assert_eq!(held.location(), "/holds/h1-1");
}

#[tokio::test]
async fn a_late_buyer_joins_once_more_and_a_sold_out_room_has_a_list() {
    let (h, now_ms) = with_room(true).await;
    let mut b = Browser::new(&h);
    let joined = b.post("/shows/s1/queue", "key=1").await;
    assert_eq!(joined.location(), "/shows/s1/queue");
    let mut passed = up_to(room(now_ms, true), u128::MAX >> 1, now_ms);
    passed.passed[0].count = now_ms - 700_000;
    becomes(&h, passed.clone()).await;
    let late = b.open("/shows/s1/queue").await;
    late.has("Your turn has passed").has("Join at the end");
    let again = b.post("/shows/s1/queue", "key=2").await;
    assert_eq!(again.location(), "/shows/s1/queue");
    let over = b.open("/shows/s1/queue").await;
    over.has("Nobody may join a third time");
    assert!(!over.text.contains("Join at the end"));

    let mut sold_out = up_to(passed, u128::MAX >> 1, now_ms);
    sold_out.places_free = 0;
    becomes(&h, sold_out).await;
    let mut other = Browser::new(&h);
    let view = other.open("/shows/s1/queue").await;
    view.has("Sold out, for now").has("Put me on the list");
    let list = v1::Waitlisted { place: 12 };
    h.world.lock().unwrap().door = Some(Outcome::Waitlisted(list));
    let listed = other.post("/shows/s1/queue/waitlist", "key=3").await;
    assert_eq!(listed.location(), "/shows/s1/queue?listed");
    let listed = other.open("/shows/s1/queue?listed").await;
    listed.has("You are on the list.");
}
