//! No seat has two owners at once.
//!
//! Every acknowledged hold owned its seats for a time that is certain: from its answer until its expiry, its release or
//! cancellation may have begun, or for ever once it is sold. Two certain times of one seat must not overlap.
//!
//! Owns: those times. Must never: count a time that is only likely.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, Hold, seats_of};
use super::verdict::Findings;
use crate::history::{Name, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "one-owner",
    promise: "a seat has at most one owner at any time",
    judge,
};

/// A time for which a hold owned a seat for certain, ns since the origin.
#[derive(Debug, Clone, Copy)]
struct Owned {
    hold: Name,
    from_ns: u64,
    until_ns: u64,
    /// The call that acknowledged it.
    by: usize,
}

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let mut owned: HashMap<(Name, Name), Vec<Owned>> = HashMap::new();
    for (&id, hold) in &dossier.holds {
        for (time, seats) in certain_times(dossier, id, hold) {
            let show = dossier.call(time.by).show;
            for &seat in seats {
                owned.entry((show, seat)).or_default().push(time);
            }
        }
    }
    for ((_, seat), mut times) in owned {
        findings.examined();
        times.sort_by_key(|time| (time.from_ns, time.until_ns));
        overlaps(dossier, seat, &times, findings);
    }
}

/// Sorted by start, a time overlaps an earlier one if and only if it begins before the latest end so far.
fn overlaps(dossier: &Dossier<'_>, seat: Name, times: &[Owned], findings: &mut Findings) {
    let mut longest: Option<Owned> = None;
    for &time in times {
        if let Some(before) = longest
            && before.hold != time.hold
            && time.from_ns < before.until_ns
        {
            let (a, b) = (dossier.text(before.hold), dossier.text(time.hold));
            let detail = format!("owned by {a} and by {b} at once");
            findings.violated(dossier.seat_violation(seat, detail, &[before.by, time.by]));
        }
        if longest.is_none_or(|before| time.until_ns > before.until_ns) {
            longest = Some(time);
        }
    }
}

/// The time as a hold, and the time as a sale.
fn certain_times<'h>(
    dossier: &'h Dossier<'h>,
    id: Name,
    hold: &'h Hold,
) -> Vec<(Owned, &'h [Name])> {
    let mut times = Vec::new();
    let order = dossier.orders.get(&hold.order);
    let calls = |all: &'h [usize]| all.iter().map(|at| dossier.call(*at));
    let ends = calls(&hold.calls)
        .filter(|call| call.op == Op::Release && call.end.outcome != Outcome::Rejected);
    let undone = order.into_iter().flat_map(|order| calls(&order.calls));
    let undone: Vec<_> = undone.filter(|call| dossier.may_undo(call)).collect();
    let end_ns = ends
        .chain(undone.iter().copied())
        .map(|c| c.invoked_ns)
        .min();
    if let Some(&made) = hold
        .made
        .iter()
        .min_by_key(|at| dossier.call(**at).end.at_ns)
    {
        let call = dossier.call(made);
        // Given back or bought before the answer came: an extension's time is judged by the search for an order.
        if dossier.text(call.end.state) == "active" || call.end.state.is_none() {
            // The shard's clock may be ahead of ours by the bound.
            let expires_ms = call.end.expires_ms.saturating_sub(dossier.clock_bound_ms);
            let expires_ns = expires_ms
                .saturating_sub(dossier.history.header.wall_origin_ms)
                .saturating_mul(1_000_000);
            let time = Owned {
                hold: id,
                from_ns: call.end.at_ns,
                until_ns: end_ns.map_or(expires_ns, |end_ns| end_ns.min(expires_ns)),
                by: made,
            };
            if time.from_ns < time.until_ns {
                times.push((time, seats_of(call)));
            }
        }
    }
    if let Some(order) = order
        && let Some(confirmed) = dossier.confirmed(order)
    {
        let refund = undone
            .iter()
            .filter(|c| c.op == Op::Refund)
            .map(|c| c.invoked_ns)
            .min();
        let time = Owned {
            hold: id,
            from_ns: dossier.call(confirmed).end.at_ns,
            until_ns: refund.unwrap_or(u64::MAX),
            by: confirmed,
        };
        times.push((time, dossier.seats_of_order(hold.order)));
    }
    times
}
