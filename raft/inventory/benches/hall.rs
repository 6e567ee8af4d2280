//! The hall that the benchmarks sell: 100 rows of 100 seats.
//!
//! Owns: what is on sale and who asks. Must never: depend on chance.

use holdfast_inventory::command::{PlaceHold, Wanted};
use holdfast_inventory::ids::{
    BuyerId, CategoryNo, Currency, RequestId, RequestKey, SeatNo, ShowId,
};
use holdfast_inventory::show::{Area, Category, SaleRules, Seat, ShowSetUp, SingleSeatRule};
use holdfast_inventory::{Command, Envelope};

const ROWS: u32 = 100;
const ROW_SEATS: u32 = 100;
pub(crate) const SEATS: u32 = ROWS * ROW_SEATS;

/// A plain hall on sale for good, with a floor beside it.
pub(crate) fn show() -> ShowSetUp {
    let seat = |n: u32| Seat {
        id: format!("seat-{n}"),
        zone: "hall".to_owned(),
        row: format!("row {}", n / ROW_SEATS),
        number: (n % ROW_SEATS).to_string(),
        category: CategoryNo(0),
        x: i32::try_from(n % ROW_SEATS).unwrap_or(0) * 100,
        y: i32::try_from(n / ROW_SEATS).unwrap_or(0) * 100,
        accessible: false,
        companion_of: None,
    };
    let area = Area {
        id: "floor".to_owned(),
        name: "Floor".to_owned(),
        category: CategoryNo(0),
        capacity: 1_000_000,
        x: 0,
        y: 0,
    };
    ShowSetUp {
        show: ShowId(1),
        currency: Currency::NONE,
        categories: vec![Category {
            name: "all".to_owned(),
            color: String::new(),
            price_minor: 5_000,
        }],
        seats: (0..SEATS).map(seat).collect(),
        areas: vec![area],
        width: i32::try_from(ROW_SEATS).unwrap_or(0) * 100,
        height: 0,
        rules: SaleRules {
            single_seat: SingleSeatRule::Lenient,
            ..SaleRules::default()
        },
    }
}

/// A buyer of its own for each `who`.
pub(crate) fn envelope(who: u64, n: u64, command: Command) -> Envelope {
    let mut buyer = [1; 16];
    buyer[..8].copy_from_slice(&who.to_le_bytes());
    let request = RequestId {
        caller: BuyerId(buyer),
        key: RequestKey::internal("bench", n),
    };
    Envelope { request, command }
}

/// A hold of `what`, for the show's own time.
pub(crate) fn place(what: Wanted) -> Command {
    Command::PlaceHold(PlaceHold { what, ttl_ms: 0 })
}

/// Two neighbours; every pair comes once before the first comes again.
pub(crate) fn pair(n: u64) -> Wanted {
    let first = u32::try_from(n * 2 % u64::from(SEATS)).unwrap_or(0);
    Wanted::Named(vec![SeatNo(first), SeatNo(first + 1)])
}
