//! The body of a snapshot and the way back to a state: version 1, and version 2, which has a waiting room after it.
//!
//! Owns: which fields are written, in which order. Must never: let a state in that is not sound.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CodecError, SNAPSHOT_MAGIC, SNAPSHOT_VERSION, decode_body, open, seal};
use crate::apply::check_set_up;
use crate::idempotency::{Idempotency, Remembered};
use crate::ids::{HoldId, OrderId, RequestId, TicketId};
use crate::invariants;
use crate::layout::Layout;
use crate::limits;
use crate::outbox::Outbox;
use crate::show::ShowSetUp;
use crate::state::room::Room;
use crate::state::{
    AreaUse, Bounds, Derived, Expiring, Hold, InventoryState, Order, Places, SeatState,
};

/// Borrowed when written, owned when read: one definition for both ways.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    bounds: Cow<'a, Bounds>,
    clock_ms: u64,
    entries_applied: u64,
    set_up: Option<Cow<'a, ShowSetUp>>,
    seats: Cow<'a, [SeatState]>,
    areas: Cow<'a, [AreaUse]>,
    holds: Cow<'a, BTreeMap<HoldId, Hold>>,
    hold_next: HoldId,
    orders: Cow<'a, BTreeMap<OrderId, Order>>,
    order_next: OrderId,
    ticket_next: TicketId,
    ended: Cow<'a, VecDeque<(u64, Expiring)>>,
    /// Oldest first.
    requests: Vec<(u64, RequestId, Remembered)>,
    outbox: Cow<'a, Outbox>,
}

/// Version 2: as version 1, and the room.
#[derive(Serialize, Deserialize)]
struct BodyWithRoom<'a> {
    body: Body<'a>,
    room: Cow<'a, Room>,
}

/// The bytes of the whole replicated state; equal states give equal bytes.
#[must_use]
pub fn encode_snapshot(state: &InventoryState) -> Vec<u8> {
    let body = Body {
        bounds: Cow::Borrowed(&state.bounds),
        clock_ms: state.clock_ms,
        entries_applied: state.entries_applied,
        set_up: state
            .layout
            .as_ref()
            .map(|layout| Cow::Borrowed(layout.set_up())),
        seats: Cow::Borrowed(&state.seats),
        areas: Cow::Borrowed(&state.areas),
        holds: Cow::Borrowed(&state.holds),
        hold_next: state.hold_next,
        orders: Cow::Borrowed(&state.orders),
        order_next: state.order_next,
        ticket_next: state.ticket_next,
        ended: Cow::Borrowed(&state.ended),
        requests: state.idempotency.oldest_first().collect(),
        outbox: Cow::Borrowed(&state.outbox),
    };
    // Writing plain data to memory cannot fail; were it to, an empty snapshot is refused by its reader.
    match &state.room {
        None => seal(SNAPSHOT_MAGIC, 1, &body),
        Some(room) => {
            let room = Cow::Borrowed(room.as_ref());
            seal(SNAPSHOT_MAGIC, 2, &BodyWithRoom { body, room })
        }
    }
    .unwrap_or_default()
}

/// The state that these bytes are, with every index rebuilt and every invariant checked.
///
/// # Errors
/// Every [`CodecError`].
pub fn decode_snapshot(bytes: &[u8]) -> Result<InventoryState, CodecError> {
    let (version, body) = open(
        bytes,
        SNAPSHOT_MAGIC,
        SNAPSHOT_VERSION,
        limits::SNAPSHOT_BYTES_MAX,
    )?;
    let (body, room): (Body<'static>, Option<Box<Room>>) = if version == 1 {
        (decode_body(body)?, None)
    } else {
        let both: BodyWithRoom<'static> = decode_body(body)?;
        (both.body, Some(Box::new(both.room.into_owned())))
    };
    let bad = |reason: &str| CodecError::BadBody {
        reason: reason.to_owned(),
    };
    let layout = match body.set_up {
        Some(set_up) => {
            check_set_up(&set_up).map_err(|reason| CodecError::BadBody { reason })?;
            Some(Arc::new(Layout::new(set_up.into_owned())))
        }
        None => None,
    };
    let seats = layout.as_ref().map_or(0, |l| l.seat_count());
    let areas = layout.as_ref().map_or(0, |l| l.set_up().areas.len());
    if body.seats.len() != seats || body.areas.len() != areas {
        return Err(bad("seats or areas are not those of the layout"));
    }
    let mut places = body
        .holds
        .values()
        .map(|h| &h.places)
        .chain(body.orders.values().map(|o| &o.places));
    if !places.all(is_plausible) {
        return Err(bad(
            "a hold or order has more places than one can have, or unordered ones",
        ));
    }
    let mut idempotency = Idempotency::default();
    for (at_ms, request, remembered) in body.requests {
        idempotency.record(at_ms, request, remembered);
    }
    let mut state = InventoryState {
        bounds: body.bounds.into_owned(),
        clock_ms: body.clock_ms,
        entries_applied: body.entries_applied,
        layout,
        seats: body.seats.into_owned(),
        areas: body.areas.into_owned(),
        holds: body.holds.into_owned(),
        hold_next: body.hold_next,
        orders: body.orders.into_owned(),
        order_next: body.order_next,
        ticket_next: body.ticket_next,
        ended: body.ended.into_owned(),
        idempotency,
        outbox: body.outbox.into_owned(),
        room,
        derived: Derived::default(),
    };
    state.derived = Derived::of(&state);
    match invariants::check(&state).into_iter().next() {
        None => Ok(state),
        Some(violation) => Err(CodecError::Unsound { violation }),
    }
}

fn is_plausible(places: &Places) -> bool {
    let quantity = places.quantity();
    let ascending = places.seats().is_sorted_by(|a, b| a < b);
    (1..=limits::SEATS_PER_ORDER_MAX).contains(&quantity) && ascending
}
