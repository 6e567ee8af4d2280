//! A hall, an event and a show to try things with.
//!
//! Owns: what every test and the simulation sell. Must never: be in a production build. The tests outside this crate take this
//! file in by its path, so it names only what they import too.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_inventory::ids::{CategoryNo, Currency};
use holdfast_inventory::show::{SaleRules, Seat};
use holdfast_region_config::{RegionId, SurvivalGoal};

use super::{NewEvent, NewPlan, NewShow};

/// Seats of a row; rows are A, B, C.
const ROW_SEATS: u32 = 8;

/// A hall of `seats` numbered seats, at most 208.
pub(crate) fn plan(slug: &str, seats: u32) -> NewPlan {
    let seat = |n: u32| Seat {
        id: format!("A-{n}"),
        zone: "Floor".to_owned(),
        row: ('A'..='Z')
            .nth((n / ROW_SEATS) as usize)
            .map(String::from)
            .expect("a row has a letter"),
        number: n.to_string(),
        category: CategoryNo(0),
        x: i32::try_from(n % ROW_SEATS).expect("small") * 100,
        y: i32::try_from(n / ROW_SEATS).expect("small") * 100,
        accessible: false,
        companion_of: None,
    };
    NewPlan {
        slug: slug.to_owned(),
        name: "Harbour hall".to_owned(),
        width: 1_000,
        height: 1_000,
        categories: vec![("Stalls".to_owned(), "#aa0000".to_owned())],
        seats: (0..seats).map(seat).collect(),
        areas: Vec::new(),
    }
}

/// What is played.
pub(crate) fn event() -> NewEvent {
    NewEvent {
        slug: "tides".to_owned(),
        name: "Tides".to_owned(),
        category: "concert".to_owned(),
        description: String::new(),
    }
}

/// A show of the first event in the first hall, at home in `home`.
pub(crate) fn show(slug: &str, home: &str) -> NewShow {
    NewShow {
        slug: slug.to_owned(),
        event_id: 1,
        plan_id: 1,
        venue: "Harbour hall".to_owned(),
        city: "Amsterdam".to_owned(),
        country: "NL".to_owned(),
        starts_at_ms: 1,
        time_zone: "Europe/Amsterdam".to_owned(),
        local_date: "2027-03-01".to_owned(),
        local_time: "20:00".to_owned(),
        home_region: RegionId::new(home).expect("a region id"),
        currency: Currency::parse("EUR").expect("a currency"),
        price_minor: BTreeMap::from([("Stalls".to_owned(), 4_500)]),
        rules: SaleRules::default(),
        goal: SurvivalGoal::Region,
        jurisdictions: BTreeSet::new(),
    }
}
