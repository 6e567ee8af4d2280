//! Posted forms: where one came from, what is in it, its key.
//!
//! ```text
//! a form is taken when   Sec-Fetch-Site: same-origin
//!                   or   (no Sec-Fetch-Site) Origin names the host that was asked
//! ```
//!
//! Every browser that can send the cookie says one of the two, and no other site can forge either; `SameSite=Lax` keeps the
//! cookie out of foreign posts besides. Tools have the API, which wants a header that no form can send.
//!
//! Owns: that check, reading a bounded form. Must never: take a form from another site.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::request::read_body;
use super::Visit;
use crate::chance;
use crate::problem::Problem;

/// Most fields of a form: a seat each, and a few more.
const FIELDS_MAX: usize = 1_000;
/// Length of a form's own key.
const KEY_CHARS_MAX: usize = 64;

/// The fields of a posted form.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the form of `visit`.
    pub(super) async fn read(visit: &Visit, body: Body) -> Result<Self, Problem> {
        if !is_own(visit.headers()) {
            let detail = "this form was not sent from a page of this site";
            return Err(Problem::new("unauthenticated", detail));
        }
        let bytes = read_body(&visit.app, visit.headers(), body).await?;
        let pairs = form_urlencoded::parse(&bytes).into_owned();
        Ok(Self(pairs.take(FIELDS_MAX).collect()))
    }

    /// The value of `name`; empty counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let pair = self
            .0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty());
        pair.map(|(_, value)| value.as_str())
    }

    /// All values of `name`, each once.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for (known, value) in &self.0 {
            if known == name && !value.is_empty() && !values.contains(value) {
                values.push(value.clone());
            }
        }
        values
    }

    /// The idempotency key of what this form asks for. The document gave the form a key of its own; with what is asked for,
    /// it makes one that a double click repeats and a changed choice does not.
    pub(super) fn key(&self, path: &str, asked: Option<&Value>) -> String {
        let own = self.get("key").filter(|key| {
            key.len() <= KEY_CHARS_MAX && key.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        let own = own.map_or_else(new_key, str::to_owned);
        let mut hash = Sha256::new();
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(asked.map(Value::to_string).unwrap_or_default());
        let print: String = hash
            .finalize()
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("page-{own}-{print}")
    }
}

/// A key for a form.
pub(super) fn new_key() -> String {
    format!("{:032x}", chance::draw::<u128>())
}

/// Whether a page of this site sent the form.
fn is_own(headers: &HeaderMap) -> bool {
    let text =
        |name: &header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = headers.get("sec-fetch-site") {
        return site.as_bytes() == b"same-origin";
    }
    let host = text(&header::HOST).unwrap_or("");
    let origin = text(&header::ORIGIN).and_then(|origin| origin.split_once("://"));
    !host.is_empty() && origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn own(pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_own(&pairs.collect())
    }

    #[test]
    fn only_forms_of_this_site_are_taken() {
        assert!(own(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ]));
        assert!(own(&[
            ("origin", "https://tickets.example"),
            ("host", "tickets.example")
        ]));
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://a"),
                ("host", "a"),
            ],
            &[
                ("origin", "https://evil.example"),
                ("host", "tickets.example"),
            ],
            &[("origin", "null"), ("host", "tickets.example")],
            &[("origin", "https://"), ("host", "")],
            &[("host", "tickets.example")],
            &[],
        ] {
            assert!(!own(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_double_click_repeats_the_key_and_a_changed_choice_does_not() {
        let form = Form(vec![("key".into(), "abc".into())]);
        let one = form.key("/p", Some(&json!({"seats": ["A"]})));
        assert_eq!(one, form.key("/p", Some(&json!({"seats": ["A"]}))));
        assert_ne!(one, form.key("/p", Some(&json!({"seats": ["B"]}))));
        assert_ne!(one, form.key("/q", Some(&json!({"seats": ["A"]}))));
        let without = Form(vec![("key".into(), "a b".into())]);
        assert_ne!(without.key("/p", None), without.key("/p", None));
    }
}
