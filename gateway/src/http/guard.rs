//! What every request passes through, outermost first: span and count, a place, the session's memory, a deadline, headers.
//!
//! Owns: bounds on requests as such. Must never: read a body.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::{door, local, origin, page, trail};
use crate::admission::Class;
use crate::app::App;
use crate::geo::origins::RoundTripConfig;
use crate::problem::Problem;
use crate::{clock, footprint, limits};

/// The page loads nothing from anywhere else, sends forms to nobody else, and nobody may frame it. [`policy`] adds to it what it
/// measures the way to.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SAFETY: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    // With no-referrer, browsers would name no origin on our own forms, and we could not tell them from a stranger's.
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    (
        "permissions-policy",
        "geolocation=(), camera=(), microphone=()",
    ),
];

/// What the page may do, as every answer says it.
pub(super) fn policy(config: &RoundTripConfig) -> HeaderValue {
    let extended = config.listed().and_then(|origins| {
        let own = "connect-src 'self'";
        let policy = CONTENT_SECURITY_POLICY.replace(own, &format!("{own} {origins}"));
        HeaderValue::from_str(&policy).ok()
    });
    extended.unwrap_or_else(|| HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

/// With the app goes its [`policy`].
pub(super) async fn around(
    State((app, policy)): State<(Arc<App>, HeaderValue)>,
    request: Request,
    next: Next,
) -> Response {
    let started = clock::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched
        .as_ref()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let reader = page::Reader::of(&request);
    let span = tracing::info_span!("http_request", %method, route);
    let response = admit(&app, request, next, &method, &route, started)
        .instrument(span)
        .await;
    let mut response = as_problem(response);
    if let Some(reader) = reader {
        response = reader.reads(&app, response).await;
    }
    add_safety(response.headers_mut(), policy);
    let (status, took) = (response.status().as_u16(), started.elapsed());
    if local::answered(response.headers()) {
        let whole = &app.metrics.live.local_rejection_request_seconds;
        whole.observe(took.as_secs_f64());
    }
    app.metrics
        .answered(&route, method_label(&method), status, took);
    response
}

/// Operators must get an answer also when the house is full, and so must other gateways: a full house is not a lost region,
/// and taking it for one would send its users to the next, until that is full.
fn is_probe(route: &str) -> bool {
    matches!(
        route,
        "/healthz" | "/readyz" | "/metrics" | crate::observatory::PATH
    )
}

async fn admit(
    app: &Arc<App>,
    mut request: Request,
    next: Next,
    method: &Method,
    route: &str,
    started: Instant,
) -> Response {
    if is_probe(route) {
        return next.run(request).await;
    }
    let writes = !method.is_safe();
    if writes && let Err(problem) = from_here(route, request.headers()) {
        return page::turned_away(app, request, problem).await;
    }
    let class = Class::of(method, route);
    let Some(_place) = app.admission.enter(class) else {
        app.metrics
            .door
            .refused
            .with_label_values(&["requests"])
            .inc();
        app.metrics
            .door
            .shed
            .with_label_values(&[class.as_str()])
            .inc();
        let problem = Problem::new("overloaded", "too many requests in work at this gateway")
            .retry_after(class.retry_after());
        return page::turned_away(app, request, problem).await;
    };
    let visitor = match door::knock(app, &mut request, method, route) {
        Ok(visitor) => visitor,
        Err(problem) => return page::turned_away(app, request, problem).await,
    };
    let session = match trail::session(app, request.headers()) {
        Ok(session) => session,
        Err(problem) => return problem.into_response(),
    };
    let (cookies, seen) = (session.cookies, session.positions);
    let work = footprint::scope(seen, in_time(request, next, writes));
    let (mut response, footprint) = work.await;
    door::leave(app, &visitor, method, route, &response);
    trail::mark(
        app,
        response.headers_mut(),
        &footprint,
        started.elapsed(),
        cookies,
    );
    response
}

/// Whether a write may come from where it comes from.
fn from_here(route: &str, headers: &HeaderMap) -> Result<(), Problem> {
    if page::takes_forms(route) {
        origin::own_form(headers)
    } else {
        origin::not_foreign(headers)
    }
}

async fn in_time(request: Request, next: Next, writes: bool) -> Response {
    match tokio::time::timeout(limits::REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) if writes => Problem::new(
            "outcome_unknown",
            "no answer in time; repeat the request with the same Idempotency-Key",
        )
        .into_response(),
        Err(_) => Problem::new("deadline", "no answer in time").into_response(),
    }
}

/// Errors that the framework made itself (a path that is not UTF-8, say) get the same form as ours.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"))
        || response
            .extensions()
            .get::<super::assets::OwnErrorPage>()
            .is_some();
    if ours {
        return response;
    }
    if status.is_server_error() {
        return Problem::new("internal", "the request could not be answered").into_response();
    }
    Problem::new("invalid_parameter", "the address or a header is malformed").into_response()
}

fn add_safety(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in SAFETY {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A bounded set, whatever a client sends.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
