//! A seating plan under construction and its JSON text.
//!
//! Owns: the shape of the file: one line a row of seats, so that a change is readable in a diff. Must never:
//! know a particular venue.

use serde_json::{Value, json};

/// A venue's plan. Lengths are in plan units; a seat is about 20 wide.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) width: i64,
    pub(super) height: i64,
    /// Name and colour.
    pub(super) categories: Vec<(&'static str, &'static str)>,
    pub(super) zones: Vec<Zone>,
}

/// A part of the venue with rows of its own.
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) at: (i64, i64),
    pub(super) rows: Vec<Row>,
    pub(super) areas: Vec<Value>,
}

/// A row, in drawing order from left to right.
pub(super) struct Row {
    pub(super) number: String,
    pub(super) at: (i64, i64),
    pub(super) seats: Vec<Seat>,
}

/// One seat; `at` is relative to its row.
pub(super) struct Seat {
    pub(super) number: i64,
    pub(super) at: (i64, i64),
    pub(super) category: &'static str,
    pub(super) accessible: bool,
    /// Number of the accessible seat of the same row that this one accompanies.
    pub(super) companion_of: Option<i64>,
}

impl Seat {
    /// An ordinary seat.
    pub(super) fn new(number: i64, at: (i64, i64), category: &'static str) -> Self {
        Self {
            number,
            at,
            category,
            accessible: false,
            companion_of: None,
        }
    }
}

impl Row {
    /// Makes seat `place` a wheelchair place and `beside` its companion's seat.
    pub(super) fn make_accessible(&mut self, place: i64, beside: i64) {
        for seat in &mut self.seats {
            if seat.number == place {
                seat.accessible = true;
            } else if seat.number == beside {
                seat.companion_of = Some(place);
            }
        }
    }
}

impl Plan {
    /// Numbered seats.
    pub(super) fn seats(&self) -> usize {
        self.zones
            .iter()
            .flat_map(|zone| &zone.rows)
            .map(|row| row.seats.len())
            .sum()
    }

    /// Numbered seats and general admission.
    pub(super) fn places(&self) -> u64 {
        let areas = self.zones.iter().flat_map(|zone| &zone.areas);
        let standing: u64 = areas.filter_map(|area| area["capacity"].as_u64()).sum();
        self.seats() as u64 + standing
    }

    /// The file: pretix's format with our optional fields (docs/seating-plans.md).
    pub(super) fn to_text(&self) -> String {
        let categories: Vec<Value> = self
            .categories
            .iter()
            .map(|(name, color)| json!({"name": name, "color": color}))
            .collect();
        let zones: Vec<String> = self.zones.iter().map(Zone::to_text).collect();
        format!(
            "{{\"name\":{},\"size\":{},\n\"categories\":{},\n\"zones\":[\n{}\n]}}\n",
            json!(self.name),
            json!({"width": self.width, "height": self.height}),
            json!(categories),
            zones.join(",\n"),
        )
    }
}

impl Zone {
    fn to_text(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| row.to_value(&self.id).to_string())
            .collect();
        let rows = if rows.is_empty() {
            String::new()
        } else {
            format!("\n{}\n", rows.join(",\n"))
        };
        format!(
            "{{\"name\":{},\"zone_id\":{},\"position\":{},\"areas\":{},\"rows\":[{rows}]}}",
            json!(self.name),
            json!(self.id),
            position(self.at),
            json!(self.areas),
        )
    }
}

impl Row {
    fn to_value(&self, zone_id: &str) -> Value {
        let seats: Vec<Value> = self
            .seats
            .iter()
            .map(|seat| seat.to_value(&format!("{zone_id}-{}", self.number)))
            .collect();
        json!({"row_number": self.number, "row_number_position": "both", "position": position(self.at), "seats": seats})
    }
}

impl Seat {
    fn to_value(&self, prefix: &str) -> Value {
        let mut seat = json!({
            "seat_guid": format!("{prefix}-{}", self.number),
            "seat_number": self.number.to_string(),
            "position": position(self.at),
            "category": self.category,
        });
        if self.accessible {
            seat["accessible"] = json!(true);
        }
        if let Some(number) = self.companion_of {
            seat["companion_of"] = json!(format!("{prefix}-{number}"));
        }
        seat
    }
}

/// A rectangle that is only drawn, with its name in it.
pub(super) fn drawn(label: &str, at: (i64, i64), size: (i64, i64)) -> Value {
    json!({
        "shape": "rectangle", "color": "#d9d9d9", "border_color": "#8c8c8c", "position": position(at),
        "rectangle": {"width": size.0, "height": size.1},
        "text": {"text": label, "color": "#333333", "size": 20, "position": position((size.0 / 2, size.1 / 2))},
    })
}

/// A rectangle that is sold by count.
pub(super) fn general_admission(
    id: &str,
    name: &str,
    category: &str,
    capacity: u32,
    at: (i64, i64),
    size: (i64, i64),
) -> Value {
    let mut area = drawn(name, at, size);
    area["area_id"] = json!(id);
    area["name"] = json!(name);
    area["category"] = json!(category);
    area["capacity"] = json!(capacity);
    area
}

fn position((x, y): (i64, i64)) -> Value {
    json!({"x": x, "y": y})
}
