//! What the outbox promises arrives: tickets with the buyer, notices at their far side, at least once.
//!
//! Owns: confirmed orders against tickets and notices. Must never: mind a notice that comes twice; its number lets the far
//! side drop it.

use std::collections::{HashMap, HashSet};

use super::Check;
use super::dossier::{Dossier, Order};
use super::verdict::{Findings, Violation};
use crate::history::{Name, NoticeKind, Op, Outcome};

pub(super) const CHECK: Check = Check {
    name: "outbox",
    promise: "a confirmed order has its tickets and its notice, and nothing is announced that did not happen",
    judge,
};

/// From this mark on, the system was left in peace long enough to deliver everything.
const SETTLED: &str = "settled";

fn judge(dossier: &Dossier<'_>, findings: &mut Findings) {
    let announced = announced(dossier, findings);
    let mut owners: HashMap<Name, Name> = HashMap::new();
    for (&id, order) in &dossier.orders {
        tickets(dossier, id, order, &mut owners, findings);
        let Some(confirmed) = dossier.confirmed(order) else {
            if announced.contains(dossier.text(id)) {
                not_announced_for_nothing(dossier, id, order, findings);
            }
            continue;
        };
        if dossier.history.header.notices_watched && !announced.contains(dossier.text(id)) {
            let detail = "is confirmed, and its notice never arrived".to_owned();
            findings.violated(dossier.violation(id, detail, &[confirmed]));
        }
    }
    nothing_is_left_over(dossier, findings);
}

/// Orders whose confirmation was announced; one number never stands for two notices.
fn announced<'h>(dossier: &Dossier<'h>, findings: &mut Findings) -> HashSet<&'h str> {
    let mut numbers = HashMap::new();
    let mut announced = HashSet::new();
    for notice in &dossier.history.notices {
        findings.examined();
        let says = (notice.order.as_str(), notice.kind);
        let first = *numbers
            .entry((notice.show.as_str(), notice.seq))
            .or_insert(says);
        if first != says {
            findings.violated(Violation {
                show: notice.show.clone(),
                seat: None,
                subject: format!("notice {}", notice.seq),
                detail: format!(
                    "is {:?} of {} and {:?} of {}",
                    first.1, first.0, says.1, says.0
                ),
                calls: Vec::new(),
                until_ns: None,
            });
        }
        if notice.kind == NoticeKind::OrderConfirmed {
            announced.insert(notice.order.as_str());
        }
    }
    announced
}

/// A ticket a seat, the same ones in every answer, none twice.
fn tickets(
    dossier: &Dossier<'_>,
    id: Name,
    order: &Order,
    owners: &mut HashMap<Name, Name>,
    findings: &mut Findings,
) {
    let mut first: Option<usize> = None;
    for &at in order.calls.iter().chain(&order.opened) {
        let call = dossier.call(at);
        if !call.is_ok() || dossier.text(call.end.state) != "confirmed" {
            continue;
        }
        let (tickets, seats) = (&call.end.tickets, call.end.seats.len());
        // Some forms of an answer have neither.
        if tickets.is_empty() && seats == 0 {
            continue;
        }
        findings.examined();
        if seats != 0 && tickets.len() != seats {
            let detail = format!(
                "is confirmed with {} tickets for {seats} seats",
                tickets.len()
            );
            findings.violated(dossier.violation(id, detail, &[at]));
        }
        let before = *first.get_or_insert(at);
        if dossier.call(before).end.tickets != *tickets {
            let detail = "has other tickets than before".to_owned();
            findings.violated(dossier.violation(id, detail, &[before, at]));
        }
        for &ticket in tickets {
            let owner = *owners.entry(ticket).or_insert(id);
            if owner != id {
                let (a, b) = (dossier.text(owner), dossier.text(id));
                let detail = format!("is a ticket of {a} and of {b}");
                findings.violated(dossier.violation(ticket, detail, &[at]));
            }
        }
    }
}

fn not_announced_for_nothing(
    dossier: &Dossier<'_>,
    id: Name,
    order: &Order,
    findings: &mut Findings,
) {
    let calls = order.calls.iter().map(|at| dossier.call(*at));
    let may_be_paid = calls
        .clone()
        .any(|call| call.op == Op::Pay && call.end.outcome != Outcome::Rejected);
    // A refusal of one payment says nothing of another try.
    if !may_be_paid {
        let opened: Vec<usize> = order.opened.iter().take(1).copied().collect();
        let detail = "was announced as confirmed, and nobody can have paid it".to_owned();
        findings.violated(dossier.violation(id, detail, &opened));
    }
}

/// Once the system was left in peace, no replica has anything to deliver.
fn nothing_is_left_over(dossier: &Dossier<'_>, findings: &mut Findings) {
    let marks = dossier.history.marks.iter();
    let Some(settled) = marks.rev().find(|mark| mark.what == SETTLED) else {
        return;
    };
    for seen in dossier
        .history
        .replicas
        .iter()
        .filter(|seen| seen.t_ns >= settled.t_ns)
    {
        findings.examined();
        if seen.outbox_pending > 0 {
            findings.violated(Violation {
                show: seen.show.clone(),
                seat: None,
                subject: format!("node {}", seen.node),
                detail: format!(
                    "{} outbox records were never delivered",
                    seen.outbox_pending
                ),
                calls: Vec::new(),
                until_ns: None,
            });
        }
    }
}
