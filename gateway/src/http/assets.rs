//! The web page, the API document and the error pages, all inside the binary.
//!
//! Owns: which files there are and their types. Must never: read a file at run time, or serve a script from elsewhere.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use bytes::Bytes;
use holdfast_node_api::codes;

use super::encoding::{accepts_gzip, is_known, octets};
use crate::packing::gzip;
use crate::problem::Problem;

/// Marks an answer whose status is an error and whose body is meant as it is.
#[derive(Clone, Copy)]
pub(super) struct OwnErrorPage;

pub(super) fn own_error_page() -> axum::Extension<OwnErrorPage> {
    axum::Extension(OwnErrorPage)
}

/// The API, as OpenAPI 3.1.
pub(super) const OPENAPI: &str = include_str!("../../openapi.json");

const JS: &str = "text/javascript; charset=utf-8";

/// Name, type, content.
const FILES: &[(&str, &str, &str)] = &[
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../../ui/style.css"),
    ),
    (
        "seats.css",
        "text/css; charset=utf-8",
        include_str!("../../ui/seats.css"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../../ui/icon.svg"),
    ),
    ("messages-en.json", "application/json", super::page::ENGLISH),
    ("messages-de.json", "application/json", super::page::GERMAN),
    ("app.js", JS, include_str!("../../ui/app.js")),
    ("api.js", JS, include_str!("../../ui/api.js")),
    ("dom.js", JS, include_str!("../../ui/dom.js")),
    ("format.js", JS, include_str!("../../ui/format.js")),
    ("countdown.js", JS, include_str!("../../ui/countdown.js")),
    ("messages.js", JS, include_str!("../../ui/messages.js")),
    ("show.js", JS, include_str!("../../ui/show.js")),
    ("seat-model.js", JS, include_str!("../../ui/seat-model.js")),
    ("seat-map.js", JS, include_str!("../../ui/seat-map.js")),
    ("seat-grid.js", JS, include_str!("../../ui/seat-grid.js")),
    ("live.js", JS, include_str!("../../ui/live.js")),
    ("hold.js", JS, include_str!("../../ui/hold.js")),
    ("challenge.js", JS, include_str!("../../ui/challenge.js")),
    ("proof.js", JS, include_str!("../../ui/proof.js")),
    ("altcha.js", JS, include_str!("../../ui/altcha.js")),
    ("work.js", JS, include_str!("../../ui/work.js")),
    ("queue.js", JS, include_str!("../../ui/queue.js")),
    ("order.js", JS, include_str!("../../ui/order.js")),
    (
        "round-trips.js",
        JS,
        include_str!("../../ui/round-trips.js"),
    ),
];

/// Something that is the binary's own, packed once.
struct Fixed {
    kind: &'static str,
    plain: Bytes,
    gzip: Bytes,
    /// Weak: packed and plain are the same thing.
    tag: String,
}

impl Fixed {
    fn new(kind: &'static str, content: &'static str) -> Self {
        let tag = format!(
            "W/\"{}-{}\"",
            env!("CARGO_PKG_VERSION"),
            content_tag(content)
        );
        let plain = Bytes::from_static(content.as_bytes());
        Self {
            kind,
            gzip: gzip(&plain),
            plain,
            tag,
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let mut response = if is_known(headers, &self.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if accepts_gzip(headers) {
            octets(self.gzip.clone(), self.kind, true)
        } else {
            octets(self.plain.clone(), self.kind, false)
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

static ASSETS: LazyLock<HashMap<&str, Fixed>> = LazyLock::new(|| {
    let files = FILES.iter();
    files
        .map(|(name, kind, content)| (*name, Fixed::new(kind, content)))
        .collect()
});

static API_DOCUMENT: LazyLock<Fixed> = LazyLock::new(|| {
    let kind = "application/vnd.oai.openapi+json;version=3.1";
    Fixed::new(kind, OPENAPI)
});

/// FNV-1a: tells builds apart; nothing depends on it being hard to forge.
fn content_tag(content: &str) -> String {
    let hash = content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

pub(super) async fn asset(headers: HeaderMap, Path(name): Path<String>) -> Response {
    match ASSETS.get(name.as_str()) {
        Some(asset) => asset.answer(&headers),
        None => Problem::new("not_found", "there is no such asset").into_response(),
    }
}

pub(super) async fn openapi(headers: HeaderMap) -> Response {
    API_DOCUMENT.answer(&headers)
}

/// `GET /docs/errors/{code}`: what a code means, for the person who followed a problem's `type`.
pub(super) async fn error_page(Path(code): Path<String>) -> Response {
    let Some(row) = codes::find(&code) else {
        return Problem::new("not_found", "there is no such error code").into_response();
    };
    let again = if row.retryable {
        "Send the same request again, with the same Idempotency-Key, after the time that Retry-After names."
    } else {
        "Sending the same request again cannot help until something changes."
    };
    let origin = match row.origin {
        codes::Origin::Rejection => "The show decided, by its rules: nothing happened.",
        codes::Origin::Failure => "The system could not decide, or could not finish.",
        codes::Origin::Request => "The request was refused before it reached a show.",
    };
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{code}</title>\
         <link rel=\"stylesheet\" href=\"/assets/style.css\"></head><body><main class=\"page prose\">\
         <h1><code>{code}</code></h1><p class=\"lead\">HTTP {status}: {meaning}.</p><p>{origin}</p>\
         <p>{again}</p><p><a href=\"/\">Back to the events</a></p></main></body></html>",
        code = row.code,
        status = row.http_status,
        meaning = row.meaning,
    ))
    .into_response()
}
