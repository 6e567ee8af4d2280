//! Cookies of the page.
//!
//! Owns: how one is written. Must never: hold anything that a script or another site may read or send.

use crate::app::App;

/// A `Set-Cookie` value. `value` must consist of letters, digits, `-`, `_` and `.`.
pub(super) fn set(app: &App, name: &str, value: &str, age_s: u32) -> String {
    let secure = if app.config.cookie_secure {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}")
}
