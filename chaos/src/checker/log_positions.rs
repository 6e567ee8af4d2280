//! Answers agree with the log positions that they carry.
//!
//! A write that began after another was acknowledged stands behind it in the log; and a look at a show at an index has every
//! hold that was granted at that index or before. The second part is what catches an old map that claims to be new.
//!
//! Owns: order by index. Must never: replace the search by time alone, which does not believe any index.

use std::collections::HashMap;

use super::Check;
use super::dossier::{Dossier, seats_of};
use super::layout::Layout;
use super::seen::Seen;
use super::verdict::Findings;
use crate::history::{Call, Name, Op};

pub(super) const CHECK: Check = Check {
    name: "log-positions",
    promise: "what an answer shows is what its log index says",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    writes_follow_what_was_acknowledged(dossier, findings);
    looks_have_what_their_index_says(dossier, findings);
}

fn writes_follow_what_was_acknowledged(dossier: &Dossier<'_>, findings: &mut Findings) {
    let acknowledged = Seen::of(dossier, |call| call.show);
    for (at, call) in dossier.history.calls.iter().enumerate() {
        let fresh = call.is_ok() && call.end.index != 0 && !call.op.is_read() && !call.end.replayed;
        if !fresh {
            continue;
        }
        findings.examined();
        if let Some((index, by)) = acknowledged.before(&call.show, call.invoked_ns)
            && call.end.index <= index
        {
            let detail = format!(
                "was written at index {} after {index} had been acknowledged",
                call.end.index
            );
            findings.violated(dossier.violation(call.process, detail, &[by, at]));
        }
    }
}

/// A hold of a seat that nobody can have ended before it expired.
struct Kept {
    index: u64,
    expires_ms: u64,
    hold: Name,
    by: usize,
}

fn looks_have_what_their_index_says(dossier: &Dossier<'_>, findings: &mut Findings) {
    let layout = Layout::of(dossier);
    let kept = kept_by_show(dossier, &layout);
    let looks = dossier.history.calls.iter().enumerate();
    for (at, call) in looks.filter(|(_, c)| c.op == Op::ReadSeats && c.is_ok() && c.end.index != 0)
    {
        let Some(kept) = kept.get(&call.show) else {
            continue;
        };
        for (position, letter) in call.end.states.bytes().enumerate() {
            if letter != b'a' {
                continue;
            }
            let Some((seat, holds)) = kept.get(&position) else {
                continue;
            };
            findings.examined();
            if let Some(missing) = missing(holds, call) {
                let detail = format!(
                    "a look at index {} finds it available; {} has it since index {}",
                    call.end.index,
                    dossier.text(missing.hold),
                    missing.index
                );
                findings.violated(dossier.seat_violation(*seat, detail, &[missing.by, at]));
            }
        }
    }
}

/// The last hold at or before the look's index, if it has time left by the look's own clock.
fn missing<'k>(holds: &'k [Kept], look: &Call) -> Option<&'k Kept> {
    let until = holds.partition_point(|kept| kept.index <= look.end.index);
    let last = &holds[until.checked_sub(1)?];
    (look.end.now_ms != 0 && look.end.now_ms < last.expires_ms).then_some(last)
}

type BySeat = HashMap<usize, (Name, Vec<Kept>)>;

fn kept_by_show(dossier: &Dossier<'_>, layout: &Layout) -> HashMap<Name, BySeat> {
    let mut shows: HashMap<Name, BySeat> = HashMap::new();
    for (&id, hold) in &dossier.holds {
        let Some(&by) = hold.made.first() else {
            continue;
        };
        let call = dossier.call(by);
        if call.end.index == 0 {
            continue;
        }
        // One that may have ended still hides those before it: after it, anything may be.
        let expires_ms = if dossier.may_end_early(hold) {
            0
        } else {
            call.end.expires_ms
        };
        for &seat in seats_of(call) {
            let Some(position) = layout.position(call.show, seat) else {
                continue;
            };
            let kept = Kept {
                index: call.end.index,
                expires_ms,
                hold: id,
                by,
            };
            let seats = shows.entry(call.show).or_default();
            seats
                .entry(position)
                .or_insert_with(|| (seat, Vec::new()))
                .1
                .push(kept);
        }
    }
    for seats in shows.values_mut() {
        for (_, holds) in seats.values_mut() {
            holds.sort_by_key(|kept| kept.index);
        }
    }
    shows
}
