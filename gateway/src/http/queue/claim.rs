//! Turning a place that was reached into a pass.
//!
//! Owns: the comparison of two numbers that is nearly every answer of a large sale, and asking the shard after it. Must never: give
//! a pass that the shard did not.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use holdfast_node_api::queue::hex;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{self, ClaimPass, LinePoint, SubmitReply, submit_reply};
use serde_json::json;

use super::carried::PASS_COOKIE;
use super::views::view;
use super::{Asked, Wanted, late};
use crate::http::shard::{self, submit};
use crate::problem::Problem;
use crate::queue::room::{Room, Standing};
use crate::queue::token::{Pass, Ticket};

/// `POST /v1/shows/{show}/queue/claim`
pub(in crate::http) async fn claim(wanted: Wanted) -> Result<Response, Problem> {
    let carried = wanted.ticket()?;
    let Wanted { asked, buyer } = wanted;
    let room = asked.room()?;
    let missing = || Problem::new("ticket_missing", "join first: POST /v1/shows/{show}/queue");
    let ticket = asked.hear(room, carried.ok_or_else(missing)?)?;
    let key = match room.standing(&ticket, asked.now_ms) {
        Standing::NotDrawn => return Ok(not_now(&asked, room, &ticket, "not_drawn")),
        Standing::Waiting { .. } => return Ok(not_now(&asked, room, &ticket, "not_yet")),
        Standing::Admitted { key, .. } | Standing::Late { key } => key,
    };
    let command = Command::ClaimPass(ClaimPass {
        pass: ticket.qid.to_vec().into(),
        key: Some(LinePoint::at(key, 0)),
    });
    let name = format!("claim-{}", hex(&ticket.qid));
    let reply = submit(&asked.app, &asked.place, buyer, &name, command).await?;
    let claims = &asked.app.metrics.queue_claims;
    claims.with_label_values(&[code_of(&reply)]).inc();
    let no = match reply.result {
        Some(submit_reply::Result::Pass(pass)) => {
            asked.cell.crowd().came_in(&ticket, pass.expires_at_ms);
            return admitted(&asked, &ticket, &pass);
        }
        other => shard::refusal(other, None, "a pass"),
    };
    match no.code() {
        "queue_not_yet" => Ok(not_now(&asked, room, &ticket, "not_yet")),
        "queue_full" => Ok(not_now(&asked, room, &ticket, "full")),
        "queue_paused" => Ok(not_now(&asked, room, &ticket, "paused")),
        "queue_late" => {
            asked.cell.crowd().was_late(&ticket);
            Err(late(&ticket))
        }
        _ => Err(no),
    }
}

/// What a claim came to, as a label: a bounded set of words.
fn code_of(reply: &SubmitReply) -> &'static str {
    match &reply.result {
        Some(submit_reply::Result::Pass(_)) => "pass",
        Some(submit_reply::Result::Rejection(no)) => {
            holdfast_node_api::codes::find(&no.code).map_or("other", |row| row.code)
        }
        _ => "other",
    }
}

fn admitted(asked: &Asked, ticket: &Ticket, pass: &v1::Pass) -> Result<Response, Problem> {
    // The shard may give a pass that the buyer has from another ticket.
    let jti = pass.pass.as_ref().try_into();
    let jti = jti.map_err(|_| Problem::new("internal", "the shard's pass has no number"))?;
    let text = asked.app.rooms.signer.sign_pass(&Pass {
        show_id: asked.show.0,
        sub: ticket.sub,
        jti,
        expires_at_ms: pass.expires_at_ms,
    });
    let lasts_s = pass
        .expires_at_ms
        .saturating_sub(asked.now_ms)
        .div_ceil(1_000);
    let body = json!({
        "show": asked.show.to_string(),
        "pass": text,
        "pass_expires_at_ms": pass.expires_at_ms,
        "now_ms": asked.now_ms,
    });
    Ok(asked.giving(PASS_COOKIE, &text, lasts_s, Json(body)))
}

fn not_now(asked: &Asked, room: &Room, ticket: &Ticket, reason: &str) -> Response {
    let mut body = view(asked, room, Some(ticket));
    body["claimed"] = json!(false);
    body["reason"] = json!(reason);
    let after = body["refresh_in_s"].to_string();
    let after = HeaderValue::from_str(&after).unwrap_or(HeaderValue::from_static("10"));
    let headers = [
        (header::RETRY_AFTER, after),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}
