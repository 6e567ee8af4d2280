//! Each check is itself tested on a state known to be bad.

use crate::apply::apply;
use crate::command::{Command, Entry, Envelope, PlaceHold, Wanted};
use crate::ids::{
    AreaNo, AttemptNo, BuyerId, CategoryNo, Currency, HoldId, OrderId, OutboxSeq, RequestId,
    RequestKey, SeatNo, ShowId, TicketId,
};
use crate::ledger::Posting;
use crate::outbox::Job;
use crate::outcome::OrderState;
use crate::show::{Area, Category, SaleRules, Seat, ShowSetUp};
use crate::state::{AttemptState, HoldStanding, Places, SeatState};

use super::*;

pub(crate) fn set_up() -> ShowSetUp {
    let seat = |n: i32| Seat {
        id: n.to_string(),
        zone: String::new(),
        row: String::new(),
        number: n.to_string(),
        category: CategoryNo(0),
        x: n * 100,
        y: 0,
        accessible: false,
        companion_of: None,
    };
    let area = Area {
        id: "floor".to_owned(),
        name: String::new(),
        category: CategoryNo(0),
        capacity: 5,
        x: 0,
        y: 0,
    };
    ShowSetUp {
        show: ShowId(1),
        currency: Currency::parse("EUR").unwrap(),
        categories: vec![Category {
            name: "c".to_owned(),
            color: String::new(),
            price_minor: 9,
        }],
        seats: (0..8).map(seat).collect(),
        areas: vec![area],
        width: 0,
        height: 0,
        rules: SaleRules::default(),
    }
}

/// Hold 1 is active, hold 2 became order 1 that is being paid, hold 3 is in the area.
fn sound() -> InventoryState {
    let mut state = InventoryState::new();
    let hold = |what| Command::PlaceHold(PlaceHold { what, ttl_ms: 0 });
    let commands = vec![
        Command::SetUpShow(Box::new(set_up())),
        hold(Wanted::Named(vec![SeatNo(0), SeatNo(1)])),
        hold(Wanted::Named(vec![SeatNo(2), SeatNo(3)])),
        hold(Wanted::GeneralAdmission {
            area: AreaNo(0),
            quantity: 2,
        }),
        Command::OpenOrder { hold: HoldId(2) },
        Command::PayOrder {
            order: OrderId(1),
            payment_token: "tok".to_owned(),
        },
    ];
    let envelope = |(n, command)| Envelope {
        request: RequestId {
            caller: BuyerId([1; 16]),
            key: RequestKey::internal("test", n as u64),
        },
        command,
    };
    let commands = commands.into_iter().enumerate().map(envelope).collect();
    let outcomes = apply(
        &mut state,
        &Entry {
            now_ms: 1_000,
            commands,
        },
    );
    assert!(
        outcomes.iter().all(|o| o.effect().is_some()),
        "{outcomes:?}"
    );
    assert_eq!(check(&state), Vec::new());
    state
}

/// Breaks a sound state and expects that this invariant is among those reported.
fn breaks(invariant: InvariantId, harm: impl FnOnce(&mut InventoryState)) {
    let mut state = sound();
    harm(&mut state);
    let found: Vec<InvariantId> = check(&state).into_iter().map(|v| v.invariant).collect();
    assert!(
        found.contains(&invariant),
        "{invariant} is not among {found:?}"
    );
}

fn order(state: &mut InventoryState) -> &mut crate::state::Order {
    state.orders.get_mut(&OrderId(1)).unwrap()
}

fn hold(state: &mut InventoryState, id: u64) -> &mut crate::state::Hold {
    state.holds.get_mut(&HoldId(id)).unwrap()
}

#[test]
fn a_seat_with_a_wrong_owner_is_seen() {
    breaks(InvariantId::Seat1, |s| {
        s.seats[0] = SeatState::Held(HoldId(2))
    });
    breaks(InvariantId::Seat1, |s| {
        s.seats[7] = SeatState::Sold(OrderId(1))
    });
    breaks(InvariantId::Seat1, |s| s.seats[0] = SeatState::Available);
    // Two holds on one seat: the seat can name only one of them.
    breaks(InvariantId::Seat1, |s| {
        hold(s, 3).places = Places::Seats(vec![SeatNo(0)].into_boxed_slice());
    });
}

#[test]
fn miscounted_seats_are_seen() {
    breaks(InvariantId::Seat2, |s| s.derived.counts.available += 1);
    breaks(InvariantId::Index1, |s| {
        s.derived.counts.available += 1;
        s.derived.counts.held -= 1;
    });
    breaks(InvariantId::Index1, |s| s.derived.holds_active = 0);
}

#[test]
fn an_area_over_its_capacity_or_without_owners_is_seen() {
    breaks(InvariantId::Area1, |s| s.areas[0].held = 3);
    breaks(InvariantId::Area1, |s| {
        hold(s, 3).places = Places::Area {
            area: AreaNo(0),
            quantity: 6,
        };
        s.areas[0].held = 6;
    });
}

#[test]
fn a_hold_that_would_never_lapse_is_seen() {
    breaks(InvariantId::Hold1, |s| s.derived.expiring.clear());
    breaks(InvariantId::Hold1, |s| hold(s, 1).expires_at_ms = u64::MAX);
    breaks(InvariantId::Hold1, |s| s.hold_next = HoldId(2));
}

#[test]
fn an_order_that_disagrees_with_its_hold_is_seen() {
    breaks(InvariantId::Order1, |s| order(s).total_minor += 1);
    breaks(InvariantId::Order1, |s| order(s).hold = HoldId(1));
    breaks(InvariantId::Order1, |s| {
        hold(s, 1).standing = HoldStanding::Ordered(OrderId(9))
    });
}

#[test]
fn an_unpaid_order_that_would_never_lapse_is_seen() {
    breaks(InvariantId::Order2, |s| s.derived.expiring.clear());
    breaks(InvariantId::Order2, |s| {
        order(s).state = OrderState::Expired
    });
}

#[test]
fn a_buyer_over_the_limit_or_miscounted_is_seen() {
    breaks(InvariantId::Buyer1, |s| s.derived.buyers.clear());
    breaks(InvariantId::Buyer1, |s| {
        hold(s, 3).places = Places::Area {
            area: AreaNo(0),
            quantity: 500,
        };
    });
}

#[test]
fn requests_from_the_future_are_seen() {
    breaks(InvariantId::Idem1, |s| s.clock_ms = 0);
    breaks(InvariantId::Idem1, |s| s.bounds.remembered_max = 1);
}

#[test]
fn money_that_does_not_match_the_order_is_seen() {
    breaks(InvariantId::Money2, |s| {
        order(s).ledger.post(1, Posting::Sale, 18)
    });
    breaks(InvariantId::Money2, |s| order(s).state = OrderState::Paid);
}

#[test]
fn a_payment_without_its_outbox_record_is_seen() {
    breaks(InvariantId::Outbox1, |s| s.outbox.records.clear());
    breaks(InvariantId::Outbox1, |s| order(s).job = None);
    breaks(InvariantId::Outbox1, |s| order(s).attempt = AttemptNo(2));
    breaks(InvariantId::Outbox1, |s| {
        order(s).attempt_state = AttemptState::Declined
    });
    breaks(InvariantId::Outbox1, |s| {
        let job = Job::Void {
            order: OrderId(1),
            attempt: AttemptNo(1),
        };
        s.outbox.push(1, job);
        assert_eq!(s.outbox.next, OutboxSeq(3));
    });
}

#[test]
fn tickets_of_an_unconfirmed_order_are_seen() {
    breaks(InvariantId::Ticket1, |s| {
        order(s).ticket_first = Some(TicketId(1))
    });
}

#[test]
fn a_clock_that_runs_backwards_is_seen() {
    let state = sound();
    let seen = std::panic::catch_unwind(|| after_apply(&state, state.clock_ms + 1));
    assert_eq!(seen.is_err(), cfg!(debug_assertions));
    assert!(violations_total() > 0);
}

#[test]
fn every_invariant_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/INVARIANTS.md");
    let document = std::fs::read_to_string(path).unwrap();
    for invariant in InvariantId::ALL {
        let row = format!("| {invariant} | {} |", invariant.statement());
        assert!(
            document.contains(&row),
            "{invariant} is not documented as in the code"
        );
    }
}
