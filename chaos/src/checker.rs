//! What must be true of a history, whatever was broken meanwhile.
//!
//! Has its own idea of a seat and shares no code with the inventory. Every check is linear in the history but for the
//! pairs of holds on one seat.
//!
//! Owns: the promises to buyers. Must never: take an open outcome for a yes or a no. It widens what is possible.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::{Op, Operation, Outcome};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// INV-… number, as in `docs/INVARIANTS.md`, or the promise in words.
    pub promise: &'static str,
    /// Seat, order or hold.
    pub subject: String,
    /// Who was told what.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.promise, self.subject, self.detail)
    }
}

/// What the system says at the end, read from its leader.
#[derive(Debug, Clone, Default)]
pub struct FinalState {
    /// State of each seat of a show by plan id: `available`, `held`, `sold`, `blocked`.
    pub seats: BTreeMap<String, String>,
    /// State of each order by id.
    pub orders: BTreeMap<String, String>,
}

/// Every promise that the history breaks; empty when it breaks none. Seats are those of one show.
#[must_use]
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let mut found = seats_sold_twice(operations);
    found.extend(holds_that_overlap(operations));
    found.extend(answers_that_differ(operations));
    found
}

/// Every acknowledged sale that is not there any more; empty when all are.
#[must_use]
pub fn check_final(operations: &[Operation], state: &FinalState) -> Vec<Violation> {
    let mut found = Vec::new();
    for (order, seats) in confirmed_orders(operations) {
        let now = state.orders.get(order).map_or("gone", String::as_str);
        if now != "confirmed" {
            found.push(Violation {
                promise: "an acknowledged sale survives",
                subject: order.to_owned(),
                detail: format!("was confirmed to its buyer and is {now}"),
            });
        }
        for seat in seats {
            let now = state.seats.get(seat).map_or("gone", String::as_str);
            if now != "sold" {
                found.push(Violation {
                    promise: "an acknowledged sale survives",
                    subject: seat.clone(),
                    detail: format!("was sold in {order} and is {now}"),
                });
            }
        }
    }
    found
}

/// Orders that were confirmed to their buyers, with the seats of the answer.
fn confirmed_orders(operations: &[Operation]) -> BTreeMap<&str, &Vec<String>> {
    let paid = |o: &&Operation| {
        o.op == Op::Pay && o.outcome == Outcome::Ok && o.state == "confirmed" && !o.id.is_empty()
    };
    operations
        .iter()
        .filter(paid)
        .map(|o| (o.id.as_str(), &o.seats))
        .collect()
}

fn seats_sold_twice(operations: &[Operation]) -> Vec<Violation> {
    let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (order, seats) in confirmed_orders(operations) {
        for seat in seats {
            if let Some(other) = owner.insert(seat, order) {
                found.push(Violation {
                    promise: "a seat has one owner",
                    subject: seat.clone(),
                    detail: format!("sold in {other} and in {order}"),
                });
            }
        }
    }
    found
}

/// One acknowledged hold: it began between the two times and lived at least until `lapses_us`.
struct Held<'a> {
    id: &'a str,
    ended_us: u64,
    lapses_us: u64,
}

/// Two holds of one seat overlap for certain when each was acknowledged before the other can have ended: whichever came
/// second was granted while the first lived.
fn holds_that_overlap(operations: &[Operation]) -> Vec<Violation> {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let mut orders: BTreeMap<&str, &str> = BTreeMap::new();
    for o in operations {
        if o.op == Op::Order && o.outcome == Outcome::Ok {
            orders.insert(&o.id, &o.subject);
        }
    }
    for o in operations.iter().filter(|o| o.outcome != Outcome::Refused) {
        let hold = match o.op {
            Op::Release => Some(o.subject.as_str()),
            Op::Cancel => orders.get(o.subject.as_str()).copied(),
            Op::Hold | Op::Extend | Op::Order | Op::Pay => None,
        };
        if let Some(hold) = hold {
            let end = ends.entry(hold).or_insert(u64::MAX);
            *end = o.started_us.min(*end);
        }
    }
    let mut held: BTreeMap<&str, Vec<Held<'_>>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for o in operations
        .iter()
        .filter(|o| o.op == Op::Hold && o.outcome == Outcome::Ok)
    {
        if o.state != "active" || !seen.insert(o.id.as_str()) {
            continue;
        }
        // The clock ran since the request at the earliest; what is not said to last lasts no time at all.
        let expires_us = o.started_us.saturating_add(o.expires_in_us.unwrap_or(0));
        let lapses_us = ends
            .get(o.id.as_str())
            .map_or(expires_us, |end| expires_us.min(*end));
        for seat in &o.seats {
            held.entry(seat).or_default().push(Held {
                id: &o.id,
                ended_us: o.ended_us,
                lapses_us,
            });
        }
    }
    let mut found = Vec::new();
    for (seat, holds) in &held {
        for (at, a) in holds.iter().enumerate() {
            for b in &holds[at + 1..] {
                if a.id != b.id && b.ended_us < a.lapses_us && a.ended_us < b.lapses_us {
                    found.push(Violation {
                        promise: "a seat has one owner",
                        subject: (*seat).to_owned(),
                        detail: format!("held by {} and by {} at once", a.id, b.id),
                    });
                }
            }
        }
    }
    found
}

/// The same request, asked again, must not lead to a second thing.
fn answers_that_differ(operations: &[Operation]) -> Vec<Violation> {
    let mut first: BTreeMap<(&str, &str), &Operation> = BTreeMap::new();
    let mut found = Vec::new();
    let made = |o: &&Operation| o.outcome == Outcome::Ok && !o.id.is_empty();
    for o in operations.iter().filter(made) {
        let before = first.entry((&o.buyer, &o.key)).or_insert(o);
        if before.id != o.id {
            found.push(Violation {
                promise: "a request acts once",
                subject: format!("{} {}", o.buyer, o.key),
                detail: format!("made {} and then {}", before.id, o.id),
            });
        }
    }
    found
}
