//! The page: every step of buying as a document with links and forms that work without a script.
//!
//! ```text
//! GET  /shows/s7        → document: list of seats, forms        scripts, when there are any, put the map in its place
//! POST /shows/s7/hold   → own API: POST /v1/shows/s7/holds      and send the same API request themselves
//!      303 → /holds/h7-1
//! ```
//!
//! A form post becomes the API request that a script would have sent, and goes through the same routes: one set of rules.
//!
//! Owns: the addresses of documents, what a document is told about its reader. Must never: decide anything about seats, or
//! write text into a document without escaping it (every template is a macro that escapes).

mod api;
mod checkout;
mod cookie;
mod event;
mod form;
mod language;
mod lines;
mod messages;
mod orders;
mod queue;
mod search;
mod seat_list;
mod shell;
mod show;
mod turned_away;
mod write;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use maud::Markup;

pub(super) use self::api::Api;
use self::language::Language;
use self::messages::Words;
pub(super) use self::messages::{ENGLISH, GERMAN};
pub(super) use self::search::start;
pub(super) use self::turned_away::{Reader, turned_away};
use super::assets::own_error_page;
use super::encoding::{accepts_gzip, octets};
use super::{Route, route};
use crate::app::App;
use crate::packing::gzip_quickly;

const HTML: &str = "text/html; charset=utf-8";
/// A smaller document fits into the first packets as it is, bytes.
const PACKED_BYTES_MIN: usize = 8 * 1024;

/// The documents. They are for people, so the API document does not list them.
pub const PAGES: &[Route] = &[
    route("GET", "/events/{event}", || get(event::one)),
    route("GET", "/shows/{show}", || get(show::one)),
    route("POST", "/shows/{show}/hold", || post(show::hold)),
    route("GET", "/shows/{show}/queue", || get(queue::one)),
    route("POST", "/shows/{show}/queue", || post(queue::join)),
    route("POST", "/shows/{show}/queue/claim", || post(queue::claim)),
    route("POST", "/shows/{show}/queue/waitlist", || {
        post(queue::waitlist)
    }),
    route("GET", "/holds/{hold}", || get(checkout::hold)),
    route("POST", "/holds/{hold}/extend", || post(checkout::extend)),
    route("POST", "/holds/{hold}/release", || post(checkout::release)),
    route("POST", "/holds/{hold}/order", || post(checkout::order)),
    route("GET", "/orders", || get(orders::list)),
    route("GET", "/orders/{order}", || get(checkout::one_order)),
    route("POST", "/orders/{order}/pay", || post(checkout::pay)),
    route("POST", "/orders/{order}/cancel", || post(checkout::cancel)),
    route("GET", "/language", || get(language::switch)),
];

/// Whether the documents' forms post to `route`.
pub(super) fn takes_forms(route: &str) -> bool {
    let mut forms = PAGES.iter().filter(|page| page.method == "POST");
    forms.any(|page| page.path == route)
}

/// What a document is told about the request it answers.
pub(super) struct Visit {
    app: Arc<App>,
    parts: Parts,
    words: Words,
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self {
            app: Arc::clone(app),
            words: Words::of(Language::of(&parts.headers)),
            parts: parts.clone(),
        })
    }
}

impl Visit {
    /// Whether a person's browser asks for something to read, outside the API.
    pub(super) fn wants_a_document(&self) -> bool {
        reads_html(self.headers()) && !self.uri().path().starts_with("/v1")
    }

    fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    fn t(&self, key: &str) -> String {
        self.words.t(key)
    }

    fn money(&self, minor: u64, currency: &str) -> String {
        write::money(self.words.language, minor, currency)
    }

    /// A finished document.
    fn document(&self, status: StatusCode, markup: Markup) -> Response {
        let text = Bytes::from(markup.into_string());
        // There is no secret in a document that somebody could learn from its packed size: identities are in cookies.
        let html = if text.len() >= PACKED_BYTES_MIN && accepts_gzip(self.headers()) {
            octets(gzip_quickly(&text), HTML, true)
        } else {
            octets(text, HTML, false)
        };
        let mut response = (status, own_error_page(), html).into_response();
        let vary = HeaderValue::from_static("accept-encoding, accept-language, cookie");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

/// Whether a person's browser asks for something to read.
fn reads_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"))
}

/// On to another address after something was done, so that a reload does not do it again.
fn see_other(to: &str, cookies: &[String]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    headers.insert(header::LOCATION, to);
    set_cookies(&mut response, cookies);
    response
}

fn set_cookies(response: &mut Response, cookies: &[String]) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
}

/// What a browser gets where there is nothing.
pub(super) fn not_found(visit: Visit) -> Response {
    let title = visit.t("missing.title");
    let advice = visit.t("missing.advice");
    shell::trouble(&visit, StatusCode::NOT_FOUND, &title, &advice)
}
