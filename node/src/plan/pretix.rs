//! Walks a pretix seating plan and takes from it what selling needs, with the path of each part.
//!
//! Owns: the names of the fields, pretix's and ours. Must never: judge how parts fit together (that is
//! `check`), or refuse a field that it does not know: newer plans must stay readable.

use serde_json::Value;

use super::geometry::Point;
use super::json::At;
use super::{
    AREAS_MAX, CATEGORIES_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, PLACES_MAX, PLAN_BYTES_MAX,
    ROW_SEATS_MAX, Report, SEATS_MAX, ZONES_MAX,
};

/// Most drawn shapes of one zone: stages, bars and tables as well as areas for sale.
const SHAPES_MAX: usize = 10_000;
const _: () = assert!(AREAS_MAX <= SHAPES_MAX, "an area for sale is a shape");

const PLAN_FIELDS: &[&str] = &["name", "zones", "categories", "size"];
const CATEGORY_FIELDS: &[&str] = &["name", "color"];
const ZONE_FIELDS: &[&str] = &["name", "zone_id", "uuid", "position", "rows", "areas"];
const ROW_FIELDS: &[&str] = &[
    "row_number",
    "row_label",
    "seat_label",
    "uuid",
    "seats",
    "row_number_position",
    "position",
];
const SEAT_FIELDS: &[&str] = &[
    "seat_guid",
    "seat_number",
    "uuid",
    "start_direction",
    "radius",
    "position",
    "category",
    "accessible",
    "companion_of",
];

/// The parts of a plan as they stand in the file; references are still names.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) size: Option<Point>,
    pub(super) categories: Vec<DraftCategory>,
    pub(super) seats: Vec<DraftSeat>,
    pub(super) areas: Vec<DraftArea>,
}

pub(super) struct DraftCategory {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) color: Option<String>,
}

pub(super) struct DraftSeat {
    pub(super) path: String,
    pub(super) guid: String,
    pub(super) zone: usize,
    pub(super) zone_name: String,
    pub(super) row: String,
    pub(super) number: String,
    pub(super) category: String,
    pub(super) at: Point,
    pub(super) accessible: bool,
    pub(super) companion_of: Option<String>,
}

pub(super) struct DraftArea {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: String,
    pub(super) capacity: u32,
    pub(super) at: Point,
}

/// Reads `text`; what cannot be read is reported and left out. `None` when it is no plan at all.
pub(super) fn read(text: &str, report: &mut Report) -> Option<Draft> {
    if text.len() > PLAN_BYTES_MAX {
        let what = format!("is {} bytes long", text.len());
        report.problem("", what, format!("at most {PLAN_BYTES_MAX} bytes"));
        return None;
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            report.problem(
                "",
                format!("is not JSON: {error}"),
                "a pretix seating plan as JSON",
            );
            return None;
        }
    };
    let root = At::root(&value);
    if !root.is_object(report) {
        return None;
    }
    root.remark_unknown(PLAN_FIELDS, report);
    let name = root.need("name", "the plan's name", report);
    let name = name
        .and_then(|at| at.id(NAME_BYTES_MAX, report))
        .unwrap_or_default()
        .to_owned();
    let size = root
        .need("size", "{\"width\": …, \"height\": …}", report)
        .and_then(|at| read_pair(&at, ["width", "height"], report));
    let categories = read_categories(&root, report);
    let mut draft = Draft {
        name,
        size,
        categories,
        seats: Vec::new(),
        areas: Vec::new(),
    };
    read_zones(&root, &mut draft, report);
    Some(draft)
}

fn read_categories(root: &At<'_>, report: &mut Report) -> Vec<DraftCategory> {
    let list = root.need("categories", "a list of price categories", report);
    let list = list
        .and_then(|at| at.items(CATEGORIES_MAX, report))
        .unwrap_or_default();
    let mut categories = Vec::with_capacity(list.len());
    for at in list {
        if !at.is_object(report) {
            continue;
        }
        at.remark_unknown(CATEGORY_FIELDS, report);
        let name = at.need("name", "the category's name", report);
        let Some(name) = name.and_then(|at| at.id(NAME_BYTES_MAX, report)) else {
            continue;
        };
        let color = at
            .find("color")
            .and_then(|at| at.text(NAME_BYTES_MAX, report));
        categories.push(DraftCategory {
            path: at.path().to_owned(),
            name: name.to_owned(),
            color: color.map(str::to_owned),
        });
    }
    categories
}

fn read_zones(root: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let zones = root.need("zones", "a list of zones", report);
    let Some(zones) = zones.and_then(|at| at.items(ZONES_MAX, report)) else {
        return;
    };
    if zones.is_empty() {
        report.problem("zones", "is empty", "at least one zone with rows or areas");
    }
    for (n, at) in zones.iter().enumerate() {
        if at.is_object(report) {
            read_zone(n, at, draft, report);
        }
    }
}

/// What every seat and area of a zone shares.
struct Zone {
    index: usize,
    name: String,
    id: String,
    at: Point,
}

fn read_zone(index: usize, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    at.remark_unknown(ZONE_FIELDS, report);
    let name = at.find("name").and_then(|at| at.id(NAME_BYTES_MAX, report));
    let id = at
        .find("zone_id")
        .and_then(|at| at.id(ID_BYTES_MAX, report));
    let fallback = format!("zone {}", index + 1);
    let zone = Zone {
        index,
        name: name.or(id).map_or_else(|| fallback.clone(), str::to_owned),
        id: id.or(name).map_or(fallback, str::to_owned),
        at: at
            .need("position", "{\"x\": …, \"y\": …}", report)
            .and_then(|at| read_point(&at, report))
            .unwrap_or_default(),
    };
    let rows = at.need("rows", "a list of rows", report);
    let rows = rows
        .and_then(|at| at.items(SEATS_MAX, report))
        .unwrap_or_default();
    let shapes = at
        .find("areas")
        .and_then(|at| at.items(SHAPES_MAX, report))
        .unwrap_or_default();
    if rows.is_empty() && shapes.is_empty() {
        let want = "at least one row of seats or one area";
        report.problem(at.path(), "the zone is empty", want);
    }
    for row in &rows {
        if row.is_object(report) {
            read_row(&zone, row, draft, report);
        }
    }
    for (n, shape) in shapes.iter().enumerate() {
        if shape.is_object(report) {
            read_area(&zone, n, shape, draft, report);
        }
    }
}

fn read_row(zone: &Zone, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    at.remark_unknown(ROW_FIELDS, report);
    let number = at.need(
        "row_number",
        "the row's number or letter, as a text",
        report,
    );
    let number = number
        .and_then(|at| at.text(NAME_BYTES_MAX, report))
        .unwrap_or_default();
    let own = at
        .find("position")
        .and_then(|at| read_point(&at, report))
        .unwrap_or_default();
    let Some(seats) = at
        .need("seats", "a list of seats", report)
        .and_then(|at| at.items(ROW_SEATS_MAX, report))
    else {
        return;
    };
    if seats.is_empty() {
        let what = format!("row {number:?} has no seats");
        report.problem(
            at.path_of("seats"),
            what,
            "at least one seat, or no such row",
        );
    }
    let origin = zone.at.plus(own);
    for seat in &seats {
        if seat.is_object(report) {
            draft
                .seats
                .extend(read_seat(zone, number, origin, seat, report));
        }
    }
}

fn read_seat(
    zone: &Zone,
    row: &str,
    origin: Point,
    at: &At<'_>,
    report: &mut Report,
) -> Option<DraftSeat> {
    at.remark_unknown(SEAT_FIELDS, report);
    let guid = at.need("seat_guid", "an identifier that no other seat has", report);
    let guid = guid.and_then(|at| at.id(ID_BYTES_MAX, report));
    let number = at.need("seat_number", "the seat's number, as a text", report);
    let number = number.and_then(|at| at.text(NAME_BYTES_MAX, report));
    let category = at.need("category", "the name of a category of this plan", report);
    let category = category.and_then(|at| at.text(NAME_BYTES_MAX, report));
    let own = at.need("position", "{\"x\": …, \"y\": …}", report);
    let own = own.and_then(|at| read_point(&at, report));
    let accessible = at.find("accessible").and_then(|at| at.flag(report));
    let companion_of = at
        .find("companion_of")
        .and_then(|at| at.id(ID_BYTES_MAX, report));
    // All fields are read before the first `?`, so that one pass names every fault of the seat.
    Some(DraftSeat {
        path: at.path().to_owned(),
        guid: guid?.to_owned(),
        zone: zone.index,
        zone_name: zone.name.clone(),
        row: row.to_owned(),
        number: number?.to_owned(),
        category: category?.to_owned(),
        at: origin.plus(own?),
        accessible: accessible.unwrap_or(false),
        companion_of: companion_of.map(str::to_owned),
    })
}

/// A shape is for sale when it has a `capacity` (ours); any other is part of the drawing only.
fn read_area(zone: &Zone, n: usize, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let Some(capacity) = at.find("capacity") else {
        return;
    };
    let capacity = capacity.count(PLACES_MAX, report);
    let category = at.need("category", "the name of a category of this plan", report);
    let category = category.and_then(|at| at.text(NAME_BYTES_MAX, report));
    let id = at.find("area_id").or_else(|| at.find("uuid"));
    let id = id
        .and_then(|at| at.id(ID_BYTES_MAX, report))
        .map(str::to_owned);
    let label = at.find("text").and_then(|at| at.find("text"));
    let name = at
        .find("name")
        .or(label)
        .and_then(|at| at.id(NAME_BYTES_MAX, report));
    let own = at
        .find("position")
        .and_then(|at| read_point(&at, report))
        .unwrap_or_default();
    let (Some(capacity), Some(category)) = (capacity, category) else {
        return;
    };
    draft.areas.push(DraftArea {
        path: at.path().to_owned(),
        id: id.unwrap_or_else(|| format!("{}-area-{}", zone.id, n + 1)),
        name: name.map_or_else(|| zone.name.clone(), str::to_owned),
        category: category.to_owned(),
        capacity,
        at: zone.at.plus(own),
    });
}

fn read_point(at: &At<'_>, report: &mut Report) -> Option<Point> {
    read_pair(at, ["x", "y"], report)
}

fn read_pair(at: &At<'_>, keys: [&str; 2], report: &mut Report) -> Option<Point> {
    if !at.is_object(report) {
        return None;
    }
    let [x, y] = keys.map(|key| {
        at.need(key, "a number", report)
            .and_then(|value| value.coordinate(report))
    });
    Some(Point { x: x?, y: y? })
}
