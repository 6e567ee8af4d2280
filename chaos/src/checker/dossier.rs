//! A history put in order for the checks: tries of one request together, everything about a hold and an order together.
//!
//! Owns: those groups. Must never: judge.

use std::collections::HashMap;

use super::Options;
use super::verdict::Violation;
use crate::history::{Call, History, Name, Op, Outcome};

/// Tries with one idempotency key by one buyer; a call without a key is a request of its own.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Places in `history.calls`, by start.
    pub(super) tries: Vec<usize>,
    /// The try that was acknowledged first.
    pub(super) acknowledged: Option<usize>,
}

/// Everything about one hold.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Acknowledged tries that made it, by start.
    pub(super) made: Vec<usize>,
    /// Every other call about it, by start, whatever came of it.
    pub(super) calls: Vec<usize>,
    /// The order that was opened from it.
    pub(super) order: Name,
}

/// Everything about one order.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The hold that it was opened from.
    pub(super) hold: Name,
    /// Acknowledged tries that opened it, by start.
    pub(super) opened: Vec<usize>,
    /// Every other call about it, by start, whatever came of it.
    pub(super) calls: Vec<usize>,
}

/// The history and its groups.
#[derive(Debug)]
pub(super) struct Dossier<'h> {
    pub(super) history: &'h History,
    pub(super) options: &'h Options,
    pub(super) clock_bound_ms: u64,
    pub(super) requests: Vec<Request>,
    /// Place of each call's request in `requests`.
    pub(super) request_of: Vec<usize>,
    pub(super) holds: HashMap<Name, Hold>,
    pub(super) orders: HashMap<Name, Order>,
}

impl<'h> Dossier<'h> {
    pub(super) fn of(history: &'h History, options: &'h Options) -> Self {
        let bound_ms = options.clock_bound_ms;
        let mut dossier = Self {
            history,
            options,
            clock_bound_ms: bound_ms.unwrap_or(history.header.clock_bound_ms),
            requests: Vec::new(),
            request_of: Vec::with_capacity(history.calls.len()),
            holds: HashMap::new(),
            orders: HashMap::new(),
        };
        dossier.group_tries();
        dossier.group_subjects();
        dossier
    }

    fn group_tries(&mut self) {
        let mut known: HashMap<(Name, Name), usize> = HashMap::new();
        for (at, call) in self.history.calls.iter().enumerate() {
            let fresh = self.requests.len();
            let place = if call.key.is_none() || call.op.is_read() {
                fresh
            } else {
                *known.entry((call.buyer, call.key)).or_insert(fresh)
            };
            if place == fresh {
                self.requests.push(Request::default());
            }
            self.request_of.push(place);
            let request = &mut self.requests[place];
            request.tries.push(at);
            let ends_ns = |at: usize| self.history.calls[at].end.at_ns;
            if call.is_ok()
                && request
                    .acknowledged
                    .is_none_or(|first| ends_ns(at) < ends_ns(first))
            {
                request.acknowledged = Some(at);
            }
        }
    }

    fn group_subjects(&mut self) {
        for (at, call) in self.history.calls.iter().enumerate() {
            let (hold, order) = (call.hold_id(), call.order_id());
            if hold.is_some()
                && matches!(
                    call.op,
                    Op::Hold | Op::Extend | Op::Release | Op::ReadHold | Op::Order
                )
            {
                let facts = self.holds.entry(hold).or_default();
                if call.op == Op::Hold && call.is_ok() {
                    facts.made.push(at);
                } else {
                    facts.calls.push(at);
                }
                if call.op == Op::Order && call.is_ok() && order.is_some() {
                    facts.order = order;
                }
            }
            if order.is_some()
                && matches!(
                    call.op,
                    Op::Order | Op::Pay | Op::Cancel | Op::Refund | Op::ReadOrder
                )
            {
                let facts = self.orders.entry(order).or_default();
                if hold.is_some() {
                    facts.hold = hold;
                }
                if call.is_ok() && call.end.hold.is_some() {
                    self.holds.entry(hold).or_default().order = order;
                }
                if call.op == Op::Order && call.is_ok() {
                    facts.opened.push(at);
                } else {
                    facts.calls.push(at);
                }
            }
        }
    }

    /// Calls whose outcome nobody was told, and that no later try with the same key resolved.
    pub(super) fn unknown_count(&self) -> u64 {
        let unknown = |at: &usize| self.history.calls[*at].end.outcome == Outcome::Unknown;
        let open = self
            .requests
            .iter()
            .filter(|r| r.acknowledged.is_none() && r.tries.iter().any(unknown));
        open.count() as u64
    }

    pub(super) fn call(&self, at: usize) -> &'h Call {
        &self.history.calls[at]
    }

    pub(super) fn text(&self, name: Name) -> &'h str {
        self.history.text(name)
    }

    /// Seats of a hold: as its answer says, or as it was asked for.
    pub(super) fn seats_of_hold(&self, hold: Name) -> &'h [Name] {
        let made = self.holds.get(&hold).and_then(|hold| hold.made.first());
        made.map_or(&[], |at| seats_of(self.call(*at)))
    }

    /// Seats of an order: as any answer about it says, or those of its hold.
    pub(super) fn seats_of_order(&self, order: Name) -> &'h [Name] {
        let Some(facts) = self.orders.get(&order) else {
            return &[];
        };
        let calls = facts
            .opened
            .iter()
            .chain(&facts.calls)
            .map(|at| self.call(*at));
        let said = calls
            .filter(|call| call.is_ok())
            .map(|call| &*call.end.seats);
        said.into_iter()
            .find(|seats| !seats.is_empty())
            .unwrap_or_else(|| self.seats_of_hold(facts.hold))
    }

    /// When an order was confirmed to its buyer for the first time: the call.
    pub(super) fn confirmed(&self, order: &Order) -> Option<usize> {
        let calls = order.calls.iter().chain(&order.opened).copied();
        calls
            .filter(|at| {
                self.call(*at).is_ok() && self.text(self.call(*at).end.state) == "confirmed"
            })
            .min_by_key(|at| self.call(*at).end.at_ns)
    }

    /// Whether a call may have taken an order's seats away from it. A payment does when the money cannot be captured.
    pub(super) fn may_undo(&self, call: &Call) -> bool {
        match call.op {
            Op::Cancel | Op::Refund => call.end.outcome != Outcome::Rejected,
            Op::Pay => {
                call.end.outcome == Outcome::Unknown
                    || self.text(call.end.code) == "order_cancelled"
            }
            _ => false,
        }
    }

    /// Whether anybody may have ended a hold, or the order opened from it, before its time.
    pub(super) fn may_end_early(&self, hold: &Hold) -> bool {
        let released =
            |call: &Call| call.op == Op::Release && call.end.outcome != Outcome::Rejected;
        let order = self.orders.get(&hold.order);
        let calls = hold
            .calls
            .iter()
            .chain(order.into_iter().flat_map(|order| &order.calls));
        calls
            .map(|at| self.call(*at))
            .any(|call| released(call) || self.may_undo(call))
    }

    /// A violation about a seat, hold, order or request of the show of `calls[0]`.
    pub(super) fn violation(&self, subject: Name, detail: String, calls: &[usize]) -> Violation {
        let show = calls.first().map_or(Name::NONE, |at| self.call(*at).show);
        Violation {
            show: self.text(show).to_owned(),
            seat: None,
            subject: self.text(subject).to_owned(),
            detail,
            calls: calls.iter().map(|at| self.call(*at).id).collect(),
            until_ns: None,
        }
    }

    /// The same about a seat.
    pub(super) fn seat_violation(&self, seat: Name, detail: String, calls: &[usize]) -> Violation {
        Violation {
            seat: Some(self.text(seat).to_owned()),
            ..self.violation(seat, detail, calls)
        }
    }
}

/// Seats that an acknowledged call is about: those of its answer, or those asked for.
pub(super) fn seats_of(call: &Call) -> &[Name] {
    if call.end.seats.is_empty() {
        &call.seats
    } else {
        &call.end.seats
    }
}
