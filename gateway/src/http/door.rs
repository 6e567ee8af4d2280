//! Who is at the door, and whether they ask too often.
//!
//! Owns: reading a visitor from a request, and telling `rates` what came of it. Must never: decide who gets seats.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::session;
use crate::app::App;
use crate::client_address::{Client, Socket};
use crate::clock;
use crate::problem::Problem;
use crate::rates::challenge::ChallengeError;
use crate::rates::{Asking, Refusal, office};
use crate::session::Buyer;

/// The header that a solved challenge is sent in.
const SOLUTION: &str = "x-altcha";

/// Forms cannot send a header: theirs is in the address that they post to.
pub(super) const PROOF_PARAMETER: &str = "altcha";
/// Where somebody whom nobody knows becomes a guest. The API takes no seats from nobody.
const BECOMES_A_GUEST: [&str; 5] = [
    "/v1/guests",
    "/shows/{show}/hold",
    "/shows/{show}/queue",
    "/shows/{show}/queue/claim",
    "/shows/{show}/queue/waitlist",
];

/// Who asks.
pub(super) struct Visitor {
    addr: IpAddr,
    /// Only of writes: nothing else is counted by account.
    buyer: Option<Buyer>,
    exempt: bool,
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn takes_seats(method: &Method, route: &str) -> bool {
    let takes = matches!(route, "/v1/shows/{show}/holds" | "/shows/{show}/hold");
    *method == Method::POST && takes
}

fn makes_account(method: &Method, route: &str) -> bool {
    *method == Method::POST && BECOMES_A_GUEST.contains(&route)
}

/// The solved challenge in the address of a form.
pub(super) fn proof_of(uri: &Uri) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    let mut values = pairs.filter(|(name, _)| name == PROOF_PARAMETER);
    values.next().map(|(_, value)| value.into_owned())
}

/// Counts the request; puts the client's address into it for handlers that want to know.
pub(super) fn knock(
    app: &App,
    request: &mut Request,
    method: &Method,
    route: &str,
) -> Result<Visitor, Problem> {
    let socket = request.extensions().get::<Socket>();
    let socket = socket.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Socket(addr)| addr.ip());
    let client: Client = app.clients.client(socket, request.headers());
    let headers = request.headers();
    let writes = !method.is_safe();
    // A token that is no good is the handler's to refuse.
    let buyer = writes.then(|| session::buyer(app, headers).ok()).flatten();
    // The API takes its own header only: addresses are written down in more places.
    let posted = (writes && !route.starts_with("/v1/"))
        .then(|| proof_of(request.uri()))
        .flatten();
    let asking = Asking {
        addr: client.addr,
        buyer,
        writes,
        worth_a_challenge: match buyer {
            Some(_) => takes_seats(method, route),
            None => makes_account(method, route),
        },
        office_key: text(headers, office::HEADER),
        solution: text(headers, SOLUTION).or(posted.as_deref()),
    };
    // To refuse a style costs as much as to send it, and what the door says would be hard to read.
    let exempt = route == "/assets/{name}" || app.rates.is_exempt(asking.addr, asking.office_key);
    let now = clock::now();
    if !exempt {
        let checked = app.rates.check(&asking, clock::unix_ms(), now);
        checked.map_err(|refusal| refused(app, refusal))?;
        if let Some(buyer) = buyer.filter(|_| takes_seats(method, route)) {
            let checked = app.rates.hoarding.check(buyer, now);
            checked.map_err(|after| refused(app, Refusal::TooMany { of: "holds", after }))?;
        }
    }
    request.extensions_mut().insert(client);
    Ok(Visitor {
        addr: client.addr,
        buyer,
        exempt,
    })
}

fn opens_order(method: &Method, route: &str) -> bool {
    *method == Method::POST && matches!(route, "/v1/orders" | "/holds/{hold}/order")
}

/// Whether something was made: documents say so by leading there.
fn made(answer: &Response) -> bool {
    let leads_to = answer.headers().get(header::LOCATION);
    let leads_to = leads_to.map_or(&b""[..], HeaderValue::as_bytes);
    let shown = leads_to.starts_with(b"/holds/") || leads_to.starts_with(b"/orders/");
    answer.status() == StatusCode::CREATED || (answer.status() == StatusCode::SEE_OTHER && shown)
}

/// The visitor got `answer`.
pub(super) fn leave(app: &App, visitor: &Visitor, method: &Method, route: &str, answer: &Response) {
    if visitor.exempt {
        return;
    }
    if visitor.buyer.is_none() && session::makes_a_guest(answer.headers()) {
        app.rates.account_made(visitor.addr, clock::now());
    }
    if !made(answer) {
        return;
    }
    match visitor.buyer {
        Some(buyer) if takes_seats(method, route) => app.rates.hoarding.held(buyer, clock::now()),
        Some(buyer) if opens_order(method, route) => app.rates.hoarding.ordered(buyer),
        _ => {}
    }
}

pub(super) fn refused(app: &App, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::TooMany { of, after } => {
            app.metrics.door.limited.with_label_values(&[of]).inc();
            let detail = match of {
                "holds" => "many of your holds came to nothing; buy, or wait".to_owned(),
                _ => format!("too many requests of this {of}; the limits are in docs/limits.md"),
            };
            Problem::new("rate_limited", detail)
                .with("of", of)
                .retry_after(after)
        }
        Refusal::Challenge { risk, given } => {
            app.metrics
                .door
                .limited
                .with_label_values(&["challenge"])
                .inc();
            let detail = given.map_or_else(
                || "get one from /v1/challenge and send its solution as X-Altcha".to_owned(),
                |error| format!("X-Altcha: {error}; get a new one from /v1/challenge"),
            );
            Problem::new("challenge_required", detail)
                .with("challenge", "/v1/challenge")
                .with("risk", risk)
                .with("proof", given.map_or("missing", ChallengeError::as_str))
        }
    }
}
