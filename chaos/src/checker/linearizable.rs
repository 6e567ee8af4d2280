//! Every seat behaves as if all that happened to it happened one after the other.
//!
//! Owns: a search for each seat, and the words for one that fails. Must never: look at more than one seat; that is what
//! makes it fast.

use super::Check;
use super::dossier::Dossier;
use super::layout::Layout;
use super::projection::Projection;
use super::search::{Found, SeatOp, search};
use super::seat::{Seat, Standing};
use super::shrink::shrink;
use super::verdict::Findings;
use crate::history::Name;

pub(super) const CHECK: Check = Check {
    name: "linearizable",
    promise: "each seat's operations have an order that agrees with every answer and with time",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let projection = Projection::of(dossier);
    let layout = Layout::of(dossier);
    for (show, seat) in projection.places(dossier) {
        let ops = projection.of_seat(dossier, show, seat, &layout);
        if ops.is_empty() {
            continue;
        }
        findings.examined();
        match judge_seat(dossier, &projection, show, &ops) {
            Found::Order => {}
            Found::OutOfSteps => findings.undecided(),
            Found::None { stuck, seat: state } => {
                let calls: Vec<usize> = stuck.iter().map(|at| ops[*at].call).collect();
                let detail = describe(dossier, &ops, &stuck, &state);
                let mut violation = dossier.seat_violation(seat, detail, &calls);
                if findings.has_room() {
                    let (calls, until_ns) = smallest_part(dossier, &projection, show, &ops);
                    violation.calls = calls;
                    violation.until_ns = Some(until_ns);
                }
                findings.violated(violation);
            }
        }
    }
}

/// The calls of the smallest part that no order explains, and when it ends.
fn smallest_part(
    dossier: &Dossier<'_>,
    projection: &Projection,
    show: Name,
    ops: &[SeatOp],
) -> (Vec<u64>, u64) {
    let unexplained = |ops: &[SeatOp]| {
        matches!(
            judge_seat(dossier, projection, show, ops),
            Found::None { .. }
        )
    };
    let part = shrink(ops, unexplained);
    let mut calls: Vec<usize> = Vec::new();
    for op in &part.ops {
        if op.action.is_look() {
            calls.push(op.call);
        } else {
            // Every try belongs to what happened once.
            let tries = &dossier.requests[dossier.request_of[op.call]].tries;
            calls.extend(
                tries
                    .iter()
                    .filter(|at| dossier.call(**at).invoked_ns <= part.until_ns),
            );
            calls.push(op.call);
        }
    }
    calls.sort_unstable();
    calls.dedup();
    (
        calls.into_iter().map(|at| dossier.call(at).id).collect(),
        part.until_ns,
    )
}

/// Searches with what is known of the seat; when that finds nothing, also with holds of unknown seats.
fn judge_seat(dossier: &Dossier<'_>, projection: &Projection, show: Name, ops: &[SeatOp]) -> Found {
    let found = search(ops, dossier.options.search_steps_max);
    let phantoms = projection
        .phantoms
        .get(&show)
        .map_or(&[][..], Vec::as_slice);
    if phantoms.is_empty() || !matches!(found, Found::None { .. }) {
        return found;
    }
    let mut more = ops.to_vec();
    more.extend(phantoms.iter().map(|at| Projection::phantom(dossier, *at)));
    more.sort_by_key(|op| (op.start_ns, op.end_ns, op.call));
    match search(&more, dossier.options.search_steps_max) {
        // Places of the list without phantoms are the ones that can be named.
        Found::None { .. } => found,
        decided => decided,
    }
}

fn describe(dossier: &Dossier<'_>, ops: &[SeatOp], stuck: &[usize], state: &Seat) -> String {
    let who = |owner: u32| {
        let request = dossier.requests.get(owner as usize);
        let call = request
            .and_then(|request| request.tries.first())
            .map(|at| dossier.call(*at));
        call.map_or_else(
            || "nobody".to_owned(),
            |call| dossier.text(call.process).to_owned(),
        )
    };
    let standing = match state.standing {
        Standing::Free => "free".to_owned(),
        Standing::Held(owner, until) => format!("held by {} until {}", who(owner), until.hi),
        Standing::Ordered(owner, until) => format!("ordered by {} until {}", who(owner), until.hi),
        Standing::Sold(owner) => format!("sold to {}", who(owner)),
        Standing::Blocked => "blocked".to_owned(),
    };
    let waiting = stuck.iter().map(|at| {
        let op = &ops[*at];
        let call = dossier.call(op.call);
        format!(
            "{} by {} in call {}",
            op.action.words(),
            dossier.text(call.process),
            call.id
        )
    });
    let waiting: Vec<String> = waiting.collect();
    format!(
        "no order explains it: at best the seat is {standing}, and none of these fits: {}",
        waiting.join("; ")
    )
}
