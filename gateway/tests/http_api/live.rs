//! Live maps: the stream, the octets, the layout.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Harness;

const LONG: Duration = Duration::from_secs(30);
const LIVE: &str = "/v1/shows/s1/seats/live";
const OCTETS: (&str, &str) = ("accept", "application/vnd.holdfast.seats+octets");

/// One event as it came.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

struct Viewer {
    response: reqwest::Response,
    text: String,
}

impl Viewer {
    async fn of(h: &Harness, headers: &[(&str, &str)]) -> Self {
        let response = h.open(LIVE, headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(LONG, self.response.chunk()).await;
            let chunk = chunk.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == name {
                return event;
            }
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    Some(Event {
        name: field("event: ")?.to_owned(),
        id: field("id: ").and_then(|id| id.parse().ok()),
        data: serde_json::from_str(field("data: ")?).unwrap(),
    })
}

#[tokio::test]
async fn a_viewer_gets_the_hall_and_then_what_changes() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let mut viewer = Viewer::of(&h, &[]).await;
    let first = viewer.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.id), ("snapshot", Some(0)));
    assert_eq!(first.data["seats"], "AAA=");
    assert_eq!(
        (&first.data["count"], &first.data["left"]),
        (&json!(6), &json!([56]))
    );
    assert_eq!(first.data["areas"], json!([[50, 0, 0, 0]]));
    let layout = h.get("/v1/shows/s1/layout").await;
    assert_eq!(layout.json()["version"], first.data["layout"]);

    assert_eq!(
        h.hold(&buyer, "1", r#"{"seats":["A-3"]}"#).await.status,
        201
    );
    let delta = viewer.named("delta").await;
    assert_eq!(
        (delta.id, &delta.data["seats"]),
        (Some(1), &json!([[2, 1]]))
    );
    assert_eq!(delta.data["left"], json!([55]));
    assert_eq!(delta.data["as_of"]["index"], 1);
}

#[tokio::test]
async fn however_many_look_one_stream_is_opened_and_all_see_the_change() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let mut viewers = Vec::new();
    for _ in 0..8 {
        viewers.push(Viewer::of(&h, &[]).await);
    }
    assert_eq!(
        h.hold(&buyer, "1", r#"{"seats":["A-1"]}"#).await.status,
        201
    );
    for viewer in &mut viewers {
        viewer.named("snapshot").await;
        assert_eq!(viewer.named("delta").await.data["seats"], json!([[0, 1]]));
    }
    assert_eq!(h.world.lock().unwrap().watches_begun, 1);
    let metrics = h.get("/metrics").await.text;
    assert!(metrics.contains("holdfast_gateway_live_viewer_connections 8"));
}

#[tokio::test]
async fn a_viewer_keeps_its_stream_while_the_node_behind_it_is_replaced() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let mut viewer = Viewer::of(&h, &[]).await;
    viewer.named("snapshot").await;
    h.world.lock().unwrap().watches_down = true;
    assert_eq!(
        h.hold(&buyer, "1", r#"{"seats":["A-2"]}"#).await.status,
        201
    );
    let stale = viewer.named("stale").await;
    assert!(
        stale.data["as_of"]["age_ms"].as_u64() > Some(1_000),
        "{stale:?}"
    );
    h.world.lock().unwrap().watches_down = false;
    let delta = viewer.named("delta").await;
    assert_eq!(
        (delta.id, &delta.data["seats"]),
        (Some(1), &json!([[1, 1]]))
    );
    viewer.named("age").await;
}

#[tokio::test]
async fn a_silent_node_is_left_for_the_next_one() {
    let h = Harness::start().await;
    let mut viewer = Viewer::of(&h, &[]).await;
    viewer.named("snapshot").await;
    h.world.lock().unwrap().watches_silent = true;
    viewer.named("stale").await;
    h.world.lock().unwrap().watches_silent = false;
    viewer.named("age").await;
    assert!(h.world.lock().unwrap().watches_begun > 1);
}

#[tokio::test]
async fn who_comes_back_goes_on_from_where_it_was_or_gets_everything() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    let mut first = Viewer::of(&h, &[]).await;
    first.named("snapshot").await;
    for (key, seat) in [("1", "A-1"), ("2", "A-2")] {
        let body = format!("{{\"seats\":[\"{seat}\"]}}");
        assert_eq!(h.hold(&buyer, key, &body).await.status, 201);
        first.named("delta").await;
    }
    let mut again = Viewer::of(&h, &[("last-event-id", "1")]).await;
    let event = again.next().await.unwrap();
    assert_eq!((event.name.as_str(), event.id), ("delta", Some(2)));
    for unknown in ["7000", "no number"] {
        let mut stranger = Viewer::of(&h, &[("last-event-id", unknown)]).await;
        let event = stranger.next().await.unwrap();
        assert_eq!((event.name.as_str(), event.id), ("snapshot", Some(2)));
    }
}

#[tokio::test]
async fn a_stopping_gateway_tells_its_viewers_when_to_come_back() {
    let h = Harness::start().await;
    let mut viewer = Viewer::of(&h, &[]).await;
    viewer.named("snapshot").await;
    h.stop.cancel();
    viewer.named("bye").await;
    assert!(viewer.next().await.is_none(), "the stream ends");
}

#[tokio::test]
async fn there_are_only_so_many_viewers() {
    let limits = "[live]\nviewers_max = 1\nviewers_per_show_max = 1";
    let h = Harness::with(limits).await;
    let mut viewer = Viewer::of(&h, &[]).await;
    viewer.named("snapshot").await;
    let refused = h.get(LIVE).await;
    assert_eq!(refused.problem(), (503, "viewers_full".to_owned()));
    assert_eq!(refused.headers["retry-after"], "10");
    drop(viewer);
    for _ in 0..200 {
        let response = h.open(LIVE, &[]).await;
        if response.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn octets_are_packed_conditional_and_compressed() {
    let h = Harness::start().await;
    let buyer = h.guest().await;
    assert_eq!(
        h.hold(&buyer, "1", r#"{"seats":["A-2"]}"#).await.status,
        201
    );
    let seats = "/v1/shows/s1/seats";
    let response = h.open(seats, &[OCTETS]).await;
    let headers = response.headers().clone();
    let body = response.bytes().await.unwrap();
    assert_eq!(body[..14], *b"HFS1\x06\0\0\0\x01\0\0\0\x04\0");
    assert_eq!(body.len(), 14 + 16);
    assert_eq!(headers["content-type"], OCTETS.1);
    assert_eq!(
        (&headers["holdfast-index"], &headers["cache-control"]),
        (&"1".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    let tag = headers["etag"].to_str().unwrap();
    assert!(!tag.starts_with("W/"));
    let same = h
        .send("GET", seats, &[OCTETS, ("if-none-match", tag)], None)
        .await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    let packed = h.open(seats, &[OCTETS, ("accept-encoding", "gzip")]).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
    let sure = h
        .open(seats, &[OCTETS, ("x-consistency", "linearizable")])
        .await;
    assert_eq!(sure.bytes().await.unwrap(), body);
}

#[tokio::test]
async fn a_layout_with_its_version_may_be_kept_for_ever() {
    let h = Harness::start().await;
    let layout = h.get("/v1/shows/s1/layout").await;
    assert_eq!(layout.headers["cache-control"], "public, max-age=300");
    let body = layout.json();
    assert_eq!(body["seats"][1]["id"], "A-2");
    assert_eq!(body["seats"][1]["companion_of"], 0);
    let version = body["version"].as_str().unwrap();
    let kept = h.get(&format!("/v1/shows/s1/layout?v={version}")).await;
    assert!(
        kept.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let other = h.get("/v1/shows/s1/layout?v=0").await;
    assert_eq!(other.headers["cache-control"], "public, max-age=300");
    let tag = format!("\"{version}\"");
    let same = h
        .send(
            "GET",
            "/v1/shows/s1/layout",
            &[("if-none-match", &tag)],
            None,
        )
        .await;
    assert_eq!(same.status, 304);
}
