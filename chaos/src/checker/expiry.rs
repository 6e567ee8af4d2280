//! Holds neither outlive nor undercut their time.
//!
//! The shard's clock decides, and most answers say what it was: those are compared exactly. Where it is not said, it is the
//! recorder's clock give or take the stated bound; and the bound itself is checked wherever an answer shows both.
//!
//! Owns: these comparisons, hold by hold. Must never: expect a look at an idle shard to move its clock.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, Hold, seats_of};
use super::verdict::Findings;
use super::window::happened;
use crate::history::{Call, Name, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "hold-expiry",
    promise: "a hold lasts exactly as long as its buyer was told, by a clock within the stated bound",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    for at in 0..dossier.history.calls.len() {
        clock_within_bound(dossier, at, findings);
    }
    for (&id, hold) in &dossier.holds {
        if let Some(&made) = hold.made.first() {
            findings.examined();
            life(dossier, id, hold, made, findings);
        }
    }
    taken_too_early(dossier, findings);
}

/// A command is stamped by its leader between question and answer.
fn clock_within_bound(dossier: &Dossier<'_>, at: usize, findings: &mut Findings) {
    let call = dossier.call(at);
    if !call.is_ok() || call.end.now_ms == 0 {
        return;
    }
    let (bound_ms, now_ms) = (dossier.clock_bound_ms, call.end.now_ms);
    let earliest_ms = dossier
        .history
        .wall_ms(call.invoked_ns)
        .saturating_sub(bound_ms);
    let latest_ms = dossier
        .history
        .wall_ms(call.end.at_ns)
        .saturating_add(bound_ms + 1);
    // What was remembered or read is as old as it is; a payment's answer may be a look at an idle shard.
    let stamped = !call.end.replayed && !call.op.is_read() && call.op != Op::Pay;
    if now_ms > latest_ms || (stamped && now_ms < earliest_ms) {
        let detail = format!(
            "the shard's clock says {now_ms}, the recorder's {earliest_ms} to {latest_ms} with a bound of {bound_ms} ms"
        );
        findings.violated(dossier.violation(call.process, detail, &[at]));
    }
}

/// What one hold's answers say of its time.
fn life(dossier: &Dossier<'_>, id: Name, hold: &Hold, made: usize, findings: &mut Findings) {
    let first = dossier.call(made);
    if first.end.expires_ms == 0 {
        return;
    }
    if !first.end.replayed
        && first.end.now_ms >= first.end.expires_ms
        && dossier.text(first.end.state) == "active"
    {
        let detail = "was granted with no time left".to_owned();
        findings.violated(dossier.violation(id, detail, &[made]));
    }
    let mut extends_known = true;
    let mut ends_ms = first.end.expires_ms;
    for &at in &hold.calls {
        let call = dossier.call(at);
        match (call.op, call.end.outcome) {
            (Op::Extend, Outcome::Unknown) => extends_known = false,
            (Op::Extend, Outcome::Ok) => ends_ms = ends_ms.max(call.end.expires_ms),
            _ => {}
        }
    }
    for &at in &hold.calls {
        let call = dossier.call(at);
        let shorter = call.op == Op::Extend
            && call.is_ok()
            && call.end.expires_ms != 0
            && call.end.expires_ms < first.end.expires_ms;
        if shorter {
            let detail = "was extended to an earlier time".to_owned();
            findings.violated(dossier.violation(id, detail, &[made, at]));
        }
        if extends_known && let Some(used_ms) = outlives(dossier, at, ends_ms) {
            let detail = format!("was used at {used_ms} although it ended at {ends_ms}");
            findings.violated(dossier.violation(id, detail, &[made, at]));
        }
        if undercut(dossier, call, first.end.expires_ms) {
            let detail = format!(
                "was said to have lapsed before its time, {}",
                first.end.expires_ms
            );
            findings.violated(dossier.violation(id, detail, &[made, at]));
        }
    }
}

/// When it was used although its time was over, by the shard's own clock; at the earliest, where the answer is a repeat that does
/// not say when it was.
fn outlives(dossier: &Dossier<'_>, at: usize, ends_ms: u64) -> Option<u64> {
    let call = dossier.call(at);
    if !matches!(call.op, Op::Extend | Op::Release | Op::Order)
        || !call.is_ok()
        || call.end.now_ms == 0
    {
        return None;
    }
    let used_ms = if call.end.replayed {
        let request = &dossier.requests[dossier.request_of[at]];
        happened(dossier, request)?.clock.lo
    } else {
        call.end.now_ms
    };
    (used_ms >= ends_ms).then_some(used_ms)
}

/// Told "expired" while even the fastest clock within the bound had not got there.
fn undercut(dossier: &Dossier<'_>, call: &Call, expires_ms: u64) -> bool {
    let told = dossier.text(call.end.code) == "hold_expired"
        || (call.op == Op::ReadHold && call.is_ok() && dossier.text(call.end.state) == "expired");
    if !told {
        return false;
    }
    let latest_ms = match call.end.now_ms {
        0 => dossier
            .history
            .wall_ms(call.end.at_ns)
            .saturating_add(dossier.clock_bound_ms + 1),
        now_ms => now_ms,
    };
    latest_ms < expires_ms
}

/// One grant of a seat, by the shard's clock.
struct Grant {
    now_ms: u64,
    expires_ms: u64,
    hold: Name,
    by: usize,
}

/// A seat that goes to another buyer while a hold of it has time left by the same clock, and nobody gave it back.
fn taken_too_early(dossier: &Dossier<'_>, findings: &mut Findings) {
    let mut grants: HashMap<(Name, Name), Vec<Grant>> = HashMap::new();
    for (&id, hold) in &dossier.holds {
        let Some(&by) = hold.made.first() else {
            continue;
        };
        let call = dossier.call(by);
        // A repeat does not say when the seat was granted.
        if call.end.replayed || call.end.now_ms == 0 || call.end.expires_ms == 0 {
            continue;
        }
        let expires_ms = if dossier.may_end_early(hold) {
            0
        } else {
            call.end.expires_ms
        };
        for &seat in seats_of(call) {
            let grant = Grant {
                now_ms: call.end.now_ms,
                expires_ms,
                hold: id,
                by,
            };
            grants.entry((call.show, seat)).or_default().push(grant);
        }
    }
    for ((_, seat), mut grants) in grants {
        grants.sort_by_key(|grant| (grant.now_ms, grant.by));
        for pair in grants.windows(2) {
            let [a, b] = pair else { continue };
            if a.hold != b.hold && b.now_ms > a.now_ms && b.now_ms < a.expires_ms {
                let (x, y) = (dossier.text(a.hold), dossier.text(b.hold));
                let left_ms = a.expires_ms - b.now_ms;
                let detail = format!("went to {y} while {x} had {left_ms} ms left");
                findings.violated(dossier.seat_violation(seat, detail, &[a.by, b.by]));
            }
        }
    }
}
