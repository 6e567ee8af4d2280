//! Where a browser's request was made: on a page of this site, or elsewhere.
//!
//! ```text
//! a form is taken when   Sec-Fetch-Site: same-origin
//!                   or   (no Sec-Fetch-Site) Origin names the host that was asked
//! an API write is refused when   Sec-Fetch-Site: cross-site
//! ```
//!
//! Every browser that can send the cookie says one of the two, and no other site can forge either; `SameSite=Lax` keeps the
//! cookie out of foreign posts besides. That does not help against a foreign post that *sets* one, so such a post is refused.
//! Tools send neither header: they have no cookie that somebody else could use.
//!
//! Owns: those two checks. Must never: take a form from another site.

use axum::http::{HeaderMap, header};

use crate::problem::Problem;

const SITE: &str = "sec-fetch-site";

/// Whether a page of this site sent the form.
///
/// # Errors
/// The problem to answer with, when not.
pub(super) fn own_form(headers: &HeaderMap) -> Result<(), Problem> {
    if is_own(headers) {
        return Ok(());
    }
    let detail = "this form was not sent from a page of this site";
    Err(Problem::new("cross_site", detail))
}

/// Whether a write may be asked for from where it was.
///
/// # Errors
/// The problem to answer with, when another site asks.
pub(super) fn not_foreign(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get(SITE).map(|site| site.as_bytes());
    if site != Some(b"cross-site") {
        return Ok(());
    }
    let detail = "a page of another site asked for this; nothing was done";
    Err(Problem::new("cross_site", detail))
}

fn is_own(headers: &HeaderMap) -> bool {
    let text =
        |name: &header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = headers.get(SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let host = text(&header::HOST).unwrap_or("");
    let origin = text(&header::ORIGIN).and_then(|origin| origin.split_once("://"));
    !host.is_empty() && origin.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn only_forms_of_this_site_are_taken() {
        assert!(is_own(&headers(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ])));
        assert!(is_own(&headers(&[
            ("origin", "https://tickets.example"),
            ("host", "tickets.example")
        ])));
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
            let refused = own_form(&headers(foreign)).unwrap_err();
            assert_eq!(refused.code(), "cross_site", "{foreign:?}");
        }
    }

    #[test]
    fn tools_and_own_pages_may_write_and_other_sites_may_not() {
        for site in ["same-origin", "same-site", "none"] {
            assert!(not_foreign(&headers(&[("sec-fetch-site", site)])).is_ok());
        }
        assert!(not_foreign(&HeaderMap::new()).is_ok());
        assert!(not_foreign(&headers(&[("sec-fetch-site", "cross-site")])).is_err());
    }
}
