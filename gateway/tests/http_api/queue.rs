//! The waiting room over HTTP: joining, looking, claiming, and the pass that a hold needs.

use holdfast_node_api::queue::{LATE_START, commit, draw_key, hex, show_key};
use holdfast_node_api::v1::submit_reply::Result as Outcome;
use holdfast_node_api::v1::{self, LinePoint};
use serde_json::{Value, json};

use crate::fake_show::rejected;
use crate::harness::{Answer, Harness};

const SEED: [u8; 32] = [9; 32];
const ROOM: &str = "/v1/shows/s1/queue";

/// Milliseconds since the Unix epoch, by the gateway itself.
async fn now_ms(h: &Harness) -> u64 {
    h.send("POST", "/v1/guests", &[], None).await.json()["expires_at_ms"]
        .as_u64()
        .unwrap()
        - 30 * 24 * 3_600_000
}

/// A room whose sale began a minute ago, or begins in one.
pub(crate) fn room(now_ms: u64, on_sale: bool) -> v1::Room {
    let sale_at_ms = if on_sale {
        now_ms - 60_000
    } else {
        now_ms + 60_000
    };
    v1::Room {
        config: Some(v1::RoomConfig {
            opens_at_ms: now_ms - 120_000,
            sale_at_ms,
            capacity: 10,
            rate_per_min: 60,
            claim_window_ms: 600_000,
            pass_ttl_ms: 600_000,
        }),
        commit: commit(&SEED).to_vec().into(),
        seed: if on_sale { SEED.to_vec() } else { Vec::new() }.into(),
        seq: 3,
        places_free: 100,
        waiting: 2_000,
        ..v1::Room::default()
    }
}

pub(crate) fn up_to(room: v1::Room, key: u128, now_ms: u64) -> v1::Room {
    v1::Room {
        seq: room.seq + 1,
        threshold: Some(LinePoint::at(key, 0)),
        passed: vec![LinePoint::at(key, now_ms - 1_000)],
        ..room
    }
}

pub(crate) async fn with_room(on_sale: bool) -> (Harness, u64) {
    let h = Harness::start().await;
    let now_ms = now_ms(&h).await;
    h.world.lock().unwrap().room = room(now_ms, on_sale);
    (h, now_ms)
}

/// Puts another room there and waits until the gateway knows it.
pub(crate) async fn becomes(h: &Harness, room: v1::Room) {
    let seq = room.seq;
    h.world.lock().unwrap().room = room;
    for _ in 0..100 {
        if h.get(ROOM).await.json()["seq"].as_u64() >= Some(seq) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the gateway did not hear of change {seq}");
}

async fn join(h: &Harness, buyer: &str) -> Value {
    let answer = h
        .send("POST", ROOM, &[("authorization", buyer)], None)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn ticket(joined: &Value) -> &str {
    joined["ticket"].as_str().unwrap()
}

async fn look(h: &Harness, ticket: &str) -> Value {
    h.send("GET", ROOM, &[("x-holdfast-ticket", ticket)], None)
        .await
        .json()
}

async fn claim(h: &Harness, buyer: &str, ticket: &str) -> Answer {
    let headers = [("authorization", buyer), ("x-holdfast-ticket", ticket)];
    h.send("POST", &format!("{ROOM}/claim"), &headers, None)
        .await
}

#[tokio::test]
async fn a_show_without_a_room_says_so_and_sells_as_ever() {
    let h = Harness::start().await;
    let answer = h.get(ROOM).await;
    assert_eq!(
        answer.json(),
        json!({"show": "s1", "state": "none", "refresh_in_s": 60})
    );
    let buyer = h.guest().await;
    let joining = h
        .send("POST", ROOM, &[("authorization", &buyer)], None)
        .await;
    assert_eq!(joining.problem(), (409, "queue_none".to_owned()));
    assert_eq!(
        h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await.status,
        201
    );
}

#[tokio::test]
async fn before_the_sale_everybody_has_one_place_and_nobody_a_position() {
    let (h, _) = with_room(false).await;
    let buyer = h.guest().await;
    let joined = join(&h, &buyer).await;
    assert_eq!(joined["state"], "prequeue");
    assert_eq!(
        joined["you"],
        json!({"standing": "not_drawn", "phase": "draw"})
    );
    // Joining again without the ticket gives the same place.
    let again = join(&h, &buyer).await;
    let number = |joined: &Value| ticket(joined)[..80].to_owned();
    assert_eq!(number(&joined), number(&again));
    let proof = h.get(&format!("{ROOM}/proof")).await.json();
    assert_eq!(proof["revealed"], false);
    assert_eq!(proof["seed"], Value::Null);
    assert_eq!(proof["commit"], hex(&commit(&SEED)));
    let early = claim(&h, &buyer, ticket(&joined)).await;
    assert_eq!(
        (early.status.as_u16(), &early.json()["reason"]),
        (202, &json!("not_drawn"))
    );
    assert!(early.headers.contains_key("retry-after"));
    // Nobody holds anything without a pass, and no node was asked about it.
    let held = h.hold(&buyer, "k", r#"{"seats":["A-1"]}"#).await;
    assert_eq!(held.problem(), (403, "pass_required".to_owned()));
    assert!(h.world.lock().unwrap().seen.is_empty());
}

#[tokio::test]
async fn a_gateway_tells_the_leader_how_many_wait() {
    let (h, _) = with_room(false).await;
    for _ in 0..3 {
        join(&h, &h.guest().await).await;
    }
    for _ in 0..200 {
        if h.world
            .lock()
            .unwrap()
            .reports
            .iter()
            .any(|report| report.undrawn == 3)
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", h.world.lock().unwrap().reports);
}

#[tokio::test]
async fn whose_key_was_reached_gets_a_pass_and_holds_with_it() {
    let (h, now) = with_room(false).await;
    let buyer = h.guest().await;
    let joined = join(&h, &buyer).await;
    let drawn = up_to(room(now, true), LATE_START / 2, now);
    becomes(&h, drawn.clone()).await;
    let you = look(&h, ticket(&joined)).await["you"].clone();
    // Which half of the draw it is in depends on the guest; both are right.
    let key = you["key"].as_str().unwrap();
    let reached = key <= show_key(LATE_START / 2).as_str();
    assert_eq!(
        you["standing"],
        if reached { "admitted" } else { "waiting" }
    );
    if !reached {
        let answer = claim(&h, &buyer, ticket(&joined)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["reason"]),
            (202, &json!("not_yet"))
        );
    }
    becomes(&h, up_to(drawn, LATE_START, now)).await;
    for (no, reason) in [("queue_full", "full"), ("queue_paused", "paused")] {
        h.world.lock().unwrap().door = Some(rejected(no, vec![]));
        let answer = claim(&h, &buyer, ticket(&joined)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["reason"]),
            (202, &json!(reason))
        );
    }
    h.world.lock().unwrap().door = Some(Outcome::Pass(v1::Pass {
        pass: vec![5; 16].into(),
        expires_at_ms: now + 600_000,
        now_ms: now,
    }));
    let given = claim(&h, &buyer, ticket(&joined)).await;
    assert_eq!(given.status, 200, "{}", given.text);
    let cookie = given.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("hf_pass=") && cookie.contains("Path=/v1/shows/s1;"),
        "{cookie}"
    );
    let pass = given.json()["pass"].as_str().unwrap().to_owned();
    assert_eq!(look(&h, ticket(&joined)).await["you"]["standing"], "inside");

    let hold = async |buyer: &str, pass: &str, key: &str| {
        let headers = [
            ("authorization", buyer),
            ("idempotency-key", key),
            ("x-holdfast-pass", pass),
        ];
        h.hold_with(&headers, r#"{"seats":["A-1"]}"#).await
    };
    // Somebody else's, and an altered one, go no further than here.
    let thief = h.guest().await;
    assert_eq!(
        hold(&thief, &pass, "a").await.problem(),
        (403, "pass_invalid".to_owned())
    );
    let other = if pass.starts_with('A') { 'B' } else { 'A' };
    let altered = format!("{other}{}", &pass[1..]);
    assert_eq!(
        hold(&buyer, &altered, "b").await.problem(),
        (403, "pass_invalid".to_owned())
    );
    assert!(h.world.lock().unwrap().passes.is_empty());
    assert_eq!(hold(&buyer, &pass, "c").await.status, 201);
    assert_eq!(h.world.lock().unwrap().passes, [vec![5; 16]]);
}

#[tokio::test]
async fn late_comers_stand_behind_the_draw_in_their_order_and_come_back_once() {
    let (h, now) = with_room(true).await;
    let (first, second) = (h.guest().await, h.guest().await);
    let one = join(&h, &first).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let two = join(&h, &second).await;
    let key = |joined: &Value| joined["you"]["key"].as_str().unwrap().to_owned();
    assert!(key(&one) > show_key(LATE_START) && key(&one) < key(&two));
    assert_eq!(one["you"]["phase"], "late");
    // The line went past them long ago.
    let mut passed = up_to(room(now, true), u128::MAX >> 1, now);
    passed.passed[0].count = now - 700_000;
    becomes(&h, passed).await;
    assert_eq!(look(&h, ticket(&one)).await["you"]["standing"], "late");
    h.world.lock().unwrap().door = Some(rejected("queue_late", vec![]));
    let answer = claim(&h, &first, ticket(&one)).await;
    assert_eq!(answer.problem(), (410, "queue_late".to_owned()));
    assert_eq!(answer.json()["may_rejoin"], true);
    let headers = [
        ("authorization", first.as_str()),
        ("x-holdfast-ticket", ticket(&one)),
    ];
    let again = h.send("POST", ROOM, &headers, None).await;
    assert_eq!(again.status, 201, "{}", again.text);
    let again = again.json();
    assert!(key(&again) > key(&two), "at the end");
    let headers = [
        ("authorization", first.as_str()),
        ("x-holdfast-ticket", ticket(&again)),
    ];
    let third = h.send("POST", ROOM, &headers, None).await;
    assert_eq!(third.problem(), (410, "queue_late".to_owned()));
}

#[tokio::test]
async fn a_ticket_is_its_buyers_and_its_shows() {
    let (h, _) = with_room(true).await;
    let (owner, thief) = (h.guest().await, h.guest().await);
    let joined = join(&h, &owner).await;
    let stolen = claim(&h, &thief, ticket(&joined)).await;
    assert_eq!(stolen.problem(), (401, "ticket_invalid".to_owned()));
    let none = h
        .send(
            "POST",
            &format!("{ROOM}/claim"),
            &[("authorization", &owner)],
            None,
        )
        .await;
    assert_eq!(none.problem(), (401, "ticket_missing".to_owned()));
    let cookie = format!("hf_queue={}", ticket(&joined));
    let looked = h.send("GET", ROOM, &[("cookie", &cookie)], None).await;
    assert_eq!(looked.json()["you"]["standing"], "waiting");
    assert_eq!(looked.headers["cache-control"], "private, no-store");
}

#[tokio::test]
async fn the_public_part_is_cacheable_and_the_draw_can_be_checked() {
    let (h, _) = with_room(true).await;
    let first = h.get(ROOM).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.headers["cache-control"], "public, max-age=1");
    assert!(first.json().get("you").is_none());
    let second = h.send("GET", ROOM, &[("if-none-match", &tag)], None).await;
    assert_eq!(second.status, 304);
    let proof = h.get(&format!("{ROOM}/proof")).await.json();
    assert_eq!(proof["seed"], hex(&SEED));
    assert_eq!(
        proof["algorithm"],
        "first64(HMAC-SHA-256(seed, qid)), big-endian"
    );
    assert!(draw_key(&SEED, &[1; 16]) < LATE_START);
}

#[tokio::test]
async fn closed_and_sold_out_rooms_say_what_to_do_instead() {
    let (h, now) = with_room(false).await;
    let mut closed = room(now, false);
    closed.config.as_mut().unwrap().opens_at_ms = now + 30_000;
    h.world.lock().unwrap().room = closed.clone();
    let buyer = h.guest().await;
    let joining = async || {
        h.send("POST", ROOM, &[("authorization", &buyer)], None)
            .await
    };
    let answer = joining().await;
    assert_eq!(answer.problem(), (409, "queue_closed".to_owned()));
    assert_eq!(answer.json()["opens_at_ms"], now + 30_000);
    let mut sold_out = up_to(room(now, true), 0, now);
    sold_out.places_free = 0;
    becomes(&h, sold_out).await;
    assert_eq!(
        joining().await.problem(),
        (409, "queue_sold_out".to_owned())
    );
    let waitlist = format!("{ROOM}/waitlist");
    h.world.lock().unwrap().door = Some(Outcome::Waitlisted(v1::Waitlisted { place: 12 }));
    let listed = h
        .send("POST", &waitlist, &[("authorization", &buyer)], None)
        .await;
    assert_eq!(
        (listed.status.as_u16(), listed.json()),
        (201, json!({"show": "s1", "place": 12}))
    );
}
