//! The gateway's own API, as a document uses it: in memory, through the same routes as anybody's request.
//!
//! Owns: making the request, guests without an identity yet. Must never: go around a check that the API makes.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, response,
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use super::Visit;
use crate::problem::Problem;

/// Largest answer that a document reads, bytes: a page of events is far smaller.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What the buyer's own request says about its body, and what only browsers add to documents.
const NOT_FORWARDED: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::RANGE,
];

/// The API's routes without what surrounds every request: the document's own request has passed through that.
#[derive(Clone)]
pub(in crate::http) struct Api(pub(in crate::http) Arc<Router>);

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// RFC 9457.
    pub(super) problem: Value,
    /// When to come back, where that is known.
    pub(super) retry_after_s: Option<u64>,
}

impl Refusal {
    /// The seats that it is about.
    pub(super) fn seats(&self) -> impl Iterator<Item = &str> {
        let seats = self.problem["seats"].as_array().into_iter().flatten();
        seats.filter_map(Value::as_str)
    }

    /// The published code.
    pub(super) fn code(&self) -> &str {
        self.problem["code"].as_str().unwrap_or("internal")
    }
}

impl Refusal {
    /// What an answer of the API says that says no.
    pub(super) fn of(head: &response::Parts, problem: Value) -> Self {
        let after = head.headers.get(header::RETRY_AFTER);
        Self {
            status: head.status,
            problem,
            retry_after_s: after.and_then(|after| after.to_str().ok()?.parse().ok()),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status(),
            retry_after_s: problem.retry_after_s(),
            problem: problem.body(),
        }
    }
}

/// What is asked of the API.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    /// `Idempotency-Key` of a write.
    pub(super) key: Option<&'a str>,
    pub(super) body: Option<Value>,
}

impl Ask<'_> {
    /// A read.
    pub(super) fn read(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            key: None,
            body: None,
        }
    }
}

impl Visit {
    /// Asks the API as the visitor.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Value, Refusal> {
        self.send(ask, None).await.map(|(_, body)| body)
    }

    /// Asks the API as the visitor, who becomes a guest if need be; also says what cookies to set then.
    pub(super) async fn ask_as_guest(
        &self,
        ask: &Ask<'_>,
    ) -> Result<(Value, Vec<String>), Refusal> {
        match self.send(ask, None).await {
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {}
            other => return other.map(|(headers, body)| (body, cookies(&headers))),
        }
        let join = Ask {
            method: Method::POST,
            ..Ask::read("/v1/guests")
        };
        let (headers, guest) = self.send(&join, None).await?;
        let mut set = cookies(&headers);
        let (headers, body) = self.send(ask, guest["token"].as_str()).await?;
        set.extend(cookies(&headers));
        Ok((body, set))
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        token: Option<&str>,
    ) -> Result<(HeaderMap, Value), Refusal> {
        let request = self
            .request(ask, token)
            .ok_or_else(|| internal("the address"))?;
        let Some(Api(routes)) = self.parts.extensions.get::<Api>() else {
            return Err(internal("the routes"));
        };
        let Ok(response) = TowerToHyperService::new(Router::clone(routes))
            .call(request)
            .await;
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, ANSWER_BYTES_MAX)
            .await
            .map_err(|_| internal("the answer's size"))?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if head.status.is_success() {
            Ok((head.headers, body))
        } else {
            Err(Refusal::of(&head, body))
        }
    }

    /// The visitor's own request, turned to the API: the same cookies, addresses and marks of whoever forwarded it.
    fn request(&self, ask: &Ask<'_>, token: Option<&str>) -> Option<Request<Body>> {
        let mut headers = self.headers().clone();
        for name in NOT_FORWARDED {
            headers.remove(name);
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json.clone());
        if ask.body.is_some() {
            headers.insert(header::CONTENT_TYPE, json);
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            headers.insert(header::AUTHORIZATION, value);
        }
        if let Some(key) = ask.key {
            headers.insert("idempotency-key", HeaderValue::from_str(key).ok()?);
        }
        let body = ask
            .body
            .as_ref()
            .map_or_else(Body::empty, |body| body.to_string().into());
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(&ask.path)
            .body(body)
            .ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// Cookies that an answer sets.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let set = headers.get_all(header::SET_COOKIE).iter();
    set.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned))
        .collect()
}

fn internal(what: &str) -> Refusal {
    Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        problem: serde_json::json!({ "code": "internal", "detail": format!("{what} could not be made") }),
        retry_after_s: None,
    }
}
