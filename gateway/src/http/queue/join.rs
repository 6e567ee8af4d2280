//! Joining the line: a place in the draw, a place at the end, or the place that one has.
//!
//! Owns: who gets which ticket. Must never: give a buyer another place while this gateway knows one. Gateways do not tell each other:
//! after the draw another one may give a second place, and the shard sees to it that nobody is inside twice (docs/waiting-room.md).

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_node_api::queue::late_key;
use serde_json::json;

use super::carried::TICKET_COOKIE;
use super::views::view;
use super::{Asked, Wanted, late, may_rejoin};
use crate::chance;
use crate::problem::Problem;
use crate::queue::room::{Room, Standing, State as Life};
use crate::queue::token::{Phase, Ticket};
use crate::session::Buyer;

/// A browser keeps a ticket for a day: longer than any line.
const TICKET_COOKIE_S: u64 = 24 * 3_600;

/// `POST /v1/shows/{show}/queue`
pub(in crate::http) async fn join(wanted: Wanted) -> Result<Response, Problem> {
    let carried = wanted.ticket()?;
    let Wanted { asked, buyer } = wanted;
    let room = asked.room()?;
    let signer = &asked.app.rooms.signer;
    let sub = signer.sub(asked.show.0, buyer);
    let known = carried.or_else(|| asked.cell.crowd().ticket_of(&sub));
    let ticket = match known {
        Some(ticket) => again(&asked, room, ticket)?,
        None => fresh(&asked, room, buyer, sub)?,
    };
    let ticket = asked.hear(room, ticket)?;
    let text = signer.sign_ticket(&ticket);
    let mut body = view(&asked, room, Some(&ticket));
    body["ticket"] = json!(text);
    let answer = (StatusCode::CREATED, Json(body));
    Ok(asked.giving(TICKET_COOKIE, &text, TICKET_COOKIE_S, answer))
}

/// The ticket of somebody who has one: the same, or, once, another one for somebody who is late.
fn again(asked: &Asked, room: &Room, ticket: Ticket) -> Result<Ticket, Problem> {
    let Standing::Late { .. } = room.standing(&ticket, asked.now_ms) else {
        return Ok(ticket);
    };
    let inside = asked.cell.crowd().pass_expires_at_ms(&ticket);
    if inside.is_some_and(|until_ms| until_ms > asked.now_ms) {
        return Ok(ticket);
    }
    if !may_rejoin(&ticket) {
        return Err(late(&ticket));
    }
    Ok(at_the_end(asked, room, ticket.sub, ticket.entry + 1))
}

/// A place for somebody who has none.
fn fresh(asked: &Asked, room: &Room, buyer: Buyer, sub: [u8; 16]) -> Result<Ticket, Problem> {
    let show_id = asked.show.0;
    match room.state(asked.now_ms) {
        Life::Closed => Err(Problem::new("queue_closed", "joining has not begun")
            .with("opens_at_ms", room.config.opens_at_ms)
            .retry_after(until(room.config.opens_at_ms, asked.now_ms))),
        Life::SoldOut => Err(Problem::new(
            "queue_sold_out",
            "no place is left; POST /v1/shows/{show}/queue/waitlist leaves your name",
        )),
        _ if room.draw_is_over(asked.now_ms) => Ok(at_the_end(asked, room, sub, 0)),
        _ => Ok(Ticket {
            show_id,
            sub,
            qid: asked.app.rooms.signer.draw_qid(show_id, buyer),
            phase: Phase::Draw,
            entry: 0,
            issued_at_ms: asked.now_ms,
        }),
    }
}

fn at_the_end(asked: &Asked, room: &Room, sub: [u8; 16], entry: u8) -> Ticket {
    let key = late_key(asked.now_ms, room.config.sale_at_ms, chance::draw());
    Ticket {
        show_id: asked.show.0,
        sub,
        qid: chance::draw(),
        phase: Phase::Late(key),
        entry,
        issued_at_ms: asked.now_ms,
    }
}

fn until(at_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(at_ms.saturating_sub(now_ms))
}
