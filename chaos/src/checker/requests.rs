//! One outcome per idempotency key.
//!
//! Owns: tries of one request, compared. Must never: compare answers that are no effects: a refusal is not remembered,
//! and a later try may succeed.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, Request, seats_of};
use super::verdict::Findings;
use crate::history::{Name, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "one-outcome-per-key",
    promise: "a request acts once, and every repeat gets the first answer",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    for request in &dossier.requests {
        if request.acknowledged.is_some() && dossier.call(request.tries[0]).key.is_some() {
            findings.examined();
            answers_agree(dossier, request, findings);
            copies_know_it(dossier, request, findings);
        }
    }
    things_have_one_maker(dossier, findings);
}

/// Whether every acknowledged try names the same hold, order, seats and price.
fn answers_agree(dossier: &Dossier<'_>, request: &Request, findings: &mut Findings) {
    let Some(first) = request.acknowledged else {
        return;
    };
    let a = dossier.call(first);
    for &other in request
        .tries
        .iter()
        .filter(|at| **at != first && dossier.call(**at).is_ok())
    {
        let b = dossier.call(other);
        let differs = if a.op != b.op {
            "is taken for two operations".to_owned()
        } else if let Some((x, y)) = differing(a.hold_id(), b.hold_id()) {
            format!("has the holds {} and {}", dossier.text(x), dossier.text(y))
        } else if let Some((x, y)) = differing(a.order_id(), b.order_id()) {
            format!("has the orders {} and {}", dossier.text(x), dossier.text(y))
        } else if !same_set(seats_of(a), seats_of(b)) {
            "has two sets of seats".to_owned()
        } else if a.op == Op::Hold && a.end.expires_ms != b.end.expires_ms && b.end.expires_ms != 0
        {
            format!(
                "has the expiries {} and {}",
                a.end.expires_ms, b.end.expires_ms
            )
        } else if a
            .end
            .total_minor
            .zip(b.end.total_minor)
            .is_some_and(|(x, y)| x != y)
        {
            "has two prices".to_owned()
        } else {
            continue;
        };
        let detail = format!(
            "one {:?} request of {} {differs}",
            a.op,
            dossier.text(a.buyer)
        );
        findings.violated(dossier.violation(a.key, detail, &[first, other]));
    }
}

/// A copy that has the request's effect must not refuse a repeat: the shard would have given the first answer.
fn copies_know_it(dossier: &Dossier<'_>, request: &Request, findings: &mut Findings) {
    let Some(first) = request.acknowledged else {
        return;
    };
    let done_at = dossier.call(first).end.index;
    for &other in &request.tries {
        let end = &dossier.call(other).end;
        let from_copy = end.outcome == Outcome::Rejected && end.age_ms.is_some();
        if from_copy && done_at != 0 && end.index >= done_at {
            let detail = format!(
                "was refused from a copy at index {}, and was done at {done_at}",
                end.index
            );
            findings.violated(dossier.violation(dossier.call(first).key, detail, &[first, other]));
        }
    }
}

fn differing(a: Name, b: Name) -> Option<(Name, Name)> {
    (a.is_some() && b.is_some() && a != b).then_some((a, b))
}

fn same_set(a: &[Name], b: &[Name]) -> bool {
    let sorted = |names: &[Name]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    a.is_empty() || b.is_empty() || sorted(a) == sorted(b)
}

/// Two requests never make one hold, and never one order.
fn things_have_one_maker(dossier: &Dossier<'_>, findings: &mut Findings) {
    let mut makers: HashMap<(Op, Name), usize> = HashMap::new();
    for (at, call) in dossier
        .history
        .calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.is_ok())
    {
        let made = match call.op {
            Op::Hold => call.end.hold,
            Op::Order => call.end.order,
            _ => continue,
        };
        if made.is_none() || call.key.is_none() {
            continue;
        }
        let first = *makers.entry((call.op, made)).or_insert(at);
        if dossier.request_of[first] != dossier.request_of[at] {
            let detail = "was made by two requests".to_owned();
            findings.violated(dossier.violation(made, detail, &[first, at]));
        }
    }
}
