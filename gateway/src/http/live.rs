//! `GET /v1/shows/{show}/seats/live` and `GET /v1/shows/{show}/layout`.
//!
//! Owns: how a viewer is let in and resumes, and how long a layout may be kept. Must never: make an event; `live` does.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use holdfast_node_api::refs::ShowRef;

use super::about::About;
use super::encoding::{accepts_gzip, is_known, octets};
use super::request::{number, parameter};
use crate::live::{bounds, viewer};
use crate::problem::Problem;

/// When a viewer for whom there is no room should ask again.
const FULL_RETRY: Duration = Duration::from_secs(10);
/// A layout asked for without its version may be kept for five minutes: a show's plan does not change while it is on sale.
const LAYOUT_CACHE: &str = "public, max-age=300";
/// With its version it is that layout for ever.
const LAYOUT_CACHE_VERSION: &str = "public, max-age=31536000, immutable";

pub(super) async fn stream(asked: About<ShowRef>) -> Result<Response, Problem> {
    let pairs = asked.query(&["last_event_id"])?;
    let resume = match asked.headers.get("last-event-id") {
        // An id of another gateway's making, or of none, begins anew.
        Some(id) => id.to_str().ok().and_then(|id| id.trim().parse().ok()),
        None => number(&pairs, "last_event_id", 0, u64::MAX)?,
    };
    let (app, place) = (&asked.app, asked.place()?);
    let full = || {
        let detail = "this gateway has as many viewers as it takes; ask for the seats every few seconds instead";
        Problem::new("viewers_full", detail).retry_after(FULL_RETRY)
    };
    let show = app.live_show(&place).ok_or_else(full)?;
    let places = app.live.places(&show).ok_or_else(full)?;
    let known = show.known_within(bounds::FIRST_STATE_WAIT).await;
    known.ok_or_else(|| Problem::new("unavailable", "no replica of the show can be followed"))?;
    let events = viewer::events(show, resume, places, app.live.draining());
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A reverse proxy that gathers the answer would hold back every event.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

pub(super) async fn layout(asked: About<ShowRef>) -> Result<Response, Problem> {
    let About { app, headers, .. } = &asked;
    let pairs = asked.query(&["v"])?;
    let place = asked.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let document = layout.document();
    let tag = format!("\"{}\"", document.version);
    let cache = match parameter(&pairs, "v") {
        Some(version) if version == document.version => LAYOUT_CACHE_VERSION,
        _ => LAYOUT_CACHE,
    };
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if accepts_gzip(headers) {
        octets(document.gzip.clone(), "application/json", true)
    } else {
        octets(document.json.clone(), "application/json", false)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
