//! Which language a reader gets, and where that choice is kept.
//!
//! Owns: the list of languages, `Accept-Language`, the cookie of the switch. Must never: guess from an address.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use super::super::request::{parameter, query};
use super::super::session;
use super::cookie;
use crate::app::App;
use crate::problem::Problem;

const COOKIE: &str = "hf_language";
/// As long as browsers keep a cookie at all.
const COOKIE_AGE_S: u32 = 400 * 24 * 3600;
/// Entries of an `Accept-Language` header that are looked at.
const ACCEPTED_MAX: usize = 16;
/// Where a switch leads back to: longer addresses are not ours.
const BACK_BYTES_MAX: usize = 150;

/// A language that the page speaks. A new one is a variant here and a file in `ui/messages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Language {
    English,
    German,
}

impl Language {
    /// All of them, the default first.
    pub(in crate::http) const ALL: [Self; 2] = [Self::English, Self::German];

    /// As in `lang`.
    pub(in crate::http) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What the language calls itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// The reader's: by the switch, else by `Accept-Language`, else English.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let switched = session::cookie(headers, COOKIE).and_then(Self::of_code);
        switched
            .or_else(|| accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
            .unwrap_or(Self::English)
    }
}

/// The language of `Accept-Language` with the largest weight that we have; the first of equals.
fn accepted(list: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for entry in list.split(',').take(ACCEPTED_MAX) {
        let (tag, weight) = entry.split_once(";q=").unwrap_or((entry, "1"));
        let weight: f32 = weight.trim().parse().unwrap_or(0.0);
        let primary = tag.trim().split('-').next().unwrap_or("");
        let Some(language) = Language::of_code(&primary.to_ascii_lowercase()) else {
            continue;
        };
        if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// `GET /language?to=de&back=/shows/s7`: remembers the choice and goes back.
pub(super) async fn switch(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let pairs = query(&uri, &["to", "back"])?;
    let code = parameter(&pairs, "to").unwrap_or("");
    let chosen = Language::of_code(code)
        .ok_or_else(|| Problem::field("invalid_parameter", "to", "is no language of this page"))?;
    let back = parameter(&pairs, "back").filter(|back| is_ours(back));
    let cookie = cookie::set(&app, COOKIE, chosen.code(), COOKIE_AGE_S);
    let to = back.unwrap_or("/").to_owned();
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, to)];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// Whether `back` is an address on this site: a browser takes `//host` and `/\host` for another one.
fn is_ours(back: &str) -> bool {
    let mut letters = back.chars();
    letters.next() == Some('/')
        && !matches!(letters.next(), Some('/' | '\\'))
        && back.len() <= BACK_BYTES_MAX
        && back
            .chars()
            .all(|letter| letter.is_ascii_graphic() && letter != '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_that_we_have_wins() {
        assert_eq!(
            accepted("fr, de-CH;q=0.8, en;q=0.7"),
            Some(Language::German)
        );
        assert_eq!(accepted("en;q=0.3,de;q=0.9"), Some(Language::German));
        assert_eq!(accepted("EN-us,de"), Some(Language::English));
        assert_eq!(accepted("de;q=0, fr"), None);
        assert_eq!(accepted(";;q=x,"), None);
    }

    #[test]
    fn the_switch_wins_over_the_browser() {
        let headers: HeaderMap = [
            (header::ACCEPT_LANGUAGE, "en".parse().unwrap()),
            (header::COOKIE, "a=1; hf_language=de".parse().unwrap()),
        ]
        .into_iter()
        .collect();
        assert_eq!(Language::of(&headers), Language::German);
    }

    #[test]
    fn a_switch_never_leads_to_another_site() {
        assert!(is_ours("/"));
        assert!(is_ours("/shows/s7?zone=Stalls"));
        for other in ["", "//evil", "/\\evil", "https://evil", "/a\r\nb", "/ü"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
