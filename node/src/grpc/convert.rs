//! Wire to domain and back.
//!
//! Owns: field-by-field meaning, and the refusal of fields that mean nothing. Must never: lose a distinction that a
//! caller could act on.

use std::time::Duration;

use holdfast_inventory::{
    command::{Command, Envelope, PlaceHold, Wanted},
    ids::{AreaNo, BuyerId, CategoryNo, HoldId, OrderId, RequestId, RequestKey, SeatNo},
    outcome::{Effect, HoldState, HoldView, OrderState, OrderView, Outcome, Rejection},
};
use holdfast_node_api::v1::{self, submit_reply, submit_request};
use holdfast_raft::{AsOf, GroupStatus, ProposeError};
use holdfast_region_config::GroupId;
use prost::Message;
use tokio::time::Instant;

use super::room;
use crate::submission::{Answer, Item, SubmitFailure};

/// Bytes of an idempotency key, at most.
pub(super) const KEY_BYTES_MAX: usize = 255;
/// Longest deadline that is taken from a caller.
const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// When to come back after a refusal for want of room, and while leadership settles.
const RETRY_AFTER_MS: u64 = 50;
const RETRY_AFTER_NO_LEADER_MS: u64 = 200;

fn invalid(field: &'static str, reason: impl Into<String>) -> SubmitFailure {
    SubmitFailure::Invalid {
        field,
        reason: reason.into(),
    }
}

/// How long the caller will wait.
pub(super) fn deadline(deadline_ms: u32, default: Duration) -> Duration {
    match deadline_ms {
        0 => default,
        ms => Duration::from_millis(u64::from(ms)).min(DEADLINE_MAX),
    }
}

/// The buyer behind 16 bytes; all zeros are the system's own and nobody else's.
pub(super) fn caller(bytes: &[u8]) -> Result<BuyerId, SubmitFailure> {
    let bytes: [u8; 16] = bytes
        .try_into()
        .map_err(|_| invalid("caller", format!("must be 16 bytes, got {}", bytes.len())))?;
    let buyer = BuyerId(bytes);
    if buyer == BuyerId::SYSTEM {
        return Err(invalid("caller", "sixteen zeros name nobody"));
    }
    Ok(buyer)
}

/// One request as an item for its show's proposer.
pub(super) fn item(
    request: v1::SubmitRequest,
    now: Instant,
    default: Duration,
) -> Result<Item, SubmitFailure> {
    let bytes = request.encoded_len();
    let caller = caller(&request.caller)?;
    let key_bytes = request.idempotency_key.len();
    if !(1..=KEY_BYTES_MAX).contains(&key_bytes) {
        let reason = format!("must have 1 to {KEY_BYTES_MAX} bytes, got {key_bytes}");
        return Err(invalid("idempotency_key", reason));
    }
    let key = RequestKey::from_text(&request.idempotency_key);
    let command = request
        .command
        .ok_or_else(|| invalid("command", "missing"))?;
    Ok(Item {
        tag: request.tag,
        through_log: request.through_log,
        end_is_spread: false,
        envelope: Envelope {
            request: RequestId { caller, key },
            command: to_command(command)?,
        },
        give_up_at: now + deadline(request.deadline_ms, default),
        bytes,
    })
}

fn to_command(command: submit_request::Command) -> Result<Command, SubmitFailure> {
    use submit_request::Command as Wire;
    Ok(match command {
        Wire::PlaceHold(hold) if !hold.pass.is_empty() => Command::PlaceHoldWithPass {
            pass: room::pass("place_hold.pass", &hold.pass)?,
            hold: place_hold(hold)?,
        },
        Wire::PlaceHold(hold) => Command::PlaceHold(place_hold(hold)?),
        Wire::ExtendHold(c) => Command::ExtendHold {
            hold: HoldId(c.hold_id),
        },
        Wire::ReleaseHold(c) => Command::ReleaseHold {
            hold: HoldId(c.hold_id),
        },
        Wire::OpenOrder(c) => Command::OpenOrder {
            hold: HoldId(c.hold_id),
        },
        Wire::PayOrder(c) => Command::PayOrder {
            order: OrderId(c.order_id),
            payment_token: c.payment_token,
        },
        Wire::CancelOrder(c) => Command::CancelOrder {
            order: OrderId(c.order_id),
        },
        Wire::BlockSeats(c) => Command::BlockSeats {
            seats: seats(c.seats),
            reason: c.reason,
        },
        Wire::UnblockSeats(c) => Command::UnblockSeats {
            seats: seats(c.seats),
        },
        Wire::OpenRoom(c) => room::open(c)?,
        Wire::ChangeRoom(c) => room::change(c)?,
        Wire::ClaimPass(c) => room::claim(&c)?,
        Wire::JoinWaitlist(v1::JoinWaitlist {}) => Command::JoinWaitlist,
    })
}

fn place_hold(hold: v1::PlaceHold) -> Result<PlaceHold, SubmitFailure> {
    use v1::place_hold::What;
    let number = |field, value: u32| {
        u16::try_from(value).map_err(|_| invalid(field, format!("{value} is beyond any layout")))
    };
    let what = match hold
        .what
        .ok_or_else(|| invalid("place_hold.what", "missing"))?
    {
        What::Seats(named) => Wanted::Named(seats(named.seats)),
        What::BestAvailable(best) => Wanted::BestAvailable {
            quantity: best.quantity,
            category: best
                .category
                .map(|c| number("best_available.category", c).map(CategoryNo))
                .transpose()?,
            accessible: best.accessible,
        },
        What::GeneralAdmission(ga) => Wanted::GeneralAdmission {
            area: AreaNo(number("general_admission.area", ga.area)?),
            quantity: ga.quantity,
        },
    };
    Ok(PlaceHold {
        what,
        ttl_ms: hold.ttl_ms,
    })
}

fn seats(numbers: Vec<u32>) -> Vec<SeatNo> {
    numbers.into_iter().map(SeatNo).collect()
}

fn numbers(seats: &[SeatNo]) -> Vec<u32> {
    seats.iter().map(|seat| seat.get()).collect()
}

/// The reply to one command.
pub(super) fn reply(show: u64, tag: u64, index: u64, answer: Answer) -> v1::SubmitReply {
    let replayed = matches!(answer, Answer::Outcome(Outcome::Replayed(_)));
    let result = match answer {
        Answer::Outcome(Outcome::Done(effect) | Outcome::Replayed(effect)) => of_effect(effect),
        // Not a decision about the buyer's wish: the layout is still on its way into the log.
        Answer::Outcome(Outcome::Rejected(Rejection::ShowNotSetUp)) => {
            submit_reply::Result::Failure(failure(&SubmitFailure::NotReady { show }))
        }
        Answer::Outcome(Outcome::Rejected(no)) => submit_reply::Result::Rejection(rejection(&no)),
        Answer::Failed(failed) => submit_reply::Result::Failure(failure(&failed)),
    };
    v1::SubmitReply {
        tag,
        index,
        result: Some(result),
        replayed,
    }
}

fn of_effect(effect: Effect) -> submit_reply::Result {
    match effect {
        Effect::Hold(view) => submit_reply::Result::Hold(hold(&view)),
        Effect::Order(view) => submit_reply::Result::Order(order(&view)),
        Effect::SeatsChanged(seats) => submit_reply::Result::SeatsChanged(v1::SeatsChanged {
            seats: numbers(&seats),
        }),
        Effect::Room { seq } => submit_reply::Result::RoomChanged(v1::RoomChanged { seq }),
        Effect::Pass(view) => submit_reply::Result::Pass(v1::Pass {
            pass: view.pass.0.to_vec().into(),
            expires_at_ms: view.expires_at_ms,
            now_ms: view.now_ms,
        }),
        Effect::Waitlisted { place } => submit_reply::Result::Waitlisted(v1::Waitlisted { place }),
        // Effects of commands that nobody outside can send.
        Effect::ShowSetUp | Effect::Ticked { .. } | Effect::Acknowledged { .. } => {
            submit_reply::Result::SeatsChanged(v1::SeatsChanged::default())
        }
    }
}

fn rejection(no: &Rejection) -> v1::Rejection {
    v1::Rejection {
        code: no.code().to_owned(),
        message: no.to_string(),
        seats: numbers(no.seats()),
        limit: no.limit(),
    }
}

/// A failure as the caller sees it.
pub(super) fn failure(failed: &SubmitFailure) -> v1::Failure {
    use v1::FailureCode as Code;
    let (code, retry_after_ms, leader, field) = match failed {
        SubmitFailure::Invalid { field, .. } => (Code::Invalid, 0, None, *field),
        SubmitFailure::UnknownShow { .. } => (Code::UnknownShow, 0, None, "show_id"),
        SubmitFailure::NotReady { .. } => (Code::NotReady, RETRY_AFTER_NO_LEADER_MS, None, ""),
        SubmitFailure::Elsewhere { node, .. } => (Code::NotLeader, 0, *node, ""),
        SubmitFailure::NotOpened { .. } => (Code::Unavailable, RETRY_AFTER_NO_LEADER_MS, None, ""),
        SubmitFailure::Overloaded => (Code::Overloaded, RETRY_AFTER_MS, None, ""),
        SubmitFailure::Expired | SubmitFailure::Unconfirmed => (Code::Deadline, 0, None, ""),
        SubmitFailure::Stopping => (Code::Stopped, 0, None, ""),
        SubmitFailure::Propose(error) => match error {
            ProposeError::NotLeader { leader, .. } => {
                let wait = if leader.is_some() {
                    0
                } else {
                    RETRY_AFTER_NO_LEADER_MS
                };
                (Code::NotLeader, wait, *leader, "")
            }
            // The next leader may still commit it: not "try there", but "ask again with the key".
            ProposeError::Unknown { leader, .. } => (Code::NotLeader, 0, *leader, ""),
            ProposeError::NoQuorum { .. } => {
                (Code::Unavailable, RETRY_AFTER_NO_LEADER_MS, None, "")
            }
            ProposeError::TooLarge { .. } => (Code::Invalid, 0, None, "command"),
            ProposeError::Stopped { .. } | ProposeError::PutAway { .. } => {
                (Code::Stopped, 0, None, "")
            }
        },
    };
    v1::Failure {
        code: code.into(),
        message: failed.to_string(),
        maybe_happened: failed.maybe_happened(),
        retry_after_ms,
        leader_node_id: leader.map_or(0, |node| node.get()),
        field: field.to_owned(),
    }
}

/// A hold as its buyer sees it.
pub(super) fn hold(view: &HoldView) -> v1::Hold {
    let state = match view.state {
        HoldState::Active => v1::HoldState::HoldActive,
        HoldState::Released => v1::HoldState::HoldReleased,
        HoldState::Expired => v1::HoldState::HoldExpired,
        HoldState::Ordered => v1::HoldState::HoldOrdered,
    };
    v1::Hold {
        hold_id: view.hold.get(),
        state: state.into(),
        seats: numbers(&view.seats),
        area: view.area.map(|area| u32::from(area.get())),
        quantity: view.quantity,
        expires_at_ms: view.expires_at_ms,
        expires_at_max_ms: view.expires_at_max_ms,
        total_minor: view.total_minor,
        currency: view.currency.to_string(),
        order_id: view.order.map(OrderId::get),
        now_ms: view.now_ms,
        contiguous: view.contiguous,
    }
}

/// An order as its buyer sees it.
pub(super) fn order(view: &OrderView) -> v1::Order {
    let state = match view.state {
        OrderState::Open => v1::OrderState::OrderOpen,
        OrderState::Paying => v1::OrderState::OrderPaying,
        OrderState::Paid => v1::OrderState::OrderPaid,
        OrderState::Confirmed => v1::OrderState::OrderConfirmed,
        OrderState::Cancelled => v1::OrderState::OrderCancelled,
        OrderState::Expired => v1::OrderState::OrderExpired,
    };
    v1::Order {
        order_id: view.order.get(),
        hold_id: view.hold.get(),
        state: state.into(),
        seats: numbers(&view.seats),
        area: view.area.map(|area| u32::from(area.get())),
        quantity: view.quantity,
        total_minor: view.total_minor,
        currency: view.currency.to_string(),
        expires_at_ms: view.expires_at_ms,
        payment_problem: view
            .payment_problem
            .map_or("", |problem| problem.as_str())
            .to_owned(),
        ticket_ids: view.tickets.iter().map(|ticket| ticket.get()).collect(),
        now_ms: view.now_ms,
    }
}

/// How current an answer is.
pub(super) fn as_of(as_of: AsOf, linearizable: bool) -> v1::AsOf {
    v1::AsOf {
        index: as_of.index,
        age_ms: as_of.age_ms,
        linearizable,
    }
}

/// The show of a group; 0 when it is not a show's.
pub(super) const fn show_of(group: GroupId) -> u64 {
    if group.is_buyer_index() {
        0
    } else {
        group.get()
    }
}

/// One replica's view of its group.
pub(super) fn group_status(status: &GroupStatus) -> v1::GroupStatus {
    v1::GroupStatus {
        group_id: status.group.get(),
        show_id: show_of(status.group),
        role: status.role.as_str().to_owned(),
        term: status.term,
        leader: status.leader.map_or(0, |node| node.get()),
        last_log_index: status.last_log_index,
        applied_index: status.applied_index,
        snapshot_index: status.snapshot_index,
        purged_index: status.purged_index,
        voters: status.voters.iter().map(|node| node.get()).collect(),
        learners: status.learners.iter().map(|node| node.get()).collect(),
        age_ms: status.age_ms,
        hibernating: false,
    }
}

#[cfg(test)]
mod tests;
