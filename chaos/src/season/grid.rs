//! Plain halls for tests and benchmarks: rows of seats, one category, one show.
//!
//! Owns: their plan text. Must never: appear in a demo.

use serde_json::json;

use super::file::{EventEntry, PlanEntry, Season, ShowEntry};

/// Distance between seats and rows, plan units.
const STEP: u32 = 30;

/// A show in a plain hall. Seats are called `A-R-N`: row and number from 1.
#[derive(Debug, Clone)]
pub struct GridShow {
    /// Slug of plan, event and show.
    pub slug: String,
    /// Home region.
    pub home_region: String,
    /// Rows, at least 1.
    pub rows: u32,
    /// Seats in each row, at least 1.
    pub seats_per_row: u32,
    /// Life of a hold, ms; 0 = the inventory's default.
    pub hold_ttl_ms: u64,
    /// Most seats of one buyer; 0 = the inventory's default.
    pub seats_per_buyer_max: u32,
}

impl GridShow {
    /// What each seat costs, minor units.
    pub const PRICE_MINOR: u64 = 2_500;

    /// A hall of `rows` times `seats_per_row` with default rules.
    #[must_use]
    pub fn new(slug: &str, home_region: &str, rows: u32, seats_per_row: u32) -> Self {
        Self {
            slug: slug.to_owned(),
            home_region: home_region.to_owned(),
            rows,
            seats_per_row,
            hold_ttl_ms: 0,
            seats_per_buyer_max: 0,
        }
    }

    /// Every seat's plan id, row by row.
    #[must_use]
    pub fn seats(&self) -> Vec<String> {
        let rows = 1..=self.rows;
        rows.flat_map(|row| (1..=self.seats_per_row).map(move |n| format!("A-{row}-{n}")))
            .collect()
    }

    fn plan(&self) -> String {
        let rows = (1..=self.rows).map(|row| {
            let seats = (1..=self.seats_per_row).map(|number| {
                json!({
                    "seat_guid": format!("A-{row}-{number}"), "seat_number": number.to_string(),
                    "category": "A", "position": {"x": (number - 1) * STEP, "y": 0},
                })
            });
            json!({
                "row_number": row.to_string(), "row_number_position": "both",
                "position": {"x": 0, "y": (row - 1) * STEP}, "seats": seats.collect::<Vec<_>>(),
            })
        });
        let plan = json!({
            "name": self.slug,
            "size": {"width": self.seats_per_row * STEP, "height": self.rows * STEP},
            "categories": [{"name": "A", "color": "#336699"}],
            "zones": [{
                "name": "Hall", "zone_id": "hall", "position": {"x": 0, "y": 0},
                "rows": rows.collect::<Vec<_>>(), "areas": [],
            }],
        });
        plan.to_string()
    }
}

impl Season {
    /// A season of plain halls.
    #[must_use]
    pub fn of_grids(shows: &[GridShow]) -> Self {
        let mut season = Self::default();
        for show in shows {
            season.plans.push(PlanEntry {
                slug: show.slug.clone(),
                file: String::new(),
                json: show.plan(),
            });
            season.events.push(EventEntry {
                slug: show.slug.clone(),
                name: format!("Event {}", show.slug),
                category: "concert".to_owned(),
                description: String::new(),
            });
            season.shows.push(ShowEntry {
                slug: show.slug.clone(),
                event: show.slug.clone(),
                plan: show.slug.clone(),
                venue: "Plain Hall".to_owned(),
                city: "Testville".to_owned(),
                country: "NL".to_owned(),
                // 2035-01-01: on sale for as long as these tests are likely to be run.
                starts_at_ms: 2_051_222_400_000,
                time_zone: "UTC".to_owned(),
                local_date: "2035-01-01".to_owned(),
                local_time: "00:00".to_owned(),
                home_region: show.home_region.clone(),
                currency: "EUR".to_owned(),
                price_minor: [("A".to_owned(), GridShow::PRICE_MINOR)].into(),
                sale_opens_at_ms: 0,
                sale_closes_at_ms: 0,
                seats_per_order_max: 0,
                seats_per_buyer_max: show.seats_per_buyer_max,
                single_seat_rule: "off".to_owned(),
                hold_ttl_ms: show.hold_ttl_ms,
                hold_ttl_max_ms: 0,
            });
        }
        season
    }
}
