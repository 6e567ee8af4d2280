//! What a session has seen, read from a request; where its answer came from, written on it.
//!
//! ```text
//! X-Holdfast-Session: token        both ways; a browser has it as the cookie hf_seen
//! X-Holdfast-Route: gateway=eastus, served-by=eastus, node=1, leader=westeurope, age-ms=12, tries=1
//! Server-Timing: upstream;dur=3.1, gateway;dur=0.4
//! ```
//!
//! Owns: those headers. Must never: be the reason that a request fails, except for a token that was sent on purpose.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::session::cookie;
use crate::app::App;
use crate::footprint::Footprint;
use crate::positions::Positions;
use crate::problem::Problem;

const HEADER: &str = "x-holdfast-session";
const ROUTE: HeaderName = HeaderName::from_static("x-holdfast-route");
const TIMING: HeaderName = HeaderName::from_static("server-timing");
const COOKIE: &str = "hf_seen";
/// A session that comes back later begins anew: by then every replica has caught up.
const COOKIE_MAX_AGE_S: u32 = 24 * 3600;

/// The session of a request.
pub(super) struct Session {
    pub(super) positions: Positions,
    /// It is a browser's, which keeps cookies.
    pub(super) cookies: bool,
}

/// What the session of a request has seen.
pub(super) fn session(app: &App, headers: &HeaderMap) -> Result<Session, Problem> {
    let cookies = headers.contains_key(header::COOKIE);
    if let Some(given) = headers.get(HEADER) {
        let token = given.to_str().unwrap_or("?").trim();
        let positions = app.positions.read(token).map_err(|error| {
            Problem::field("invalid_parameter", "X-Holdfast-Session", error.to_string())
        })?;
        return Ok(Session { positions, cookies });
    }
    // Nobody chose to send a cookie: one that is no good is as none.
    let positions = cookie(headers, COOKIE).and_then(|token| app.positions.read(token).ok());
    Ok(Session {
        positions: positions.unwrap_or_default(),
        cookies,
    })
}

/// Writes on the answer what its request touched.
pub(super) fn mark(
    app: &App,
    headers: &mut HeaderMap,
    footprint: &Footprint,
    total: Duration,
    cookies: bool,
) {
    if footprint.positions_grew
        && let Ok(token) = HeaderValue::from_str(&app.positions.sign(&footprint.positions))
    {
        if cookies {
            let secure = if app.config.cookie_secure {
                "; Secure"
            } else {
                ""
            };
            let token = token.to_str().unwrap_or("");
            let cookie = format!(
                "{COOKIE}={token}; Path=/; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}"
            );
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        headers.insert(HEADER, token);
    }
    if footprint.served_by.is_none() && !footprint.local && footprint.tries == 0 {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&route(app.config.region.as_str(), footprint)) {
        headers.insert(ROUTE, value);
    }
    if let Ok(value) = HeaderValue::from_str(&timing(footprint.upstream, total)) {
        headers.insert(TIMING, value);
    }
}

/// A dictionary as RFC 9651 has it; what is not known is left out.
fn route(gateway: &str, footprint: &Footprint) -> String {
    let mut line = format!("gateway={gateway}");
    if let Some(peer) = &footprint.served_by {
        let _ = write!(line, ", served-by={}, node={}", peer.region, peer.id);
    } else if footprint.local {
        let _ = write!(line, ", served-by={gateway}, local");
    }
    if let Some(leader) = &footprint.leader {
        let _ = write!(line, ", leader={}", leader.region);
    }
    if let Some(age_ms) = footprint.age_ms {
        let _ = write!(line, ", age-ms={age_ms}");
    }
    if footprint.tries > 0 {
        let _ = write!(line, ", tries={}", footprint.tries);
    }
    line
}

fn timing(upstream: Duration, total: Duration) -> String {
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    let own = total.saturating_sub(upstream);
    format!(
        "upstream;dur={:.1}, gateway;dur={:.1}",
        ms(upstream),
        ms(own)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let footprint = Footprint {
            local: true,
            age_ms: Some(12),
            ..Footprint::default()
        };
        assert_eq!(
            route("eastus", &footprint),
            "gateway=eastus, served-by=eastus, local, age-ms=12"
        );
        assert_eq!(route("eastus", &Footprint::default()), "gateway=eastus");
    }

    #[test]
    fn times_add_up_to_the_whole() {
        let ms = Duration::from_millis;
        assert_eq!(timing(ms(3), ms(5)), "upstream;dur=3.0, gateway;dur=2.0");
        assert_eq!(timing(ms(6), ms(5)), "upstream;dur=6.0, gateway;dur=0.0");
    }
}
