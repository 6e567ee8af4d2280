//! `Idempotency-Key`, as the IETF draft has it.
//!
//! Owns: reading the header and wrapping a write, so that a repeat gets the same answer. Must never: save anything when
//! validation failed or the outcome is not final.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::Value;

use crate::answers::{Answer, Begin, Fingerprint};
use crate::app::App;
use crate::limits;
use crate::problem::Problem;
use crate::session::Buyer;

/// How long a second request with a key should wait for the first.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// The key of a write: 1 to 255 visible ASCII characters, bare or as a quoted string.
pub(super) fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let value = headers.get("idempotency-key").ok_or_else(|| {
        Problem::field(
            "idempotency_key_missing",
            "Idempotency-Key",
            "a write needs one",
        )
    })?;
    let text = value.to_str().unwrap_or("").trim();
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    if !fits
        || !key
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    {
        let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
        let reason = format!("must be 1 to {max} visible ASCII characters, such as a UUID");
        return Err(Problem::field(
            "idempotency_key_invalid",
            "Idempotency-Key",
            reason,
        ));
    }
    Ok(key.to_owned())
}

/// What a write came to.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) location: Option<String>,
    /// The shard gave the remembered outcome of an earlier request.
    pub(super) replayed: bool,
}

/// Does `work` unless this buyer's `key` was answered before.
pub(super) async fn once(
    app: &App,
    buyer: Buyer,
    key: &str,
    fingerprint: Fingerprint,
    work: impl Future<Output = Result<Written, Problem>>,
) -> Result<Response, Problem> {
    let in_work = match app.answers.begin(buyer, key, fingerprint) {
        Begin::Go(in_work) => in_work,
        Begin::Known(answer) => return Ok(respond(answer, true)),
        Begin::Busy => {
            let detail = "the first request with this key is still in work";
            return Err(Problem::new("request_in_flight", detail).retry_after(BUSY_RETRY));
        }
        Begin::Changed => {
            let detail = "this key was used for another method, path or body; take a new key";
            return Err(Problem::new("request_reused", detail));
        }
    };
    match work.await {
        Ok(written) => {
            let replayed = written.replayed;
            let answer = Answer {
                status: written.status.as_u16(),
                content_type: "application/json",
                body: Bytes::from(written.body.to_string()),
                location: written.location,
            };
            // 202 says "not yet": a repeat should learn more.
            if written.status != StatusCode::ACCEPTED {
                in_work.settle(answer.clone());
            }
            Ok(respond(answer, replayed))
        }
        Err(problem) if problem.status() == StatusCode::PAYMENT_REQUIRED => {
            // A declined payment is an effect: this key's attempt is over, whatever later keys do.
            in_work.settle(Answer {
                status: problem.status().as_u16(),
                content_type: "application/problem+json",
                body: Bytes::from(problem.body().to_string()),
                location: None,
            });
            Err(problem)
        }
        Err(problem) => Err(problem),
    }
}

fn respond(answer: Answer, replayed: bool) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(answer.body)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    if let Some(location) = answer.location.and_then(|l| HeaderValue::from_str(&l).ok()) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<String, Problem> {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        key(
            &[(header::HeaderName::from_static("idempotency-key"), value)]
                .into_iter()
                .collect(),
        )
    }

    #[test]
    fn a_key_may_be_bare_or_quoted() {
        assert_eq!(read("abc-1").unwrap(), "abc-1");
        assert_eq!(read("\"abc-1\"").unwrap(), "abc-1");
    }

    #[test]
    fn keys_that_are_no_keys_are_refused() {
        assert_eq!(
            key(&HeaderMap::new()).unwrap_err().code(),
            "idempotency_key_missing"
        );
        for bad in ["", "\"\"", "a b", "é", "a\"b", &"x".repeat(256)] {
            assert_eq!(
                read(bad).unwrap_err().code(),
                "idempotency_key_invalid",
                "{bad}"
            );
        }
        assert!(read(&"x".repeat(255)).is_ok());
    }
}
