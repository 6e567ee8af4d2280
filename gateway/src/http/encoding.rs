//! Conditional answers and compressed ones.
//!
//! Owns: how `If-None-Match`, `Accept` and `Accept-Encoding` are read. Must never: compress.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

/// Whether the caller has what `tag` names.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let bare = tag.trim_start_matches("W/");
    parts(headers, &header::IF_NONE_MATCH)
        .any(|given| given == "*" || given.trim_start_matches("W/") == bare)
}

/// Whether the caller takes gzip: named, or by star, and not with weight zero.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut star = false;
    for part in parts(headers, &header::ACCEPT_ENCODING) {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let weight = parameters.trim().strip_prefix("q=");
        let wanted = weight.is_none_or(|q| q.trim().parse::<f32>().is_ok_and(|q| q > 0.0));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return wanted,
            "*" => star = wanted,
            _ => {}
        }
    }
    star
}

/// Whether the caller asks for `media_type` by name. A star does not ask for it: those who know it say so.
pub(super) fn asks_for(headers: &HeaderMap, media_type: &str) -> bool {
    parts(headers, &header::ACCEPT).any(|part| {
        let name = part.split(';').next().unwrap_or("").trim();
        name.eq_ignore_ascii_case(media_type)
    })
}

fn parts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// An answer of bytes that exist already.
pub(super) fn octets(bytes: Bytes, media_type: &'static str, gzipped: bool) -> Response {
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if gzipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_tag_is_known_in_a_list_weak_or_strong_or_by_star() {
        let known = |value: &str| is_known(&with(header::IF_NONE_MATCH, value), "W/\"s1.5.f\"");
        assert!(known("W/\"s1.5.f\""));
        assert!(known("\"x\", \"s1.5.f\""));
        assert!(known("*"));
        assert!(!known("W/\"s1.6.f\""));
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |value: &str| accepts_gzip(&with(header::ACCEPT_ENCODING, value));
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0, *") && !takes("*;q=0") && !takes(""));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_form_is_asked_for_by_its_name() {
        let asks = |value: &str| asks_for(&with(header::ACCEPT, value), "application/x");
        assert!(asks("text/html, application/x;q=0.9"));
        assert!(!asks("*/*") && !asks("application/*"));
    }
}
