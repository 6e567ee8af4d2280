//! What a client has seen, its session reads see too.
//!
//! Owns: the highest log index that each process has seen of each show. Must never: expect it of a read that did not ask.

use super::Check;
use super::dossier::Dossier;
use super::seen::Seen;
use super::verdict::Findings;
use crate::history::Reading;

pub(super) const CHECK: Check = Check {
    name: "session-reads",
    promise: "a session never goes back",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let seen = Seen::of(dossier, |call| (call.process, call.show));
    for (at, call) in dossier.history.calls.iter().enumerate() {
        let asks = call.op.is_read() && (call.reading == Reading::Session || call.at_least > 0);
        if !asks || !call.is_ok() {
            continue;
        }
        findings.examined();
        if call.end.index < call.at_least {
            let detail = format!(
                "asked for index {} and was shown {}",
                call.at_least, call.end.index
            );
            findings.violated(dossier.violation(call.process, detail, &[at]));
        }
        if call.reading == Reading::Session
            && let Some((index, by)) = seen.before(&(call.process, call.show), call.invoked_ns)
            && call.end.index < index
        {
            let detail = format!("saw index {index} and then {}", call.end.index);
            findings.violated(dossier.violation(call.process, detail, &[by, at]));
        }
    }
}
