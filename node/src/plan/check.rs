//! Judges how the parts of a plan fit together and resolves names to numbers.
//!
//! Owns: each rule about more than one part, one function a rule. Must never: read JSON, or let a plan
//! through in which two buyers could be sold the same place under two names.

use std::collections::BTreeMap;

use super::json::shown;
use super::pretix::{Draft, DraftArea, DraftCategory, DraftSeat};
use super::{
    AREAS_MAX, PLACES_MAX, PlanArea, PlanCategory, PlanSeat, Report, SEATS_MAX, SeatingPlan,
};

/// Colours for categories that give none: Okabe and Ito's, which most colour-blind people tell apart.
const COLORS: [&str; 7] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
];
/// How many places of one fault are listed in its message.
const PLACES_LISTED_MAX: usize = 10;

/// Applies every rule and resolves references; `None` when a rule is broken.
pub(super) fn resolve(draft: Draft, report: &mut Report) -> Option<SeatingPlan> {
    let faults_before = report.problems.len();
    sizes_are_sane(&draft, report);
    seat_guids_are_unique(&draft.seats, report);
    area_ids_are_unique(&draft.areas, report);
    spots_are_unique(&draft.seats, report);
    labels_are_unique(&draft.seats, report);
    let categories = number_categories(&draft.categories, report);
    let category_of = |name: &str, path: &str, report: &mut Report| {
        let found = categories.get(name).copied();
        if found.is_none() {
            let what = format!("category {:?} is not in the plan", shown(name));
            report.problem(format!("{path}.category"), what, one_of(&draft.categories));
        }
        found
    };
    let seat_numbers: BTreeMap<&str, usize> = draft
        .seats
        .iter()
        .enumerate()
        .rev()
        .map(|(n, seat)| (seat.guid.as_str(), n))
        .collect();
    let mut seats = Vec::with_capacity(draft.seats.len());
    for seat in &draft.seats {
        let category = category_of(&seat.category, &seat.path, report);
        let companion_of = companion(seat, &draft.seats, &seat_numbers, report);
        let (x, y) = seat.at.hundredths();
        seats.push(PlanSeat {
            id: seat.guid.clone(),
            zone: seat.zone_name.clone(),
            row: seat.row.clone(),
            number: seat.number.clone(),
            category: category.unwrap_or_default(),
            x,
            y,
            accessible: seat.accessible,
            companion_of,
        });
    }
    let mut areas = Vec::with_capacity(draft.areas.len());
    for area in &draft.areas {
        let category = category_of(&area.category, &area.path, report).unwrap_or_default();
        let (x, y) = area.at.hundredths();
        let (id, name) = (area.id.clone(), area.name.clone());
        areas.push(PlanArea {
            id,
            name,
            category,
            capacity: area.capacity,
            x,
            y,
        });
    }
    let categories = colored(&draft.categories, report);
    let (width, height) = draft.size?.hundredths();
    let plan = SeatingPlan {
        name: draft.name,
        width,
        height,
        categories,
        seats,
        areas,
    };
    (report.problems.len() == faults_before).then_some(plan)
}

fn sizes_are_sane(draft: &Draft, report: &mut Report) {
    if let Some(size) = draft.size {
        for (key, extent) in [("width", size.x), ("height", size.y)] {
            if extent < 1.0 {
                report.problem(format!("size.{key}"), format!("is {extent}"), "at least 1");
            }
        }
    }
    let seats = draft.seats.len();
    if seats > SEATS_MAX {
        let what = format!("there are {seats} seats");
        report.problem(
            "zones",
            what,
            format!("at most {SEATS_MAX} numbered seats in one plan"),
        );
    }
    if draft.areas.len() > AREAS_MAX {
        let what = format!("there are {} areas with a capacity", draft.areas.len());
        report.problem("zones", what, format!("at most {AREAS_MAX}"));
    }
    let standing: u64 = draft
        .areas
        .iter()
        .map(|area| u64::from(area.capacity))
        .sum();
    let places = seats as u64 + standing;
    if places > PLACES_MAX {
        let what = format!("there are {places} places, seats and areas together");
        report.problem("zones", what, format!("at most {PLACES_MAX}"));
    }
    if places == 0 && report.problems.is_empty() {
        report.problem(
            "zones",
            "there is nothing to sell",
            "a seat, or an area with a capacity",
        );
    }
}

/// Two seats of one guid could not be told apart in a request; nothing else about them matters then.
fn seat_guids_are_unique(seats: &[DraftSeat], report: &mut Report) {
    for (guid, paths) in shared(seats.iter().map(|seat| (seat.guid.as_str(), &seat.path))) {
        let what = format!(
            "seat guid {guid:?} is used by {} seats: {}",
            paths.len(),
            list(&paths)
        );
        let want = "a guid that no other seat of the plan has";
        report.problem(format!("{}.seat_guid", paths[1]), what, want);
    }
}

fn area_ids_are_unique(areas: &[DraftArea], report: &mut Report) {
    for (id, paths) in shared(areas.iter().map(|area| (area.id.as_str(), &area.path))) {
        let what = format!(
            "area id {id:?} is used by {} areas: {}",
            paths.len(),
            list(&paths)
        );
        let want = "an area_id that no other area of the plan has";
        report.problem(format!("{}.area_id", paths[1]), what, want);
    }
}

/// Within a zone only: real halls draw an upper box exactly above the lower one.
fn spots_are_unique(seats: &[DraftSeat], report: &mut Report) {
    let spots = seats
        .iter()
        .map(|seat| ((seat.zone, seat.at.hundredths()), &seat.path));
    for ((_, (x, y)), paths) in shared(spots) {
        let (x, y) = (f64::from(x) / 100.0, f64::from(y) / 100.0);
        let what = format!(
            "{} seats of this zone stand at ({x}, {y}): {}",
            paths.len(),
            list(&paths)
        );
        let want = "a position of its own for each seat of a zone";
        report.problem(format!("{}.position", paths[1]), what, want);
    }
}

/// Not a fault, for they are sold by guid; but a ticket that says so sends two people to one place.
fn labels_are_unique(seats: &[DraftSeat], report: &mut Report) {
    let label = |seat: &DraftSeat| (seat.zone, seat.row.clone(), seat.number.clone());
    for ((_, row, number), paths) in shared(seats.iter().map(|seat| (label(seat), &seat.path))) {
        let seats = list(&paths);
        let what = format!(
            "row {row:?} seat {number:?} names {} seats: {seats}",
            paths.len()
        );
        report.remark(
            paths[1],
            what,
            "row and number that name one seat of the zone",
        );
    }
}

fn number_categories<'a>(
    categories: &'a [DraftCategory],
    report: &mut Report,
) -> BTreeMap<&'a str, u16> {
    let mut numbers = BTreeMap::new();
    for (n, category) in (0u16..).zip(categories) {
        if numbers.insert(category.name.as_str(), n).is_some() {
            let what = format!("category {:?} is there twice", category.name);
            report.problem(&category.path, what, "one category of each name");
        }
    }
    numbers
}

fn companion(
    seat: &DraftSeat,
    seats: &[DraftSeat],
    seat_numbers: &BTreeMap<&str, usize>,
    report: &mut Report,
) -> Option<u32> {
    let named = seat.companion_of.as_deref()?;
    let found = seat_numbers.get(named).copied();
    let fault = match found {
        None => "is no seat of the plan",
        Some(_) if named == seat.guid => "is the seat itself",
        Some(n) if !seats[n].accessible => "is a seat that is not accessible",
        Some(n) => return u32::try_from(n).ok(),
    };
    let what = format!("{:?} {fault}", shown(named));
    report.problem(
        format!("{}.companion_of", seat.path),
        what,
        "the guid of an accessible seat",
    );
    None
}

/// The colour ends up in web pages, so only what can be nothing but a colour is let through.
fn colored(categories: &[DraftCategory], report: &mut Report) -> Vec<PlanCategory> {
    let mut colored = Vec::with_capacity(categories.len());
    for (category, fallback) in categories.iter().zip(COLORS.iter().cycle()) {
        let color = category.color.as_deref().filter(|color| !color.is_empty());
        let color = color.unwrap_or(fallback);
        if !is_color(color) {
            let what = format!("is {:?}", shown(color));
            let want = "a colour such as #0072b2 or steelblue";
            report.problem(format!("{}.color", category.path), what, want);
        }
        colored.push(PlanCategory {
            name: category.name.clone(),
            color: color.to_owned(),
        });
    }
    colored
}

fn is_color(text: &str) -> bool {
    match text.strip_prefix('#') {
        Some(hex) => {
            matches!(hex.len(), 3 | 4 | 6 | 8) && hex.bytes().all(|b| b.is_ascii_hexdigit())
        }
        None => (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic()),
    }
}

fn one_of(categories: &[DraftCategory]) -> String {
    let names: Vec<_> = categories
        .iter()
        .take(12)
        .map(|c| format!("{:?}", c.name))
        .collect();
    if names.is_empty() {
        "a category of the plan".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    }
}

/// Keys that more than one place has, with those places; both in the order of the file.
fn shared<'a, K: Ord>(places: impl Iterator<Item = (K, &'a String)>) -> Vec<(K, Vec<&'a str>)> {
    let mut groups: BTreeMap<K, Vec<(usize, &str)>> = BTreeMap::new();
    for (n, (key, path)) in places.enumerate() {
        groups.entry(key).or_default().push((n, path));
    }
    let mut shared: Vec<_> = groups
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .collect();
    shared.sort_by_key(|(_, places)| places[1].0);
    let paths = |places: Vec<(usize, &'a str)>| places.into_iter().map(|(_, path)| path).collect();
    shared
        .into_iter()
        .map(|(key, places)| (key, paths(places)))
        .collect()
}

fn list(paths: &[&str]) -> String {
    let listed = paths
        .iter()
        .take(PLACES_LISTED_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match paths.len().saturating_sub(PLACES_LISTED_MAX) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
