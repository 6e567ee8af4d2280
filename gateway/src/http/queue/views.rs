//! A waiting room in JSON.
//!
//! Owns: the members of the answers. Must never: decide how a ticket stands.

use holdfast_node_api::queue::{hex, show_key};
use serde_json::{Value, json};

use super::{Asked, may_rejoin};
use crate::queue::room::{Room, Standing};
use crate::queue::token::{Phase, Ticket};
use crate::{chance, clock};

/// The public part, and what one ticket adds to it.
pub(super) fn view(asked: &Asked, room: &Room, ticket: Option<&Ticket>) -> Value {
    let Asked { now_ms, .. } = *asked;
    let standing = ticket.map(|ticket| room.standing(ticket, now_ms));
    let mut body = json!({
        "show": asked.show.to_string(),
        "state": room.state(now_ms).as_str(),
        "seq": room.seq,
        "age_ms": room.age_ms(clock::now()),
        "now_ms": now_ms,
        "opens_at_ms": room.config.opens_at_ms,
        "sale_at_ms": room.config.sale_at_ms,
        "claim_window_ms": room.config.claim_window_ms,
        "capacity": room.config.capacity,
        "waiting": room.waiting,
        "inside": room.inside,
        "threshold": show_key(room.threshold),
        "commit": hex(&room.commit),
        "refresh_in_s": room.refresh_in_s(standing.as_ref(), now_ms, chance::draw()),
    });
    if let (Some(ticket), Some(standing)) = (ticket, standing) {
        let inside = asked.cell.crowd().pass_expires_at_ms(ticket);
        body["you"] = you(
            ticket,
            standing,
            inside.filter(|until_ms| *until_ms > now_ms),
        );
    }
    body
}

fn you(ticket: &Ticket, standing: Standing, inside_until_ms: Option<u64>) -> Value {
    let phase = match ticket.phase {
        Phase::Draw => "draw",
        Phase::Late(_) => "late",
    };
    let with_key =
        |standing: &str, key| json!({"standing": standing, "phase": phase, "key": show_key(key)});
    match (standing, inside_until_ms) {
        (Standing::NotDrawn, _) => json!({"standing": "not_drawn", "phase": phase}),
        (Standing::Admitted { key, .. } | Standing::Late { key }, Some(until_ms)) => {
            let mut you = with_key("inside", key);
            you["pass_expires_at_ms"] = json!(until_ms);
            you
        }
        (Standing::Waiting { key, ahead, eta_s }, _) => {
            let mut you = with_key("waiting", key);
            you["ahead"] = json!(ahead);
            you["position"] = json!(ahead + 1);
            you["eta_s"] = eta_s.map_or(Value::Null, |(min, max)| json!({"min": min, "max": max}));
            you
        }
        (
            Standing::Admitted {
                key,
                claim_before_ms,
            },
            None,
        ) => {
            let mut you = with_key("admitted", key);
            you["claim_before_ms"] = json!(claim_before_ms);
            you
        }
        (Standing::Late { key }, None) => {
            let mut you = with_key("late", key);
            you["may_rejoin"] = json!(may_rejoin(ticket));
            you
        }
    }
}
