//! When something happened, as far as anybody can know: by the recorder's clock and by the shard's.
//!
//! Owns: windows of calls and requests. Must never: give one that is narrower than what is certain.

use super::dossier::{Dossier, Request, seats_of};
use super::search::SeatOp;
use super::seat::{Action, Owner, Span};
use crate::history::{Call, Name, Op, Outcome, Reading};

/// A payment attempt gets at least this long before its order lapses, ms (design section 6: seats do not vanish under an
/// ordinary payment). An order that was being paid may last so much longer than it says.
const PAYING_GRACE_MS: u64 = 60_000;
/// Ages are whole milliseconds, rounded down.
const AGE_ROUNDING_MS: u64 = 1;

/// An answered read that says when it was true.
pub(super) fn usable(call: &Call) -> bool {
    call.is_ok()
        && (call.reading == Reading::Linearizable
            || call
                .end
                .age_ms
                .is_some_and(|age| age < u64::MAX / 2_000_000))
}

pub(super) fn look_at(dossier: &Dossier<'_>, at: usize, position: usize) -> Option<SeatOp> {
    let call = dossier.call(at);
    let action = match call.end.states.as_bytes().get(position)? {
        b'a' => Action::SawFree,
        b'h' => Action::SawTaken,
        b's' => Action::SawGone,
        b'b' => Action::SawBlocked,
        _ => return None,
    };
    Some(op(dossier, at, action))
}

/// The one operation of a request's tries, if it may have happened; its action is still to be filled in.
pub(super) fn happened(dossier: &Dossier<'_>, request: &Request) -> Option<SeatOp> {
    let until_ns = request
        .acknowledged
        .map_or(u64::MAX, |at| dossier.call(at).end.at_ns);
    let tries = request.tries.iter().copied();
    let may = |at: &usize| {
        let call = dossier.call(*at);
        call.end.outcome != Outcome::Rejected && call.invoked_ns <= until_ns
    };
    let first = tries
        .filter(may)
        .min_by_key(|at| dossier.call(*at).invoked_ns)?;
    let named = request.acknowledged.unwrap_or(first);
    let mut happened = op(dossier, named, Action::SawFree);
    happened.start_ns = dossier.call(first).invoked_ns;
    happened.end_ns = until_ns;
    happened.optional = request.acknowledged.is_none();
    if happened.clock.lo != happened.clock.hi {
        happened.clock.lo = op(dossier, first, Action::SawFree).clock.lo;
    }
    if happened.optional {
        happened.clock.hi = u64::MAX;
    }
    Some(happened)
}

/// An operation of a call: its window, and what the shard's clock may have been.
pub(super) fn op(dossier: &Dossier<'_>, at: usize, action: Action) -> SeatOp {
    let call = dossier.call(at);
    let bound_ms = dossier.clock_bound_ms;
    let wall = |t_ns: u64| match t_ns {
        u64::MAX => u64::MAX,
        t_ns => dossier.history.wall_ms(t_ns),
    };
    // A stale read may show what was true so long ago.
    let age_ms = match (call.reading, call.end.age_ms) {
        (Reading::Linearizable, _) | (_, None) => 0,
        (_, Some(age_ms)) => age_ms.saturating_add(AGE_ROUNDING_MS),
    };
    // A refusal from a copy says its age and the shard's clock, as a look does.
    let from_copy = call.end.outcome == Outcome::Rejected && call.end.age_ms.is_some();
    let said = (call.is_ok() || from_copy) && call.end.now_ms != 0;
    let clock = if said && call.end.replayed && !call.op.is_read() {
        // The clock of the repeat: what is repeated was carried out by then, within this try or an earlier one.
        let asked_ms = wall(call.invoked_ns).saturating_sub(bound_ms);
        Span {
            lo: asked_ms.min(call.end.now_ms),
            hi: call.end.now_ms,
        }
    } else if said {
        Span::exactly(call.end.now_ms)
    } else if call.op.is_read() {
        // Nothing moves the clock of an idle shard but what happens there.
        Span {
            lo: 0,
            hi: wall(call.end.at_ns).saturating_add(bound_ms),
        }
    } else {
        Span {
            lo: wall(call.invoked_ns).saturating_sub(bound_ms),
            hi: wall(call.end.at_ns).saturating_add(bound_ms),
        }
    };
    SeatOp {
        start_ns: call
            .invoked_ns
            .saturating_sub(age_ms.saturating_mul(1_000_000)),
        end_ns: call.end.at_ns,
        action,
        clock,
        optional: false,
        call: at,
    }
}

pub(super) fn owner_of_hold<'h>(dossier: &Dossier<'h>, hold: Name) -> Option<(Owner, &'h [Name])> {
    let made = *dossier.holds.get(&hold)?.made.first()?;
    let owner = Owner::try_from(dossier.request_of[made]).ok()?;
    Some((owner, seats_of(dossier.call(made))))
}

pub(super) fn owner_of_order<'h>(
    dossier: &Dossier<'h>,
    order: Name,
) -> Option<(Owner, &'h [Name])> {
    owner_of_hold(dossier, dossier.orders.get(&order)?.hold)
}

/// For an order that anybody tried to pay: when it lapses at the latest, ms of the shard's clock.
pub(super) fn order_ends(dossier: &Dossier<'_>, order: Name) -> Option<u64> {
    let calls = dossier
        .orders
        .get(&order)?
        .calls
        .iter()
        .map(|at| dossier.call(*at));
    let pays = calls
        .filter(|call| call.op == Op::Pay)
        .map(|call| match call.end.outcome {
            Outcome::Unknown => u64::MAX,
            _ => {
                let wall_ms = dossier.history.wall_ms(call.end.at_ns);
                wall_ms
                    .saturating_add(dossier.clock_bound_ms)
                    .saturating_add(PAYING_GRACE_MS)
            }
        });
    pays.max()
}
