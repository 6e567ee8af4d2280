//! How tickets and passes travel with requests: a cookie that the browser keeps by itself, or a header for everyone else.
//!
//! Owns: their names, and whose they must be. Must never: believe one that was not signed here, or say what is in one.

use axum::http::HeaderMap;

use crate::app::App;
use crate::clock;
use crate::http::session::cookie;
use crate::problem::Problem;
use crate::queue::room::State as Life;
use crate::queue::token::Ticket;
use crate::session::Buyer;

pub(super) const TICKET_COOKIE: &str = "hf_queue";
const TICKET_HEADER: &str = "x-holdfast-ticket";
pub(super) const PASS_COOKIE: &str = "hf_pass";
const PASS_HEADER: &str = "x-holdfast-pass";

/// A header wins over the cookie: only one of them was chosen for this request.
fn carried<'a>(
    headers: &'a HeaderMap,
    header: &str,
    name: &'static str,
) -> Result<Option<&'a str>, ()> {
    match headers.get(header) {
        Some(value) => value.to_str().map(|text| Some(text.trim())).map_err(|_| ()),
        None => Ok(cookie(headers, name)),
    }
}

/// The ticket of a request, if it carries one of this show.
pub(super) fn ticket(
    app: &App,
    headers: &HeaderMap,
    show_id: u64,
) -> Result<Option<Ticket>, Problem> {
    let bad = || {
        Problem::field(
            "ticket_invalid",
            "X-Holdfast-Ticket",
            "is no ticket of ours",
        )
    };
    let text = carried(headers, TICKET_HEADER, TICKET_COOKIE).map_err(|()| bad())?;
    let Some(text) = text else { return Ok(None) };
    let ticket = app.rooms.signer.ticket(text).map_err(|_| bad())?;
    if ticket.show_id == show_id {
        Ok(Some(ticket))
    } else {
        let reason = "is for another show";
        Err(Problem::field(
            "ticket_invalid",
            "X-Holdfast-Ticket",
            reason,
        ))
    }
}

/// The buyer's own ticket.
pub(super) fn own_ticket(
    app: &App,
    headers: &HeaderMap,
    show_id: u64,
    buyer: Buyer,
) -> Result<Option<Ticket>, Problem> {
    let ticket = ticket(app, headers, show_id)?;
    if ticket.is_some_and(|ticket| ticket.sub != app.rooms.signer.sub(show_id, buyer)) {
        let reason = "belongs to another buyer";
        return Err(Problem::field(
            "ticket_invalid",
            "X-Holdfast-Ticket",
            reason,
        ));
    }
    Ok(ticket)
}

/// The number of the pass that a hold is asked for with; empty where none is needed.
pub(in crate::http) fn pass(
    app: &App,
    headers: &HeaderMap,
    show_id: u64,
    buyer: Buyer,
) -> Result<Vec<u8>, Problem> {
    let bad = |reason: &str| Problem::field("pass_invalid", "X-Holdfast-Pass", reason);
    let text = carried(headers, PASS_HEADER, PASS_COOKIE).map_err(|()| bad("is no text"))?;
    let now_ms = clock::unix_ms();
    let Some(text) = text else {
        let room = app.rooms.known(show_id);
        return match room.filter(|room| room.state(now_ms) != Life::Ended) {
            // The shard would say the same, an ocean away.
            Some(_) => Err(Problem::new(
                "pass_required",
                "join the line with POST /v1/shows/{show}/queue, and claim when it is your turn",
            )),
            None => Ok(Vec::new()),
        };
    };
    let pass = app
        .rooms
        .signer
        .pass(text)
        .map_err(|_| bad("is no pass of ours"))?;
    if pass.show_id != show_id {
        return Err(bad("is for another show"));
    }
    if pass.sub != app.rooms.signer.sub(show_id, buyer) {
        return Err(bad("belongs to another buyer"));
    }
    // A pass that is over may still have made the hold that is repeated here: the shard, which remembers, decides then.
    Ok(pass.jti.to_vec())
}
