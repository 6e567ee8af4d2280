//! What happened to one seat: the calls of a history as operations on it.
//!
//! A hold of three seats is one operation on each of them; what this loses (that they happened together) has a check of its
//! own. Tries of one request are one operation: it happened once, between the first try that may have happened and the first
//! that was acknowledged.
//!
//! Owns: windows, clocks and which calls say what about a seat. Must never: give an operation a narrower window than what is
//! certain.

use std::collections::HashMap;

use super::dossier::{Dossier, Order, Request, seats_of};
use super::layout::{Layout, show_of};
use super::search::SeatOp;
use super::seat::{Action, Owner, Span};
use super::window::{happened, look_at, op, order_ends, owner_of_hold, owner_of_order, usable};
use crate::history::{Call, Name, Op, Outcome};

/// Seats of all shows.
#[derive(Debug, Default)]
pub(super) struct Projection {
    /// By show and seat; looks at whole shows are added by [`Projection::of_seat`].
    seats: HashMap<(Name, Name), Vec<SeatOp>>,
    /// Looks at the seats of a show.
    looks: HashMap<Name, Vec<usize>>,
    /// Holds of some seats of a show whose outcome nobody knows: any seat of it may be held.
    pub(super) phantoms: HashMap<Name, Vec<usize>>,
}

impl Projection {
    pub(super) fn of(dossier: &Dossier<'_>) -> Self {
        let mut projection = Self::default();
        for (owner, request) in dossier.requests.iter().enumerate() {
            projection.add_request(
                dossier,
                Owner::try_from(owner).unwrap_or(Owner::MAX),
                request,
            );
        }
        for (&id, order) in &dossier.orders {
            projection.add_sale(dossier, id, order);
        }
        projection
    }

    /// Every seat that anything is said about.
    pub(super) fn places(&self, dossier: &Dossier<'_>) -> Vec<(Name, Name)> {
        let mut places: Vec<(Name, Name)> = self.seats.keys().copied().collect();
        for show in &dossier.history.shows {
            let name = dossier.history.names.find(&show.show).unwrap_or_default();
            if self.looks.contains_key(&name) {
                let seats = show
                    .seats
                    .iter()
                    .filter_map(|seat| dossier.history.names.find(seat));
                places.extend(seats.map(|seat| (name, seat)));
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// All operations on one seat, by start.
    pub(super) fn of_seat(
        &self,
        dossier: &Dossier<'_>,
        show: Name,
        seat: Name,
        layout: &Layout,
    ) -> Vec<SeatOp> {
        let mut ops = self.seats.get(&(show, seat)).cloned().unwrap_or_default();
        if let Some(position) = layout.position(show, seat) {
            let looks = self.looks.get(&show).into_iter().flatten();
            ops.extend(looks.filter_map(|at| look_at(dossier, *at, position)));
        }
        ops.sort_by_key(|op| (op.start_ns, op.end_ns, op.call));
        ops
    }

    /// A hold of any seat by a request whose outcome nobody knows.
    pub(super) fn phantom(dossier: &Dossier<'_>, at: usize) -> SeatOp {
        let owner = Owner::try_from(dossier.request_of[at]).unwrap_or(Owner::MAX);
        SeatOp {
            optional: true,
            end_ns: u64::MAX,
            ..op(dossier, at, Action::Take(owner, Span::ANY))
        }
    }

    fn add_request(&mut self, dossier: &Dossier<'_>, owner: Owner, request: &Request) {
        let first = dossier.call(request.tries[0]);
        match first.op {
            Op::Hold => self.add_hold(dossier, owner, request),
            Op::Extend | Op::Release | Op::Order => self.add_about_hold(dossier, request),
            Op::Cancel | Op::Refund => self.add_about_order(dossier, request),
            Op::Block | Op::Unblock => self.add_block(dossier, request),
            // Sales are added order by order.
            Op::Pay => {}
            Op::ReadSeats => {
                if usable(first) {
                    self.looks
                        .entry(first.show)
                        .or_default()
                        .push(request.tries[0]);
                }
            }
            Op::ReadHold => self.add_hold_read(dossier, request.tries[0]),
            Op::ReadOrder => self.add_order_read(dossier, request.tries[0]),
        }
    }

    fn add_hold(&mut self, dossier: &Dossier<'_>, owner: Owner, request: &Request) {
        for &at in &request.tries {
            let call = dossier.call(at);
            if call.end.outcome == Outcome::Rejected && dossier.text(call.end.code) == "seats_taken"
            {
                self.push(
                    call.show,
                    &call.end.seats,
                    op(dossier, at, Action::Refused(owner)),
                );
            }
        }
        let Some(mut hold) = happened(dossier, request) else {
            return;
        };
        let call = dossier.call(hold.call);
        if call.is_ok() {
            let until = match call.end.expires_ms {
                0 => Span::ANY,
                expires_ms => Span::exactly(expires_ms),
            };
            hold.action = Action::Take(owner, until);
            self.push(call.show, seats_of(call), hold);
        } else if call.seats.is_empty() {
            self.phantoms.entry(call.show).or_default().push(hold.call);
        } else {
            let ttl_ms = show_of(dossier, call.show).map_or(0, |show| show.hold_ttl_ms);
            let lo = if ttl_ms == 0 {
                0
            } else {
                hold.clock.lo.saturating_add(ttl_ms)
            };
            hold.action = Action::Take(owner, Span { lo, hi: u64::MAX });
            self.push(call.show, &call.seats, hold);
        }
    }

    fn add_about_hold(&mut self, dossier: &Dossier<'_>, request: &Request) {
        let first = dossier.call(request.tries[0]);
        let Some((owner, seats)) = owner_of_hold(dossier, first.hold_id()) else {
            return;
        };
        for &at in &request.tries {
            let call = dossier.call(at);
            if call.end.outcome == Outcome::Rejected
                && dossier.text(call.end.code) == "hold_expired"
            {
                self.push(call.show, seats, op(dossier, at, Action::SawLapsed(owner)));
            }
        }
        let Some(mut change) = happened(dossier, request) else {
            return;
        };
        let call = dossier.call(change.call);
        let until = match call.end.expires_ms {
            0 => None,
            expires_ms if call.is_ok() => Some(Span::exactly(expires_ms)),
            _ => None,
        };
        change.action = match first.op {
            Op::Extend => Action::Extend(owner, until.unwrap_or(Span::ANY)),
            Op::Release => Action::Release(owner),
            _ => {
                let payable = order_ends(dossier, call.order_id());
                let lo = until.map_or(0, |span| span.lo);
                match payable {
                    Some(until_ms) if lo > 0 => {
                        let span = Span {
                            lo,
                            hi: until_ms.max(lo),
                        };
                        Action::Open(owner, Some(span), true)
                    }
                    Some(_) => Action::Open(owner, Some(Span::ANY), true),
                    None => Action::Open(owner, until, false),
                }
            }
        };
        self.push(call.show, seats, change);
    }

    fn add_about_order(&mut self, dossier: &Dossier<'_>, request: &Request) {
        let first = dossier.call(request.tries[0]);
        let Some((owner, seats)) = owner_of_order(dossier, first.order_id()) else {
            return;
        };
        for &at in &request.tries {
            let call = dossier.call(at);
            if call.end.outcome == Outcome::Rejected
                && dossier.text(call.end.code) == "order_expired"
            {
                self.push(call.show, seats, op(dossier, at, Action::SawLapsed(owner)));
            }
        }
        if let Some(mut change) = happened(dossier, request) {
            change.action = match first.op {
                Op::Cancel => Action::Cancel(owner),
                _ => Action::Refund(owner),
            };
            self.push(first.show, seats, change);
        }
    }

    fn add_block(&mut self, dossier: &Dossier<'_>, request: &Request) {
        if let Some(mut change) = happened(dossier, request) {
            let call = dossier.call(change.call);
            change.action = if call.op == Op::Block {
                Action::Block
            } else {
                Action::Unblock
            };
            self.push(call.show, seats_of(call), change);
        }
    }

    fn add_hold_read(&mut self, dossier: &Dossier<'_>, at: usize) {
        let call = dossier.call(at);
        let Some((owner, seats)) = owner_of_hold(dossier, call.hold_id()) else {
            return;
        };
        if !usable(call) {
            return;
        }
        let action = match dossier.text(call.end.state) {
            "active" => Action::SawHeld(owner),
            "expired" => Action::SawLapsed(owner),
            _ => return,
        };
        self.push(call.show, seats, op(dossier, at, action));
    }

    fn add_order_read(&mut self, dossier: &Dossier<'_>, at: usize) {
        let call = dossier.call(at);
        let Some((owner, seats)) = owner_of_order(dossier, call.order_id()) else {
            return;
        };
        if usable(call) && matches!(dossier.text(call.end.state), "paid" | "confirmed") {
            self.push(call.show, seats, op(dossier, at, Action::SawSold(owner)));
        }
    }

    /// An order is sold once, whichever of its payments did it.
    fn add_sale(&mut self, dossier: &Dossier<'_>, id: Name, order: &Order) {
        let Some((owner, seats)) = owner_of_order(dossier, id) else {
            return;
        };
        let calls = || order.calls.iter().map(|at| (*at, dossier.call(*at)));
        let Some((first, pay)) = calls()
            .filter(|(_, call)| call.op == Op::Pay)
            .min_by_key(|(_, call)| call.invoked_ns)
        else {
            return;
        };
        let confirmed = dossier.confirmed(order);
        let failed = |call: &Call| dossier.text(call.end.code) == "order_cancelled";
        let open = calls().any(|(_, call)| {
            call.op == Op::Pay && (call.end.outcome == Outcome::Unknown || failed(call))
        });
        if confirmed.is_none() && !open {
            return;
        }
        let end_ns = confirmed.map_or(u64::MAX, |at| dossier.call(at).end.at_ns);
        let sale = SeatOp {
            start_ns: pay.invoked_ns,
            end_ns,
            action: Action::Sell(owner),
            clock: Span {
                lo: op(dossier, first, Action::Sell(owner)).clock.lo,
                hi: u64::MAX,
            },
            optional: confirmed.is_none(),
            call: confirmed.unwrap_or(first),
        };
        self.push(pay.show, seats, sale);
        if confirmed.is_none() {
            let undone = SeatOp {
                action: Action::Undo(owner),
                ..sale
            };
            self.push(pay.show, seats, undone);
        }
    }

    fn push(&mut self, show: Name, seats: &[Name], op: SeatOp) {
        for &seat in seats {
            self.seats.entry((show, seat)).or_default().push(op);
        }
    }
}
