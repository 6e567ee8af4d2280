//! Acknowledged operations survive.
//!
//! For every show the last linearizable look at its seats is the truth at the end; for every order the last answer about
//! it. What was acknowledged before and cannot have ended by then has to be there.
//!
//! Owns: that comparison (the RPO of a run). Must never: take a look for the last one that was not linearizable.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, Hold, Order, seats_of};
use super::verdict::Findings;
use crate::history::{Call, Name, Op, Outcome, Reading};

pub(super) const CHECK: Check = Check {
    name: "acknowledged-survives",
    promise: "what was acknowledged is there at the end",
    judge,
};

/// The last linearizable look at a show's seats.
struct Last<'h> {
    call: &'h Call,
    at: usize,
    letters: HashMap<Name, char>,
}

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let last = last_looks(dossier);
    for (&id, order) in &dossier.orders {
        orders_stay(dossier, id, order, findings);
        if let Some(confirmed) = dossier.confirmed(order) {
            let looked = last.get(&dossier.call(confirmed).show);
            if let Some(looked) = looked {
                sold_stays_sold(dossier, id, order, confirmed, looked, findings);
            }
        }
    }
    for (&id, hold) in &dossier.holds {
        let made = hold.made.first().copied();
        let looked = made.and_then(|at| last.get(&dossier.call(at).show));
        if let (Some(made), Some(looked)) = (made, looked) {
            held_stays_held(dossier, id, hold, made, looked, findings);
        }
    }
}

fn last_looks<'h>(dossier: &Dossier<'h>) -> HashMap<Name, Last<'h>> {
    let mut last: HashMap<Name, Last<'h>> = HashMap::new();
    let calls = dossier.history.calls.iter().enumerate();
    let looks = calls
        .filter(|(_, c)| c.op == Op::ReadSeats && c.is_ok() && c.reading == Reading::Linearizable);
    for (at, call) in looks {
        if last
            .get(&call.show)
            .is_some_and(|known| known.call.invoked_ns > call.invoked_ns)
        {
            continue;
        }
        let letters = HashMap::new();
        last.insert(call.show, Last { call, at, letters });
    }
    for look in last.values_mut() {
        let shows = dossier.history.shows.iter();
        let Some(show) = shows
            .into_iter()
            .find(|s| s.show == dossier.text(look.call.show))
        else {
            continue;
        };
        // A seat that no call names is not looked up either.
        if show.seats.len() == look.call.end.states.chars().count() {
            let states = show.seats.iter().zip(look.call.end.states.chars());
            look.letters = states
                .filter_map(|(seat, letter)| Some((dossier.history.names.find(seat)?, letter)))
                .collect();
        }
    }
    last
}

/// Once confirmed, an order reads as confirmed (or refunded by somebody) ever after.
fn orders_stay(dossier: &Dossier<'_>, id: Name, order: &Order, findings: &mut Findings) {
    let Some(confirmed) = dossier.confirmed(order) else {
        return;
    };
    findings.examined();
    let acked_ns = dossier.call(confirmed).end.at_ns;
    let refund = may_have(dossier, order, Op::Refund);
    for &at in &order.calls {
        let call = dossier.call(at);
        if call.invoked_ns <= acked_ns
            || call.end.replayed
            || refund.is_some_and(|ns| ns < call.end.at_ns)
        {
            continue;
        }
        let said = dossier.text(call.end.state);
        let gone = match call.end.outcome {
            Outcome::Ok if call.reading == Reading::Linearizable && call.op == Op::ReadOrder => {
                said != "confirmed"
            }
            Outcome::Ok => matches!(said, "cancelled" | "expired"),
            Outcome::Rejected => matches!(
                dossier.text(call.end.code),
                "order_unknown" | "order_cancelled" | "order_expired"
            ),
            Outcome::Unknown => false,
        };
        if gone {
            let said = if said.is_empty() {
                dossier.text(call.end.code)
            } else {
                said
            };
            let detail = format!("was confirmed to its buyer and is {said} later");
            findings.violated(dossier.violation(id, detail, &[confirmed, at]));
        }
    }
}

/// The start of the first call of this kind that may have happened, ns.
fn may_have(dossier: &Dossier<'_>, order: &Order, op: Op) -> Option<u64> {
    let calls = order.calls.iter().map(|at| dossier.call(*at));
    calls
        .filter(|call| call.op == op && call.end.outcome != Outcome::Rejected)
        .map(|call| call.invoked_ns)
        .min()
}

fn sold_stays_sold(
    dossier: &Dossier<'_>,
    id: Name,
    order: &Order,
    confirmed: usize,
    last: &Last<'_>,
    findings: &mut Findings,
) {
    let before = dossier.call(confirmed).end.at_ns < last.call.invoked_ns;
    if !before || may_have(dossier, order, Op::Refund).is_some() {
        return;
    }
    for &seat in dossier.seats_of_order(id) {
        findings.examined();
        if let Some(letter) = last.letters.get(&seat).filter(|letter| **letter != 's') {
            let (order, now) = (dossier.text(id), word(*letter));
            let detail = format!("was sold in {order} and is {now} at the end");
            findings.violated(dossier.seat_violation(seat, detail, &[confirmed, last.at]));
        }
    }
}

/// A hold that nobody gave back and whose time is not up is still there, or has become an order.
fn held_stays_held(
    dossier: &Dossier<'_>,
    id: Name,
    hold: &Hold,
    made: usize,
    last: &Last<'_>,
    findings: &mut Findings,
) {
    let call = dossier.call(made);
    let lives = call.end.at_ns < last.call.invoked_ns
        && dossier.text(call.end.state) == "active"
        && last.call.end.now_ms != 0
        && last.call.end.now_ms < call.end.expires_ms;
    let ended = |at: &usize| {
        let call = dossier.call(*at);
        call.op == Op::Release && call.end.outcome != Outcome::Rejected
    };
    let cancelled = dossier.orders.get(&hold.order).is_some_and(|order| {
        may_have(dossier, order, Op::Cancel).is_some()
            || may_have(dossier, order, Op::Refund).is_some()
            || may_have(dossier, order, Op::Pay).is_some()
    });
    if !lives || hold.calls.iter().any(ended) || cancelled {
        return;
    }
    for &seat in seats_of(call) {
        findings.examined();
        if let Some('a' | 'b') = last.letters.get(&seat) {
            let detail = format!(
                "was held by {} until later and is free at the end",
                dossier.text(id)
            );
            findings.violated(dossier.seat_violation(seat, detail, &[made, last.at]));
        }
    }
}

const fn word(letter: char) -> &'static str {
    match letter {
        'a' => "available",
        'h' => "held",
        's' => "sold",
        'b' => "blocked",
        _ => "in an unknown state",
    }
}
