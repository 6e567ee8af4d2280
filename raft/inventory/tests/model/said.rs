//! What was said, in a form that the model and the shard can both give.

use holdfast_inventory::outcome::{HoldState, HoldView, OrderState, OrderView};
use holdfast_inventory::{Effect, Outcome};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Hold(SaidHold),
    Order(SaidOrder),
    Seats(Vec<u32>),
    Fine,
    No(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidHold {
    pub(crate) id: u64,
    pub(crate) state: HoldState,
    pub(crate) seats: Vec<u32>,
    pub(crate) area: Option<usize>,
    pub(crate) quantity: u32,
    pub(crate) expires_at_ms: u64,
    pub(crate) cap_at_ms: u64,
    pub(crate) total_minor: u64,
    pub(crate) order: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidOrder {
    pub(crate) id: u64,
    pub(crate) state: OrderState,
    pub(crate) seats: Vec<u32>,
    pub(crate) quantity: u32,
    pub(crate) expires_at_ms: u64,
    pub(crate) total_minor: u64,
    pub(crate) problem: Option<&'static str>,
    pub(crate) tickets: Vec<u64>,
}

pub(crate) fn outcome(outcome: &Outcome) -> (Said, bool) {
    match outcome {
        Outcome::Done(done) => (effect(done), false),
        Outcome::Replayed(done) => (effect(done), true),
        Outcome::Rejected(rejection) => (Said::No(rejection.code()), false),
    }
}

fn effect(effect: &Effect) -> Said {
    match effect {
        Effect::Hold(view) => Said::Hold(hold(view)),
        Effect::Order(view) => Said::Order(order(view)),
        Effect::SeatsChanged(seats) => Said::Seats(seats.iter().map(|s| s.0).collect()),
        Effect::ShowSetUp
        | Effect::Ticked { .. }
        | Effect::Acknowledged { .. }
        | Effect::Room { .. }
        | Effect::Pass(_)
        | Effect::Waitlisted { .. } => Said::Fine,
    }
}

pub(crate) fn hold(view: &HoldView) -> SaidHold {
    SaidHold {
        id: view.hold.0,
        state: view.state,
        seats: view.seats.iter().map(|s| s.0).collect(),
        area: view.area.map(|a| a.index()),
        quantity: view.quantity,
        expires_at_ms: view.expires_at_ms,
        cap_at_ms: view.expires_at_max_ms,
        total_minor: view.total_minor,
        order: view.order.map(|o| o.0),
    }
}

pub(crate) fn order(view: &OrderView) -> SaidOrder {
    SaidOrder {
        id: view.order.0,
        state: view.state,
        seats: view.seats.iter().map(|s| s.0).collect(),
        quantity: view.quantity,
        expires_at_ms: view.expires_at_ms,
        total_minor: view.total_minor,
        problem: view.payment_problem.map(|p| p.as_str()),
        tickets: view.tickets.iter().map(|t| t.0).collect(),
    }
}
