//! How the room is, and where somebody stands.
//!
//! Owns: what may be cached of it. Must never: answer one buyer with another's place.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Asked;
use super::carried::ticket;
use super::views::view;
use crate::http::encoding::is_known;

/// When to look again at a show without a room, seconds.
const NONE_REFRESH_S: u64 = 60;

/// `GET /v1/shows/{show}/queue`
pub(in crate::http) async fn look(asked: Asked) -> Response {
    let Some(room) = asked.room.clone() else {
        let none = json!({"show": asked.show.to_string(), "state": "none", "refresh_in_s": NONE_REFRESH_S});
        let cache = [(header::CACHE_CONTROL, "public, max-age=5")];
        return (cache, Json(none)).into_response();
    };
    // A ticket that is no good is as none here: whoever looks wants to see the room.
    let ticket = ticket(&asked.app, &asked.headers, asked.show.0).unwrap_or(None);
    if let Some(ticket) = ticket {
        let ticket = asked.hear(&room, ticket).unwrap_or(ticket);
        let body = view(&asked, &room, Some(&ticket));
        let cache = [(header::CACHE_CONTROL, "private, no-store")];
        return (cache, Json(body)).into_response();
    }
    let life = room.state(asked.now_ms).as_str();
    let tag = format!("W/\"q{}.{}.{life}\"", asked.show, room.seq);
    let mut response = if is_known(&asked.headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(view(&asked, &room, None)).into_response()
    };
    let cache = HeaderValue::from_static("public, max-age=1");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    let vary = HeaderValue::from_static("Cookie, X-Holdfast-Ticket");
    response.headers_mut().insert(header::VARY, vary);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
