//! No read is older than it says, and no refusal from a copy.
//!
//! Owns: comparing an answer's index and age with what had been acknowledged by then. Must never: need a clock of the system;
//! ages are durations, and the recorder's clock measures them.

use super::Check;
use super::dossier::Dossier;
use super::seen::Seen;
use super::verdict::Findings;
use crate::history::{Outcome, Reading};

pub(super) const CHECK: Check = Check {
    name: "stale-reads",
    promise: "a read, and a refusal from a copy, has everything that was acknowledged longer ago than its age",
    judge,
};

/// Ages are whole milliseconds, rounded down.
const AGE_ROUNDING_MS: u64 = 1;

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    // A near read shows what a replica had; that is no less acknowledged than a write.
    let acknowledged = Seen::of(dossier, |call| call.show);
    for (at, call) in dossier.history.calls.iter().enumerate() {
        let read = call.op.is_read() && call.is_ok();
        // A refusal that says its age was judged by a copy: it is a look.
        let refusal = call.end.outcome == Outcome::Rejected && call.end.age_ms.is_some();
        if !(read || refusal) || call.end.index == 0 {
            continue;
        }
        let what = if read { "a read" } else { "a refusal" };
        let age_ms = match (call.reading, call.end.age_ms) {
            (Reading::Linearizable, _) => 0,
            (_, Some(age_ms)) => age_ms.saturating_add(AGE_ROUNDING_MS),
            // Says nothing of its age: promises nothing.
            (_, None) => continue,
        };
        findings.examined();
        let must_have_ns = call
            .invoked_ns
            .saturating_sub(age_ms.saturating_mul(1_000_000));
        if let Some((index, by)) = acknowledged.before(&call.show, must_have_ns)
            && call.end.index < index
        {
            let detail = format!(
                "{what} that is {age_ms} ms old at most shows index {}; {index} had been acknowledged by then",
                call.end.index
            );
            findings.violated(dossier.violation(call.process, detail, &[by, at]));
        }
    }
}
