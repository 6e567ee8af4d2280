//! What can be read of a shard, by anyone, at any time.
//!
//! Owns: the read side of [`InventoryState`]. Must never: change the state, or take time from anywhere but
//! the shard's clock or the caller.

use std::sync::Arc;

use crate::apply::{self, Asked, Fingerprints};
use crate::codec;
use crate::command::{Command, Envelope};
use crate::idempotency::{Recall, RememberedEffect};
use crate::ids::{AreaNo, Currency, HoldId, OrderId, OutboxSeq, RequestId, SeatNo, TicketId};
use crate::layout::Layout;
use crate::ledger::Ledger;
use crate::outbox::OutboxRecord;
use crate::outcome::{Effect, HoldState, HoldView, OrderState, OrderView, Rejection};
use crate::state::expiry::is_unpaid;
use crate::state::{
    AttemptState, Hold, HoldStanding, InventoryState, Order, SeatCounts, SeatState,
};

/// The byte for a free seat in [`InventoryState::seat_codes`].
pub const SEAT_AVAILABLE: u8 = 0;
/// The byte for a seat that someone holds.
pub const SEAT_HELD: u8 = 1;
/// The byte for a sold seat.
pub const SEAT_SOLD: u8 = 2;
/// The byte for a seat off sale.
pub const SEAT_BLOCKED: u8 = 3;

/// Whose a seat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatOwner {
    /// Free.
    Nobody,
    /// Set aside for this hold, or for the unpaid order opened from it.
    Hold(HoldId),
    /// Sold to this order.
    Order(OrderId),
    /// Off sale.
    Blocked,
}

/// Places of one area; they add up to its capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AreaState {
    /// Free to hold.
    pub available: u32,
    /// Set aside by holds and unpaid orders.
    pub held: u32,
    /// Sold.
    pub sold: u32,
    /// Off sale.
    pub blocked: u32,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbered seats by state.
    pub seats: SeatCounts,
    /// Places in areas by state.
    pub places: SeatCounts,
    /// Holds whose places are set aside.
    pub holds_active: u64,
    /// Orders on record, whatever their state.
    pub orders: u64,
    /// Requests remembered.
    pub requests_remembered: u64,
}

impl InventoryState {
    /// The shard's clock, ms since the Unix epoch; 0 before the first entry.
    #[must_use]
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Entries applied since the show began.
    #[must_use]
    pub fn entries_applied(&self) -> u64 {
        self.entries_applied
    }

    /// Whether the show can be sold.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.layout.is_some()
    }

    /// The immutable part of the show; `None` until it is set up.
    #[must_use]
    pub fn layout(&self) -> Option<&Arc<Layout>> {
        self.layout.as_ref()
    }

    /// Currency of every price; `XXX` until the show is set up.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.layout
            .as_ref()
            .map_or(Currency::NONE, |layout| layout.set_up().currency)
    }

    /// One byte a seat in seat-number order: [`SEAT_AVAILABLE`], [`SEAT_HELD`], [`SEAT_SOLD`] or
    /// [`SEAT_BLOCKED`], at the shard's clock.
    pub fn seat_codes(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        let any_due = self.has_due(self.clock_ms);
        self.seats.iter().map(move |seat| match seat {
            SeatState::Available => SEAT_AVAILABLE,
            SeatState::Held(hold) if any_due && self.due_owner(*hold, self.clock_ms).is_some() => {
                SEAT_AVAILABLE
            }
            SeatState::Held(_) => SEAT_HELD,
            SeatState::Sold(_) => SEAT_SOLD,
            SeatState::Blocked => SEAT_BLOCKED,
        })
    }

    /// The byte of one seat, as in [`InventoryState::seat_codes`]; `None` for an unknown seat.
    #[must_use]
    pub fn seat_code(&self, seat: SeatNo) -> Option<u8> {
        self.seat_codes().nth(seat.index())
    }

    /// Whose a seat is, by the record and not by the clock: a hold that is due owns it until it is swept. `None` for an
    /// unknown seat.
    #[must_use]
    pub fn seat_owner(&self, seat: SeatNo) -> Option<SeatOwner> {
        self.seats.get(seat.index()).map(|state| match state {
            SeatState::Available => SeatOwner::Nobody,
            SeatState::Held(hold) => SeatOwner::Hold(*hold),
            SeatState::Sold(order) => SeatOwner::Order(*order),
            SeatState::Blocked => SeatOwner::Blocked,
        })
    }

    /// Every area in area-number order, at the shard's clock.
    pub fn area_states(&self) -> impl Iterator<Item = AreaState> + '_ {
        let areas = self
            .layout
            .iter()
            .flat_map(|layout| layout.set_up().areas.iter());
        areas
            .zip(&self.areas)
            .enumerate()
            .map(|(no, (area, used))| {
                let available =
                    u16::try_from(no).map_or(0, |no| self.area_free(AreaNo(no), self.clock_ms));
                let held = area
                    .capacity
                    .saturating_sub(available)
                    .saturating_sub(used.sold);
                AreaState {
                    available,
                    held,
                    sold: used.sold,
                    blocked: 0,
                }
            })
    }

    /// A hold on record, active or ended; `None` when there is none or it is forgotten.
    #[must_use]
    pub fn hold_view(&self, hold: HoldId) -> Option<HoldView> {
        self.holds
            .get(&hold)
            .map(|record| self.view_hold(hold, record))
    }

    /// An order on record; `None` when there is none or it is forgotten.
    #[must_use]
    pub fn order_view(&self, order: OrderId) -> Option<OrderView> {
        self.orders
            .get(&order)
            .map(|record| self.view_order(order, record))
    }

    /// What was posted for an order.
    #[must_use]
    pub fn ledger(&self, order: OrderId) -> Option<&Ledger> {
        self.orders.get(&order).map(|record| &record.ledger)
    }

    /// How much there is of everything. What is due and not yet swept counts as held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut places = SeatCounts::default();
        for area in self.area_states() {
            places.available += u64::from(area.available);
            places.held += u64::from(area.held);
            places.sold += u64::from(area.sold);
        }
        Counts {
            seats: self.derived.counts,
            places,
            holds_active: self.derived.holds_active,
            orders: self.orders.len() as u64,
            requests_remembered: self.idempotency.len() as u64,
        }
    }

    /// When the next hold or order lapses, ms since the Unix epoch: a tick is due then.
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.derived.expiring.first().map(|(at_ms, _)| *at_ms)
    }

    /// When a leader-only worker next has something to do, ms since the Unix epoch; `None` = not before somebody sends a
    /// command. A show without its layout, with a record in its outbox, or with a waiting room, is due now: 0.
    #[must_use]
    pub fn next_duty_ms(&self) -> Option<u64> {
        if !self.is_set_up() || !self.outbox.records.is_empty() || self.open_room().is_some() {
            return Some(0);
        }
        self.next_expiry_ms()
    }

    /// Whether nothing happens to this show until somebody sends a command: it is set up, nothing is held or being paid,
    /// nothing waits in the outbox. Only then may a leader's replica leave memory.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.next_duty_ms().is_none()
    }

    /// Outbox records waiting, from number `from` on, in order, at most `max`.
    pub fn outbox_pending(
        &self,
        from: OutboxSeq,
        max: usize,
    ) -> impl Iterator<Item = &OutboxRecord> {
        self.outbox
            .records
            .range(from..)
            .map(|(_, record)| record)
            .take(max)
    }

    /// Outbox records waiting.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.outbox.records.len()
    }

    /// Requests whose effect was recorded after `last`, newest first, and whether each placed or lengthened a hold; everything
    /// remembered when `last` is none or forgotten.
    pub fn requests_newer_than(
        &self,
        last: Option<RequestId>,
    ) -> impl Iterator<Item = (RequestId, bool)> + '_ {
        self.idempotency.newer_than(last)
    }

    /// xxh3-64 of the encoded snapshot: equal on every replica at the same log position. Costs a walk
    /// over the whole state.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&codec::encode_snapshot(self))
    }

    /// Whether this command would be refused at `now_ms` by the state as it is: a leader can say so without
    /// a log entry. `None` means that only applying can tell, also for every repeat of a request that had
    /// an effect, for best available (finding seats is not cheap), for the system's own commands, and while
    /// the next entry will forget something first.
    #[must_use]
    pub fn would_reject(&self, envelope: &Envelope, now_ms: u64) -> Option<Rejection> {
        let Envelope { request, command } = envelope;
        let asked = Asked {
            caller: request.caller,
            now_ms: now_ms.max(self.clock_ms),
        };
        if let Command::ClaimPass(_) | Command::JoinWaitlist = command {
            // Whoever is due to leave makes room first.
            let settled = !self.has_due(asked.now_ms);
            return apply::judge(self, asked, command).err().filter(|_| settled);
        }
        if !command.is_remembered() || self.has_old(now_ms) {
            return None;
        }
        if let Command::PlaceHold(wanted) | Command::PlaceHoldWithPass { hold: wanted, .. } =
            command
            && matches!(wanted.what, crate::command::Wanted::BestAvailable { .. })
        {
            return None;
        }
        let fingerprint = Fingerprints::default().of(command);
        match self.idempotency.recall(request, fingerprint) {
            Recall::Repeat(_) => None,
            Recall::Reused => Some(Rejection::RequestReused),
            Recall::New => {
                let judged = apply::judge(self, asked, command);
                judged.and_then(|()| self.require_request_room()).err()
            }
        }
    }

    /// The hold's view, from its record.
    pub(crate) fn view_hold(&self, hold: HoldId, record: &Hold) -> HoldView {
        let (state, order) = match record.standing {
            HoldStanding::Active if record.expires_at_ms <= self.clock_ms => {
                (HoldState::Expired, None)
            }
            HoldStanding::Active => (HoldState::Active, None),
            HoldStanding::Released => (HoldState::Released, None),
            HoldStanding::Expired => (HoldState::Expired, None),
            HoldStanding::Ordered(order) => (HoldState::Ordered, Some(order)),
        };
        HoldView {
            hold,
            buyer: record.buyer,
            state,
            seats: record.places.seats().to_vec(),
            area: record.places.area(),
            quantity: record.places.quantity(),
            expires_at_ms: record.expires_at_ms,
            expires_at_max_ms: record.expires_at_max_ms,
            total_minor: record.total_minor,
            currency: self.currency(),
            order,
            now_ms: self.clock_ms,
            contiguous: record.contiguous,
        }
    }

    /// The order's view, from its record.
    pub(crate) fn view_order(&self, order: OrderId, record: &Order) -> OrderView {
        let lapsed = record.expires_at_ms <= self.clock_ms;
        let state = if record.attempt_state == AttemptState::Authorising {
            // Also when its time is up: the answer may still come and take the places again, so nobody may be told that
            // nothing was charged.
            OrderState::Paying
        } else if lapsed && is_unpaid(record.state) {
            OrderState::Expired
        } else {
            record.state
        };
        OrderView {
            order,
            hold: record.hold,
            buyer: record.buyer,
            state,
            seats: record.places.seats().to_vec(),
            area: record.places.area(),
            quantity: record.places.quantity(),
            total_minor: record.total_minor,
            currency: self.currency(),
            expires_at_ms: record.expires_at_ms,
            payment_problem: record.problem,
            tickets: tickets(record),
            now_ms: self.clock_ms,
        }
    }

    /// What was said to a remembered request. `None` when its hold or order is forgotten, which its age
    /// rules out for as long as repeats are promised.
    pub(crate) fn recalled(&self, effect: RememberedEffect, command: &Command) -> Option<Effect> {
        match effect {
            RememberedEffect::Hold {
                hold,
                state,
                order,
                expires_at_ms,
            } => {
                let view = self.hold_view(hold)?;
                Some(Effect::Hold(HoldView {
                    state,
                    order,
                    expires_at_ms,
                    ..view
                }))
            }
            RememberedEffect::Order {
                order,
                state,
                problem,
                expires_at_ms,
            } => {
                let view = self.order_view(order)?;
                let confirmed = state == OrderState::Confirmed;
                let tickets = if confirmed { view.tickets } else { Vec::new() };
                let payment_problem = problem;
                Some(Effect::Order(OrderView {
                    state,
                    payment_problem,
                    expires_at_ms,
                    tickets,
                    ..view
                }))
            }
            RememberedEffect::Seats => {
                let (Command::BlockSeats { seats, .. } | Command::UnblockSeats { seats }) = command
                else {
                    return None;
                };
                let mut seats = seats.clone();
                seats.sort_unstable();
                Some(Effect::SeatsChanged(seats))
            }
        }
    }
}

fn tickets(record: &Order) -> Vec<TicketId> {
    let count = record.places.quantity() as usize;
    std::iter::successors(record.ticket_first, |ticket| Some(ticket.next()))
        .take(count)
        .collect()
}
