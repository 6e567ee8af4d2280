//! Replicas at the same index are the same.
//!
//! Owns: comparing what replicas say of themselves. Must never: compare two at different indexes.

use std::collections::HashMap;

use super::Check;
use super::dossier::Dossier;
use super::verdict::{Findings, Violation};
use crate::history::Replica;

pub(super) const CHECK: Check = Check {
    name: "replicas-agree",
    promise: "replicas at the same log index have the same state, and no seat is lost or made",
    judge,
};

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let mut first: HashMap<(&str, u64), &Replica> = HashMap::new();
    for seen in &dossier.history.replicas {
        findings.examined();
        let known = *first.entry((&seen.show, seen.index)).or_insert(seen);
        let counts = |r: &Replica| (r.available, r.held, r.sold, r.blocked);
        if known.hash != seen.hash || counts(known) != counts(seen) {
            let detail = format!(
                "at index {} node {} has state {} and node {} has state {}",
                seen.index, known.node, known.hash, seen.node, seen.hash
            );
            findings.violated(about(seen, detail));
        }
        if seen.invariant_violations > 0 {
            let detail = format!("counts {} broken invariants", seen.invariant_violations);
            findings.violated(about(seen, detail));
        }
        let shows = &dossier.history.shows;
        if let Some(show) = shows.iter().find(|show| show.show == seen.show) {
            let seats = seen.available + seen.held + seen.sold + seen.blocked;
            if seats != show.seats.len() as u64 {
                let detail = format!(
                    "has {seats} seats at index {}; the show has {}",
                    seen.index,
                    show.seats.len()
                );
                findings.violated(about(seen, detail));
            }
        }
    }
}

fn about(seen: &Replica, detail: String) -> Violation {
    Violation {
        show: seen.show.clone(),
        seat: None,
        subject: format!("node {}", seen.node),
        detail,
        calls: Vec::new(),
        until_ns: None,
    }
}
