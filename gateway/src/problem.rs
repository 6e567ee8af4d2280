//! RFC 9457 problem details: how the gateway says no.
//!
//! Owns: the shape of an error answer and the way from a published code to its status and headers. Must never: invent a
//! code that is not in the contract's table (`holdfast_node_api::codes`), or leak anything internal.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use holdfast_node_api::codes::{self, Code};
use serde_json::{Map, Value, json};

/// Pause suggested to a client when nobody knows better.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(2);

/// One error answer. Build it with [`Problem::new`] and the `with_` methods; it turns itself into a response.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: &'static Code,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl Problem {
    /// A problem with a published `code`; `detail` tells a person what happened here.
    /// A code that is not in the table becomes `internal`: a test holds all of ours against the table.
    #[must_use]
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let row = codes::find(code).or_else(|| codes::find("internal"));
        let row = row.expect("the table has the code `internal`");
        Self(Box::new(Parts {
            code: row,
            detail: detail.into(),
            members: Map::new(),
            retry_after: row.retryable.then_some(RETRY_AFTER_DEFAULT),
            allow: None,
            headers: Vec::new(),
        }))
    }

    /// A request field that is wrong: `field` is a JSON pointer, or the name of a parameter or header.
    #[must_use]
    pub fn field(code: &str, field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let shown = if field.is_empty() { "the body" } else { field };
        Self::new(code, format!("{shown}: {reason}"))
            .with("errors", json!([{ "field": field, "reason": reason }]))
    }

    /// Adds a member of this problem's own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Tells the client when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The methods that the address does take, for 405.
    #[must_use]
    pub fn allow(mut self, methods: &str) -> Self {
        self.0.allow = Some(methods.to_owned());
        self
    }

    /// Adds a header of this problem's own; its name is in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The published code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Seconds after which to come back, rounded up: coming back too early helps nobody.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        let after = self.0.retry_after?;
        let seconds = after.as_millis().div_ceil(1000).max(1);
        Some(u64::try_from(seconds).unwrap_or(u64::MAX))
    }

    /// The body as JSON.
    #[must_use]
    pub fn body(&self) -> Value {
        let parts = &self.0;
        let mut body = json!({
            "type": format!("/docs/errors/{}", parts.code.code),
            "title": parts.code.meaning,
            "status": parts.code.http_status,
            "code": parts.code.code,
            "detail": parts.detail,
        });
        if let Value::Object(members) = &mut body {
            members.extend(parts.members.clone());
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.body().to_string()).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = &self.0.allow
            && let Ok(value) = HeaderValue::from_str(allow)
        {
            headers.insert(header::ALLOW, value);
        }
        for (name, value) in &self.0.headers {
            headers.insert(*name, value.clone());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"holdfast\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_carries_its_code_its_page_and_what_it_is_about() {
        let problem = Problem::new("seats_taken", "A-1 is gone").with("seats", json!(["A-1"]));
        assert_eq!(problem.status(), StatusCode::CONFLICT);
        let body = problem.body();
        assert_eq!(body["type"], "/docs/errors/seats_taken");
        assert_eq!(body["code"], "seats_taken");
        assert_eq!(body["status"], 409);
        assert_eq!(body["seats"], json!(["A-1"]));
    }

    #[test]
    fn trouble_that_passes_says_when_to_come_back() {
        let response = Problem::new("unavailable", "no quorum")
            .retry_after(Duration::from_millis(1_200))
            .into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let definite = Problem::new("seats_taken", "gone").into_response();
        assert!(!definite.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn an_unpublished_code_is_an_internal_error() {
        assert_eq!(Problem::new("no_such_code", "").code(), "internal");
    }
}
