//! Cookies of the page.
//!
//! Owns: how one is read and written. Must never: hold anything that a script or another site may read or send.

use axum::http::{HeaderMap, header};

use crate::app::App;

/// The value of cookie `name`, when the browser sent it.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` value. `value` must consist of letters, digits, `-`, `_` and `.`.
pub(super) fn set(app: &App, name: &str, value: &str, age_s: u32) -> String {
    let secure = if app.config.cookie_secure {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}")
}
