//! A small hall with an aisle, odd and even numbering, an accessible seat and two areas.

use holdfast_inventory::ids::{CategoryNo, Currency, SeatNo, ShowId};
use holdfast_inventory::show::{Area, Category, SaleRules, Seat, ShowSetUp, SingleSeatRule};

pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const OPENS_MS: u64 = MINUTE_MS;
pub(crate) const CLOSES_MS: u64 = 180 * MINUTE_MS;
pub(crate) const PER_ORDER: usize = 4;
pub(crate) const PER_BUYER: u32 = 6;
pub(crate) const TTL_MS: u64 = 8 * MINUTE_MS;
pub(crate) const CAP_MS: u64 = 20 * MINUTE_MS;
pub(crate) const PRICES: [u64; 3] = [5_000, 2_000, 0];
pub(crate) const SEATS: u32 = 14;
pub(crate) const AREAS: [(usize, u32); 2] = [(1, 4), (2, 2)];

/// Where each seat stands: x and y.
const AT: [(i32, i32); SEATS as usize] = [
    (0, 0),
    (100, 0),
    (200, 0),
    (300, 0),
    (550, 0),
    (650, 0),
    (300, 100),
    (400, 100),
    (200, 100),
    (500, 100),
    (100, 100),
    (200, 200),
    (300, 200),
    (400, 200),
];
pub(crate) const ACCESSIBLE: u32 = 11;
pub(crate) const COMPANION: u32 = 12;

pub(crate) fn category(seat: u32) -> usize {
    usize::from((6..11).contains(&seat))
}

pub(crate) fn set_up(single_seat: SingleSeatRule) -> ShowSetUp {
    let seat = |n: u32| Seat {
        id: format!("seat {n}"),
        zone: "hall".to_owned(),
        row: AT[n as usize].1.to_string(),
        number: n.to_string(),
        category: CategoryNo(u16::try_from(category(n)).unwrap()),
        x: AT[n as usize].0,
        y: AT[n as usize].1,
        accessible: n == ACCESSIBLE,
        companion_of: (n == COMPANION).then_some(SeatNo(ACCESSIBLE)),
    };
    let area = |(no, (category, capacity)): (usize, &(usize, u32))| Area {
        id: format!("area {no}"),
        name: String::new(),
        category: CategoryNo(u16::try_from(*category).unwrap()),
        capacity: *capacity,
        x: 0,
        y: 0,
    };
    let category = |price: &u64| Category {
        name: format!("at {price}"),
        color: String::new(),
        price_minor: *price,
    };
    ShowSetUp {
        show: ShowId(3),
        currency: Currency::parse("CHF").unwrap(),
        categories: PRICES.iter().map(category).collect(),
        seats: (0..SEATS).map(seat).collect(),
        areas: AREAS.iter().enumerate().map(area).collect(),
        width: 600,
        height: 300,
        rules: SaleRules {
            opens_at_ms: OPENS_MS,
            closes_at_ms: CLOSES_MS,
            seats_per_order_max: u32::try_from(PER_ORDER).unwrap(),
            seats_per_buyer_max: PER_BUYER,
            single_seat,
            hold_ttl_ms: TTL_MS,
            hold_ttl_max_ms: CAP_MS,
        },
    }
}
