//! Paying: authorise, sell the places, capture.
//!
//! Owns: the payment attempt of an order, its outbox records and its ledger. Must never: let money move
//! before the places are sold, or leave two attempts of one order alive.
//!
//! ```text
//!   None ─ pay ─► Authorising ─ authorised ─► Capturing ─ captured ─► Captured
//!                  │      │  └ authorised, places gone ─┐    │
//!                  │      └ timed out ─────────► Voiding ◄───┘ capture failed
//!                  └ declined ─► Declined            └ voided ─► Voided
//! ```
//!
//! A fact heard again finds the attempt past it and changes nothing. A fact that fits no arrow is refused.

use super::Asked;
use crate::command::{PaymentFact, RecordPayment};
use crate::ids::{AttemptNo, BuyerId, OrderId};
use crate::ledger::Posting;
use crate::limits;
use crate::outbox::{Job, Notice};
use crate::outcome::{Effect, OrderState, PaymentProblem, Rejection};
use crate::state::places::Claim;
use crate::state::{AttemptState, Expiring, InventoryState, Order, Places};

/// Begins an attempt. An order that costs nothing is sold and confirmed at once.
pub(super) fn pay(
    state: &mut InventoryState,
    asked: Asked,
    order: OrderId,
    payment_token: &str,
) -> Result<Effect, Rejection> {
    let (attempt, amount_minor) = judge_pay(state, asked, order, payment_token)?;
    if amount_minor == 0 {
        sell(state, order, asked.now_ms);
        confirm(state, order, asked.now_ms);
        return effect(state, order);
    }
    if let Some(record) = state.orders.get_mut(&order) {
        record.state = OrderState::Paying;
        record.attempt = attempt;
        record.attempt_state = AttemptState::Authorising;
        record.problem = None;
        let grace_ms = asked.now_ms.saturating_add(limits::PAYING_GRACE_MS);
        let until_ms = record.expires_at_ms.max(grace_ms);
        let before_ms = std::mem::replace(&mut record.expires_at_ms, until_ms);
        state
            .derived
            .expiring
            .remove(&(before_ms, Expiring::Order(order)));
        state
            .derived
            .expiring
            .insert((until_ms, Expiring::Order(order)));
    }
    let currency = state.currency();
    let payment_token = payment_token.to_owned();
    let job = Job::Authorise {
        order,
        attempt,
        amount_minor,
        currency,
        payment_token,
    };
    demand(state, order, asked.now_ms, job);
    effect(state, order)
}

/// The number of the attempt that would begin, and its amount.
pub(super) fn judge_pay(
    state: &InventoryState,
    asked: Asked,
    order: OrderId,
    payment_token: &str,
) -> Result<(AttemptNo, u64), Rejection> {
    state.require_layout()?;
    if payment_token.is_empty() || payment_token.len() > limits::PAYMENT_TOKEN_BYTES_MAX {
        return Err(Rejection::TextInvalid {
            bytes_max: limits::PAYMENT_TOKEN_BYTES_MAX as u64,
        });
    }
    let record = state.require_open_order(asked.caller, order, asked.now_ms)?;
    if record.attempt_state.is_unsettled() {
        return Err(Rejection::PaymentUnsettled { order });
    }
    if record.attempt.get() >= limits::PAYMENT_ATTEMPTS_MAX {
        return Err(Rejection::PaymentAttemptsExhausted {
            limit: limits::PAYMENT_ATTEMPTS_MAX,
        });
    }
    state.require_outbox_room()?;
    Ok((record.attempt.next(), record.total_minor))
}

/// Takes a fact in.
pub(super) fn record(
    state: &mut InventoryState,
    now_ms: u64,
    said: RecordPayment,
) -> Result<Effect, Rejection> {
    use AttemptState as A;
    use PaymentFact as F;
    let RecordPayment {
        order,
        attempt,
        fact,
    } = said;
    state.require_layout()?;
    state.expire_order_if_due(order, now_ms);
    let record = state
        .orders
        .get(&order)
        .ok_or(Rejection::OrderUnknown { order })?;
    let stale = Rejection::PaymentAttemptStale { order };
    if record.attempt != attempt {
        return Err(stale);
    }
    match (record.attempt_state, fact) {
        (A::Authorising, F::Authorised) => authorised(state, order, now_ms),
        (A::Authorising, F::Declined) => {
            settle(state, order, A::Declined, Some(PaymentProblem::Declined));
        }
        (A::Authorising, F::TimedOut) => {
            settle(
                state,
                order,
                A::Voiding,
                Some(PaymentProblem::ProviderTimeout),
            );
            demand(state, order, now_ms, Job::Void { order, attempt });
        }
        (A::Capturing, F::Captured) => {
            settle(state, order, A::Captured, None);
            post(state, order, now_ms, Posting::Capture);
            confirm(state, order, now_ms);
        }
        (A::Capturing, F::CaptureFailed) => capture_failed(state, order, now_ms),
        (A::Voiding, F::Voided) => {
            let problem = record.problem;
            settle(state, order, A::Voided, problem);
        }
        // Heard before: nothing changes.
        (A::Capturing | A::Captured, F::Authorised)
        | (A::Declined, F::Declined)
        | (A::Captured, F::Captured)
        | (A::Voiding | A::Voided, F::TimedOut | F::CaptureFailed)
        | (A::Voided, F::Voided) => {}
        (A::None, _)
        | (A::Authorising, F::Captured | F::CaptureFailed | F::Voided)
        | (A::Capturing, F::Declined | F::TimedOut | F::Voided)
        | (A::Voiding, F::Authorised | F::Declined | F::Captured)
        | (A::Declined, F::Authorised | F::TimedOut | F::Captured | F::CaptureFailed | F::Voided)
        | (A::Voided, F::Authorised | F::Declined | F::Captured)
        | (A::Captured, F::Declined | F::TimedOut | F::CaptureFailed | F::Voided) => {
            return Err(stale);
        }
    }
    effect(state, order)
}

/// Money is set aside: sell the places. When the order has lapsed meanwhile, try to take the same places
/// again in this very command; when they are gone, let the money go.
fn authorised(state: &mut InventoryState, order: OrderId, now_ms: u64) {
    let Some(record) = state.orders.get(&order).cloned() else {
        return;
    };
    let attempt = record.attempt;
    let lapsed = record.state == OrderState::Expired;
    if lapsed && !retake(state, &record, now_ms) {
        settle(
            state,
            order,
            AttemptState::Voiding,
            Some(PaymentProblem::SeatsGone),
        );
        demand(state, order, now_ms, Job::Void { order, attempt });
        let notice = Notice::PaymentReturned;
        state.outbox.push(
            now_ms,
            Job::Notify {
                buyer: record.buyer,
                order,
                notice,
            },
        );
        return;
    }
    sell(state, order, now_ms);
    settle(state, order, AttemptState::Capturing, None);
    let (amount_minor, currency) = (record.total_minor, state.currency());
    demand(
        state,
        order,
        now_ms,
        Job::Capture {
            order,
            attempt,
            amount_minor,
            currency,
        },
    );
}

/// Takes a lapsed order's places again for its hold, if all are free and the buyer may have them.
fn retake(state: &mut InventoryState, record: &Order, now_ms: u64) -> bool {
    let places_free = match &record.places {
        Places::Seats(seats) => seats.iter().all(|seat| state.is_free(*seat, now_ms)),
        Places::Area { area, quantity } => state.area_free(*area, now_ms) >= *quantity,
    };
    let quantity = record.places.quantity();
    if !places_free || !state.buyer_has_room(record.buyer, quantity, now_ms) {
        return false;
    }
    match &record.places {
        Places::Seats(seats) => state.expire_due_owners(seats, now_ms),
        Places::Area { .. } => state.expire_due_in_areas(now_ms),
    }
    state.move_places(
        record.buyer,
        &record.places,
        Claim::Free,
        Claim::Held(record.hold),
    );
    true
}

/// Held places become sold: the point of truth.
fn sell(state: &mut InventoryState, order: OrderId, now_ms: u64) {
    let Some(record) = state.orders.get_mut(&order) else {
        return;
    };
    record.state = OrderState::Paid;
    let (buyer, hold, at_ms) = (record.buyer, record.hold, record.expires_at_ms);
    let places = record.places.clone();
    state
        .derived
        .expiring
        .remove(&(at_ms, Expiring::Order(order)));
    state.move_places(buyer, &places, Claim::Held(hold), Claim::Sold(order));
    state.use_pass_up(hold);
    post(state, order, now_ms, Posting::Sale);
}

/// Issues the tickets and tells the world.
fn confirm(state: &mut InventoryState, order: OrderId, now_ms: u64) {
    let ticket_first = state.ticket_next;
    let Some(record) = state.orders.get_mut(&order) else {
        return;
    };
    record.state = OrderState::Confirmed;
    record.ticket_first = Some(ticket_first);
    let (buyer, quantity) = (record.buyer, record.places.quantity());
    for _ in 0..quantity {
        state.ticket_next = state.ticket_next.next();
    }
    announce(state, buyer, order, Notice::OrderConfirmed, now_ms);
}

/// The sale is undone: places free, ledger reversed, money let go.
fn capture_failed(state: &mut InventoryState, order: OrderId, now_ms: u64) {
    settle(
        state,
        order,
        AttemptState::Voiding,
        Some(PaymentProblem::CaptureFailed),
    );
    post(state, order, now_ms, Posting::SaleReversed);
    let Some(record) = state.orders.get_mut(&order) else {
        return;
    };
    record.state = OrderState::Cancelled;
    let (buyer, attempt, places) = (record.buyer, record.attempt, record.places.clone());
    state.move_places(buyer, &places, Claim::Sold(order), Claim::Free);
    state.ended.push_back((now_ms, Expiring::Order(order)));
    demand(state, order, now_ms, Job::Void { order, attempt });
    announce(state, buyer, order, Notice::OrderCancelled, now_ms);
}

/// Moves the attempt on: takes off the record that asked for this fact, and opens a paying order again
/// when the attempt came to nothing.
fn settle(
    state: &mut InventoryState,
    order: OrderId,
    attempt_state: AttemptState,
    problem: Option<PaymentProblem>,
) {
    if let Some(record) = state.orders.get_mut(&order) {
        if let Some(seq) = record.job.take() {
            state.outbox.remove(seq);
        }
        record.attempt_state = attempt_state;
        record.problem = problem;
        if record.state == OrderState::Paying {
            record.state = OrderState::Open;
        }
    }
}

/// Writes the record that will move the attempt on.
fn demand(state: &mut InventoryState, order: OrderId, now_ms: u64, job: Job) {
    let seq = state.outbox.push(now_ms, job);
    if let Some(record) = state.orders.get_mut(&order) {
        record.job = Some(seq);
    }
}

fn post(state: &mut InventoryState, order: OrderId, now_ms: u64, posting: Posting) {
    if let Some(record) = state.orders.get_mut(&order) {
        record.ledger.post(now_ms, posting, record.total_minor);
    }
}

fn announce(
    state: &mut InventoryState,
    buyer: BuyerId,
    order: OrderId,
    notice: Notice,
    now_ms: u64,
) {
    state.outbox.push(
        now_ms,
        Job::Notify {
            buyer,
            order,
            notice,
        },
    );
    state.outbox.push(now_ms, Job::Publish { order, notice });
}

fn effect(state: &InventoryState, order: OrderId) -> Result<Effect, Rejection> {
    state
        .order_view(order)
        .map(Effect::Order)
        .ok_or(Rejection::OrderUnknown { order })
}
