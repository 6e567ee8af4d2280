//! Who is asking: a bearer token, or the cookie that `POST /v1/guests` sets.
//!
//! Owns: the two ways a token travels. Must never: make an identity for a request that did not ask for one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::app::App;
use crate::clock;
use crate::problem::Problem;
use crate::session::{Buyer, Sessions, TokenError};

const COOKIE: &str = "hf_guest";

/// The buyer of a request. A bearer token wins over the cookie, since only one of them was chosen for this request.
pub(super) fn buyer(app: &App, headers: &HeaderMap) -> Result<Buyer, Problem> {
    let token = token(headers)?.ok_or_else(|| {
        Problem::new(
            "unauthenticated",
            "send Authorization: Bearer <token>, or get a guest identity from POST /v1/guests",
        )
    })?;
    app.sessions
        .verify(token, clock::unix_ms())
        .map_err(|error| match error {
            TokenError::Invalid => Problem::new("token_invalid", error.to_string()),
            TokenError::Expired => Problem::new("token_expired", error.to_string()),
        })
}

/// What `Authorization: Bearer` has, or else the cookie.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or("");
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            let reason = "must be of the form: Bearer <token>";
            return Err(Problem::field("token_invalid", "Authorization", reason));
        }
        return Ok(Some(token.trim()));
    }
    Ok(cookie(headers, COOKIE))
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|p| p.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// Whether an answer with `headers` gives somebody an identity.
pub(super) fn makes_a_guest(headers: &HeaderMap) -> bool {
    let mut set = headers.get_all(header::SET_COOKIE).iter();
    set.any(|cookie| {
        let value = cookie.as_bytes().strip_prefix(COOKIE.as_bytes());
        value.is_some_and(|value| value.starts_with(b"="))
    })
}

/// `POST /v1/guests`: a new guest, or a fresh token for the guest who asks.
pub(super) async fn guest(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let buyer = buyer(&app, &headers).unwrap_or_else(|_| Sessions::new_buyer());
    let (token, expires_at_s) = app.sessions.issue(buyer, clock::unix_ms());
    let secure = if app.config.cookie_secure {
        "; Secure"
    } else {
        ""
    };
    let max_age_s = app.sessions.lifetime().as_secs();
    let cookie =
        format!("{COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
    let body = json!({
        "buyer": buyer.to_string(),
        "token": token,
        "expires_at_ms": expires_at_s.saturating_mul(1000),
    });
    (
        StatusCode::CREATED,
        [(header::SET_COOKIE, cookie)],
        Json(body),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(k, v)| (k.clone(), HeaderValue::from_str(v).unwrap()));
        pairs.collect()
    }

    #[test]
    fn the_bearer_token_wins_over_the_cookie() {
        let both = headers(&[
            (header::COOKIE, "a=b; hf_guest=c"),
            (header::AUTHORIZATION, "bearer  t"),
        ]);
        assert_eq!(token(&both).unwrap(), Some("t"));
        let cookie = headers(&[(header::COOKIE, "a=b; hf_guest=c")]);
        assert_eq!(token(&cookie).unwrap(), Some("c"));
        assert_eq!(token(&HeaderMap::new()).unwrap(), None);
        assert!(token(&headers(&[(header::AUTHORIZATION, "Basic x")])).is_err());
    }
}
