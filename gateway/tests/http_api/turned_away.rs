//! What people read whom the door turns away, and that nothing they chose is lost; and that other sites cannot act for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_gateway::http::{PAGES, ROUTES};
use serde_json::Value;

use crate::browser::{Browser, View};
use crate::fake_show::World;
use crate::harness::Harness;
use crate::limits::solve;
use crate::queue::{becomes, room, up_to, with_room};

const CHOICE: &str = "key=1&zone=Stalls&seat=A-2&seat=A-3";

/// Nobody is exempt, as in the world outside.
async fn strict(rates: &str) -> Harness {
    let sections = format!("[rates]\nexempt = []\n{rates}\n");
    Harness::configured(Arc::new(Mutex::new(World::led_by(1))), "", &sections).await
}

/// The challenge that a document carries for its script.
fn work(view: &View) -> Value {
    let given = view.text.split("data-work=\"").nth(1).unwrap();
    let given = given.split('"').next().unwrap().replace("&quot;", "\"");
    serde_json::from_str(&given.replace("&amp;", "&")).unwrap()
}

/// Where the form of the document goes, as a browser reads it.
fn action(view: &View) -> String {
    let form = view
        .text
        .split("id=\"again\" method=\"post\" action=\"")
        .nth(1);
    let form = form.unwrap_or_else(|| panic!("no form in {}", view.text));
    form.split('"').next().unwrap().replace("&amp;", "&")
}

fn is_document(view: &View) {
    let kind = view.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/html"), "{kind}: {}", view.text);
}

fn has_the_choice(view: &View) {
    is_document(view);
    for part in [
        "name=\"key\" value=\"1\"",
        "name=\"seat\" value=\"A-2\"",
        "name=\"seat\" value=\"A-3\"",
        "What you chose is kept.",
    ] {
        view.has(part);
    }
}

#[tokio::test]
async fn a_form_that_comes_too_often_comes_back_with_everything_in_it() {
    let h = strict("address_per_s = 1\naddress_burst = 4\nchallenge = \"never\"").await;
    let mut b = Browser::new(&h);
    for _ in 0..1_000 {
        let view = b.post("/shows/s1/hold", CHOICE).await;
        if view.status == 303 {
            continue;
        }
        assert_eq!(view.status, 429);
        has_the_choice(&view);
        view.has("Too much at once").has("try again in a second");
        assert_eq!(view.headers["retry-after"], "1");
        assert_eq!(action(&view), "/shows/s1/hold");
        break;
    }
    for _ in 0..1_000 {
        let page = b.open("/events/e1").await;
        if page.status == 429 {
            is_document(&page);
            page.has("class=\"button\" href=\"/events/e1\"");
            return;
        }
    }
    panic!("nobody was refused");
}

#[tokio::test]
async fn a_person_never_reads_json_and_a_program_never_reads_html() {
    let h = Harness::start().await;
    let mut b = Browser::new(&h);
    for (method, path, status) in [
        ("GET", "/shows/no-show", 404),
        ("GET", "/shows/s999", 404),
        ("GET", "/assets/no-such.js", 404),
        ("POST", "/events/e1", 405),
        ("POST", "/language", 405),
    ] {
        let html = [("accept", "text/html"), ("sec-fetch-site", "same-origin")];
        let view = b.send(method, path, &html, None).await;
        assert_eq!(view.status, status, "{path}");
        is_document(&view);
        view.has("<h1>");
        if status == 405 {
            assert!(view.headers.contains_key("allow"), "{path}");
        }
    }
    let program = h.send("POST", "/events/e1", &[], None).await;
    assert_eq!(program.problem(), (405, "method_not_allowed".to_owned()));
    let html = [("accept", "text/html")];
    let api = h.send("GET", "/v1/shows/s999", &html, None).await;
    assert_eq!(api.problem(), (404, "unknown_show".to_owned()));
}

#[tokio::test]
async fn a_full_house_says_when_to_come_back_and_keeps_the_choice() {
    let world = Arc::new(Mutex::new(World::led_by(1)));
    let limits = "requests_in_flight_max = 10\nwrites_in_flight_max = 5";
    let h = Arc::new(Harness::of(world, limits).await);
    let delays = [(1, Duration::from_secs(3)), (2, Duration::from_secs(3))];
    h.world.lock().unwrap().map_delays.extend(delays);
    let mut looking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let h = Arc::clone(&h);
        looking.spawn(async move { h.get("/v1/shows/s1/seats").await });
    }
    let shed = looking.join_next().await.unwrap().unwrap();
    assert_eq!(shed.problem(), (503, "overloaded".to_owned()));
    let mut b = Browser::new(&h);
    let page = b.open("/events/e1").await;
    is_document(&page);
    assert_eq!(page.status, 503);
    page.has("Very many people are here").has("Try again");
    let after: u64 = page.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=8).contains(&after), "{after}");
}

#[tokio::test]
async fn a_form_goes_on_after_work_and_its_choice_was_kept() {
    let h = strict("challenge = \"always\"").await;
    let mut b = Browser::new(&h);
    let no = b.post("/shows/s1/hold", CHOICE).await;
    assert_eq!(no.status, 403);
    has_the_choice(&no);
    no.has("One moment, please").has("wait 20 seconds");
    let solution = solve(&work(&no));
    let solved = form_urlencoded(&solution);
    let path = format!("/shows/s1/hold?altcha={solved}");
    assert_eq!(b.post(&path, CHOICE).await.location(), "/holds/h1-1");
    let again = b.post(&path, CHOICE).await;
    assert_eq!(again.status, 403, "each solution is good once");
    has_the_choice(&again);
}

/// Only what base64 has and addresses do not.
fn form_urlencoded(text: &str) -> String {
    text.replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

#[tokio::test]
async fn who_cannot_work_waits_with_the_same_token_however_often_it_is_sent_too_early() {
    let h = strict("challenge = \"always\"").await;
    let mut b = Browser::new(&h);
    let no = b.post("/shows/s1/hold", CHOICE).await;
    let wait = action(&no);
    assert!(wait.starts_with("/shows/s1/hold?altcha=wait."), "{wait}");
    for _ in 0..5 {
        let early = b.post(&wait, CHOICE).await;
        assert_eq!(early.status, 403);
        has_the_choice(&early);
        assert_eq!(action(&early), wait);
    }
}

#[tokio::test]
async fn a_place_in_the_line_is_worth_a_challenge_to_whom_nobody_knows() {
    let (h, now_ms) = with_room(true).await;
    becomes(&h, up_to(room(now_ms, true), 0, now_ms)).await;
    let sections = "[rates]\nexempt = []\nchallenge = \"always\"\n";
    let strict = Harness::configured(Arc::clone(&h.world), "", sections).await;
    let mut b = Browser::new(&strict);
    let no = b.post("/shows/s1/queue", "key=1").await;
    assert_eq!(no.status, 403);
    let solution = form_urlencoded(&solve(&work(&no)));
    let path = format!("/shows/s1/queue?altcha={solution}");
    assert_eq!(b.post(&path, "key=1").await.location(), "/shows/s1/queue");
    // Who has an identity is known: joining again costs nothing.
    let again = b.post("/shows/s1/queue", "key=2").await;
    assert_eq!(again.location(), "/shows/s1/queue");
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_or_becomes_anybody() {
    let h = Harness::start().await;
    let mut refused = 0;
    for route in ROUTES
        .iter()
        .chain(PAGES)
        .filter(|route| route.method != "GET")
    {
        let path = route.path.replace("{show}", "s1");
        let path = path.replace("{hold}", "h1-1").replace("{order}", "o1-1");
        let foreign = [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = h.send(route.method, &path, &foreign, Some("")).await;
        assert_eq!(
            answer.status, 403,
            "{} {path}: {}",
            route.method, answer.text
        );
        assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        if path.starts_with("/v1/") {
            assert_eq!(answer.problem(), (403, "cross_site".to_owned()));
        }
        refused += 1;
    }
    assert!(refused >= 18, "{refused}");
    assert!(h.world.lock().unwrap().seen.is_empty(), "no node was asked");
    let own = [("sec-fetch-site", "same-origin")];
    assert_eq!(h.send("POST", "/v1/guests", &own, None).await.status, 201);
}
