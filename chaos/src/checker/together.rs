//! Seats that were asked for together are had together.
//!
//! The search for an order looks at one seat at a time, so it cannot see a hold of two seats that got one of them: each
//! seat alone has a story. This looks at the seats together: in what answers name, and in every look at a show, which is
//! one state at one log index.
//!
//! Owns: all or nothing. Must never: blame a hold for a seat that somebody else may have.

use std::collections::{BTreeSet, HashMap};

use super::Check;
use super::dossier::{Dossier, seats_of};
use super::layout::Layout;
use super::verdict::Findings;
use crate::history::{Call, Name, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "all-or-nothing",
    promise: "a hold of several seats has all of them or none",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    for at in 0..dossier.history.calls.len() {
        answer_is_whole(dossier, at, findings);
    }
    for hold in dossier.holds.values() {
        if let (Some(&made), Some(order)) = (hold.made.first(), dossier.orders.get(&hold.order)) {
            order_is_its_hold(
                dossier,
                made,
                order.opened.iter().chain(&order.calls),
                findings,
            );
        }
    }
    looks_are_whole(dossier, findings);
}

/// A hold that was granted names what was asked for.
fn answer_is_whole(dossier: &Dossier<'_>, at: usize, findings: &mut Findings) {
    let call = dossier.call(at);
    if call.op != Op::Hold || !call.is_ok() || call.end.seats.is_empty() {
        return;
    }
    findings.examined();
    let (asked, got) = (set(&call.seats), set(&call.end.seats));
    let quantity = usize::try_from(call.quantity).unwrap_or(usize::MAX);
    if !asked.is_empty() && asked != got {
        let detail = format!(
            "asked for {} and got {}",
            list(dossier, &asked),
            list(dossier, &got)
        );
        findings.violated(dossier.violation(call.end.hold, detail, &[at]));
    } else if asked.is_empty() && quantity != 0 && quantity != got.len() {
        let detail = format!("asked for {quantity} seats and got {}", list(dossier, &got));
        findings.violated(dossier.violation(call.end.hold, detail, &[at]));
    }
}

fn order_is_its_hold<'a>(
    dossier: &Dossier<'_>,
    made: usize,
    calls: impl Iterator<Item = &'a usize>,
    findings: &mut Findings,
) {
    let held = set(seats_of(dossier.call(made)));
    for &at in calls {
        let call = dossier.call(at);
        let said = set(&call.end.seats);
        if call.is_ok() && !said.is_empty() && said != held {
            let detail = format!(
                "has {} and its hold had {}",
                list(dossier, &said),
                list(dossier, &held)
            );
            findings.violated(dossier.violation(call.order_id(), detail, &[made, at]));
        }
    }
}

/// A hold request of a seat, and when it may have had it.
struct Claim {
    request: usize,
    from_ns: u64,
    /// Surely over by then; `u64::MAX` when not known.
    over_ns: u64,
    /// Surely lapsed by then, ms of the shard's clock.
    over_ms: u64,
    /// The latest `over_ns` of this one and all that began before.
    over_max_ns: u64,
}

fn looks_are_whole(dossier: &Dossier<'_>, findings: &mut Findings) {
    let layout = Layout::of(dossier);
    let claims = claims_by_seat(dossier);
    // Of some seats, nobody knows which: any seat may be theirs.
    let unnamed = |show: Name| {
        dossier.requests.iter().any(|request| {
            let call = dossier.call(request.tries[0]);
            call.op == Op::Hold
                && call.show == show
                && request.acknowledged.is_none()
                && call.seats.is_empty()
        })
    };
    let mut skipped: HashMap<Name, bool> = HashMap::new();
    for (at, look) in dossier.history.calls.iter().enumerate() {
        if look.op != Op::ReadSeats || !look.is_ok() || look.end.states.is_empty() {
            continue;
        }
        if *skipped
            .entry(look.show)
            .or_insert_with(|| unnamed(look.show))
        {
            continue;
        }
        findings.examined();
        look_is_whole(dossier, &layout, &claims, at, findings);
    }
}

fn look_is_whole(
    dossier: &Dossier<'_>,
    layout: &Layout,
    claims: &HashMap<(Name, Name), Vec<Claim>>,
    at: usize,
    findings: &mut Findings,
) {
    let look = dossier.call(at);
    let letter = |seat: Name| {
        let position = layout.position(look.show, seat)?;
        look.end.states.as_bytes().get(position).copied()
    };
    let mut judged = BTreeSet::new();
    let Some(show) = dossier
        .history
        .shows
        .iter()
        .find(|s| s.show == dossier.text(look.show))
    else {
        return;
    };
    let taken = show
        .seats
        .iter()
        .zip(look.end.states.bytes())
        .filter(|(_, letter)| *letter == b'h');
    for (seat, _) in taken {
        let Some(seat) = dossier.history.names.find(seat) else {
            continue;
        };
        let Some(request) = claims
            .get(&(look.show, seat))
            .and_then(|claims| only_claim(claims, look))
        else {
            continue;
        };
        let holder = &dossier.requests[request];
        let by = holder.acknowledged.unwrap_or(holder.tries[0]);
        let seats = seats_of(dossier.call(by));
        if seats.len() < 2 || !judged.insert(request) {
            continue;
        }
        if let Some(free) = seats
            .iter()
            .copied()
            .find(|seat| letter(*seat) == Some(b'a'))
        {
            let (who, free) = (dossier.text(dossier.call(by).process), dossier.text(free));
            let detail = format!(
                "only {who} can have it, who asked for {free} as well, and that is available"
            );
            findings.violated(dossier.seat_violation(seat, detail, &[by, at]));
        }
    }
}

/// The only request that may have a seat when it is looked at, if there is only one.
fn only_claim(claims: &[Claim], look: &Call) -> Option<usize> {
    let since_ns = look
        .invoked_ns
        .saturating_sub(look.end.age_ms.unwrap_or(0).saturating_mul(1_000_000));
    let begun = claims.partition_point(|claim| claim.from_ns < look.end.at_ns);
    let mut only = None;
    for claim in claims[..begun].iter().rev() {
        if claim.over_max_ns < since_ns {
            break;
        }
        let over =
            claim.over_ns < since_ns || (look.end.now_ms != 0 && claim.over_ms <= look.end.now_ms);
        if !over {
            if only.is_some() {
                return None;
            }
            only = Some(claim.request);
        }
    }
    only
}

fn claims_by_seat(dossier: &Dossier<'_>) -> HashMap<(Name, Name), Vec<Claim>> {
    let mut claims: HashMap<(Name, Name), Vec<Claim>> = HashMap::new();
    for (number, request) in dossier.requests.iter().enumerate() {
        let first = dossier.call(request.tries[0]);
        let refused = |at: &usize| dossier.call(*at).end.outcome == Outcome::Rejected;
        if first.op != Op::Hold || request.tries.iter().all(refused) {
            continue;
        }
        let by = dossier.call(request.acknowledged.unwrap_or(request.tries[0]));
        let (over_ns, over_ms) = over(dossier, by);
        for &seat in seats_of(by) {
            let claim = Claim {
                request: number,
                from_ns: first.invoked_ns,
                over_ns,
                over_ms,
                over_max_ns: over_ns,
            };
            claims.entry((by.show, seat)).or_default().push(claim);
        }
    }
    for claims in claims.values_mut() {
        claims.sort_by_key(|claim| claim.from_ns);
        let mut latest_ns = 0;
        for claim in claims {
            latest_ns = latest_ns.max(claim.over_ns);
            claim.over_max_ns = latest_ns;
        }
    }
    claims
}

/// By when a hold is surely over: ns since the origin, ms of the shard's clock.
fn over(dossier: &Dossier<'_>, made: &Call) -> (u64, u64) {
    let Some(hold) = dossier.holds.get(&made.end.hold).filter(|_| made.is_ok()) else {
        return (u64::MAX, u64::MAX);
    };
    let order = dossier.orders.get(&hold.order);
    let ended = |at: &usize| Some(dossier.call(*at)).filter(|call| call.is_ok());
    let released = hold
        .calls
        .iter()
        .filter_map(ended)
        .filter(|call| call.op == Op::Release);
    let cancelled = order
        .into_iter()
        .flat_map(|order| order.calls.iter().filter_map(ended));
    let cancelled = cancelled.filter(|call| call.op == Op::Cancel);
    let over_ns = released
        .chain(cancelled)
        .map(|call| call.end.at_ns)
        .min()
        .unwrap_or(u64::MAX);
    // Extended, or maybe ordered and paid: it may last longer than it said.
    let plain = hold
        .calls
        .iter()
        .all(|at| matches!(dossier.call(*at).op, Op::ReadHold | Op::Release));
    (over_ns, if plain { made.end.expires_ms } else { u64::MAX })
}

fn set(seats: &[Name]) -> BTreeSet<Name> {
    seats.iter().copied().collect()
}

fn list(dossier: &Dossier<'_>, seats: &BTreeSet<Name>) -> String {
    let texts: Vec<&str> = seats.iter().map(|seat| dossier.text(*seat)).collect();
    texts.join(", ")
}
