//! How things look in JSON.
//!
//! Owns: member names and words for states. Must never: decide anything.

use holdfast_node_api::refs::{EventRef, HoldRef, OrderRef, ShowRef, TicketRef};
use holdfast_node_api::v1::{AsOf, Event, Hold, HoldState, Order, OrderState, Rejection, Show};
use serde_json::{Value, json};

use crate::catalogue::Snapshot;
use crate::layouts::ShowLayout;
use crate::problem::Problem;

pub(super) fn as_of(as_of: Option<AsOf>) -> Value {
    let as_of = as_of.unwrap_or_default();
    json!({
        "index": as_of.index,
        "age_ms": as_of.age_ms,
        "linearizable": as_of.linearizable,
    })
}

pub(super) fn catalogue_as_of(catalogue: &Snapshot) -> Value {
    json!({ "index": catalogue.index, "age_ms": catalogue.age_ms() })
}

pub(super) fn event(event: &Event, shows: &[&Show]) -> Value {
    json!({
        "id": EventRef(event.event_id).to_string(),
        "slug": event.slug,
        "name": event.name,
        "category": event.category,
        "description": event.description,
        "shows": shows.iter().map(|s| show(s)).collect::<Vec<_>>(),
    })
}

pub(super) fn show(show: &Show) -> Value {
    json!({
        "id": ShowRef(show.show_id).to_string(),
        "slug": show.slug,
        "event": EventRef(show.event_id).to_string(),
        "venue": show.venue,
        "city": show.city,
        "country": show.country,
        "starts_at_ms": show.starts_at_ms,
        "time_zone": show.time_zone,
        "local_date": show.local_date,
        "local_time": show.local_time,
        "home_region": show.home_region,
        "currency": show.currency,
        "places": show.places,
        "price_minor_min": show.price_minor_min,
        "price_minor_max": show.price_minor_max,
    })
}

fn hold_state(state: HoldState) -> &'static str {
    match state {
        HoldState::HoldActive => "active",
        HoldState::HoldReleased => "released",
        HoldState::HoldExpired => "expired",
        HoldState::HoldOrdered => "ordered",
        HoldState::Unspecified => "unknown",
    }
}

fn order_state(state: OrderState) -> &'static str {
    match state {
        OrderState::OrderOpen => "open",
        OrderState::OrderPaying => "paying",
        OrderState::OrderPaid => "paid",
        OrderState::OrderConfirmed => "confirmed",
        OrderState::OrderCancelled => "cancelled",
        OrderState::OrderExpired => "expired",
        OrderState::Unspecified => "unknown",
    }
}

fn general_admission(layout: &ShowLayout, area: Option<u32>, quantity: u32) -> Value {
    match area {
        Some(area) => json!({ "area": layout.area_id(area), "quantity": quantity }),
        None => Value::Null,
    }
}

/// The seats of a hold or order with what a person calls them.
fn places(layout: &ShowLayout, numbers: &[u32]) -> Vec<Value> {
    let seats = numbers.iter().filter_map(|number| layout.seat(*number));
    seats
        .map(|seat| {
            let category = layout.category(seat.category);
            json!({
                "id": seat.id,
                "zone": seat.zone,
                "row": seat.row,
                "number": seat.number,
                "category": category.map(|category| category.name.as_str()),
                "price_minor": category.map(|category| category.price_minor),
            })
        })
        .collect()
}

/// A hold of show `show_id`, true at log index `index`.
pub(super) fn hold(show_id: u64, hold: &Hold, layout: &ShowLayout, index: u64) -> Value {
    let order = hold
        .order_id
        .map(|order_id| OrderRef { show_id, order_id }.to_string());
    json!({
        "id": HoldRef { show_id, hold_id: hold.hold_id }.to_string(),
        "show": ShowRef(show_id).to_string(),
        "state": hold_state(hold.state()),
        "seats": layout.seat_ids(&hold.seats),
        "places": places(layout, &hold.seats),
        "general_admission": general_admission(layout, hold.area, hold.quantity),
        "quantity": hold.quantity,
        "contiguous": hold.contiguous,
        "expires_at_ms": hold.expires_at_ms,
        "expires_at_max_ms": hold.expires_at_max_ms,
        "now_ms": hold.now_ms,
        "total_minor": hold.total_minor,
        "currency": hold.currency,
        "order": order,
        "index": index,
    })
}

/// An order of show `show_id`, true at log index `index`.
pub(super) fn order(show_id: u64, order: &Order, layout: &ShowLayout, index: u64) -> Value {
    let tickets = order.ticket_ids.iter().map(|id| {
        TicketRef {
            show_id,
            ticket_id: *id,
        }
        .to_string()
    });
    json!({
        "id": OrderRef { show_id, order_id: order.order_id }.to_string(),
        "hold": HoldRef { show_id, hold_id: order.hold_id }.to_string(),
        "show": ShowRef(show_id).to_string(),
        "state": order_state(order.state()),
        "seats": layout.seat_ids(&order.seats),
        "places": places(layout, &order.seats),
        "general_admission": general_admission(layout, order.area, order.quantity),
        "quantity": order.quantity,
        "total_minor": order.total_minor,
        "currency": order.currency,
        "expires_at_ms": order.expires_at_ms,
        "now_ms": order.now_ms,
        "payment_problem": (!order.payment_problem.is_empty()).then_some(&order.payment_problem),
        "tickets": tickets.collect::<Vec<_>>(),
        "index": index,
    })
}

/// A shard's "no", with seats by their plan identifiers.
pub(super) fn rejection(rejection: &Rejection, layout: &ShowLayout) -> Problem {
    let seats = layout.seat_ids(&rejection.seats);
    let mut detail = rejection.message.clone();
    if !seats.is_empty() {
        detail = format!("{detail}: {}", seats.join(", "));
    }
    let mut problem = Problem::new(&rejection.code, detail);
    if !seats.is_empty() {
        problem = problem.with("seats", seats);
    }
    match rejection.limit {
        Some(limit) => problem.with("limit", limit),
        None => problem,
    }
}
