//! Posted forms: what is in one, its key.
//!
//! Owns: reading a bounded form. Must never: read one that was not sent from a page of this site.

use axum::body::Body;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::origin::own_form;
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
        own_form(visit.headers())?;
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

    /// Everything that was filled in.
    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
