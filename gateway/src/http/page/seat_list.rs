//! The hall as a list: section, row, seat, with check boxes. What a browser without scripts chooses with.
//!
//! ```text
//! GET /shows/s7?zone=Stalls&rows=20&seat=A-1     seats chosen elsewhere travel along
//! ```
//!
//! Owns: which rows are shown and what a seat's label says. Must never: make a document that grows with the hall.

use maud::{Markup, html};

use super::Visit;
use super::form::new_key;
use super::lines::seat_name;
use super::show::Hall;
use crate::limits;

/// Seats listed at once, about: whole rows are shown.
const SEATS_LISTED_MAX: usize = 450;
/// Words for the states of the wire, by their number there.
const STATES: [&str; 4] = [
    "state.available",
    "state.held",
    "state.sold",
    "state.blocked",
];

/// What part of the hall is asked for, and what was chosen before.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) zone: Option<String>,
    /// Rows of the zone to skip.
    pub(super) rows: usize,
    /// Plan identifiers.
    pub(super) chosen: Vec<String>,
}

impl Asked {
    /// From a query; what is not known here is left alone, since the form's other fields travel along.
    pub(super) fn of_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "zone" => asked.zone = Some(value.into_owned()),
                "rows" => asked.rows = value.parse().unwrap_or(0),
                "seat" if asked.chosen.len() < limits::SEATS_PER_REQUEST_MAX => {
                    asked.chosen.push(value.into_owned());
                }
                _ => {}
            }
        }
        asked
    }
}

struct Row<'a> {
    name: &'a str,
    /// Seat numbers, from left to right.
    seats: Vec<usize>,
}

struct Zone<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
    free: usize,
}

/// Sections and rows in the order of the plan, seats from left to right.
fn zones(hall: &Hall) -> Vec<Zone<'_>> {
    let seats = &hall.layout.layout.seats;
    let mut zones: Vec<Zone<'_>> = Vec::new();
    for (number, seat) in seats.iter().enumerate() {
        let at = zones.iter().rposition(|zone| zone.name == seat.zone);
        let at = at.unwrap_or_else(|| {
            zones.push(Zone {
                name: &seat.zone,
                rows: Vec::new(),
                free: 0,
            });
            zones.len() - 1
        });
        let zone = &mut zones[at];
        zone.free += usize::from(hall.is_free(number));
        match zone.rows.iter_mut().rfind(|row| row.name == seat.row) {
            Some(row) => row.seats.push(number),
            None => zone.rows.push(Row {
                name: &seat.row,
                seats: vec![number],
            }),
        }
    }
    for row in zones.iter_mut().flat_map(|zone| &mut zone.rows) {
        row.seats.sort_by_key(|number| seats[*number].x);
    }
    zones
}

/// Rows from `skip` on, until there are enough seats.
fn page<'a, 'h>(zone: &'a Zone<'h>, skip: usize) -> &'a [Row<'h>] {
    let rest = zone.rows.get(skip..).unwrap_or_default();
    let mut seats = 0;
    let count = rest
        .iter()
        .take_while(|row| {
            let fits = seats == 0 || seats + row.seats.len() <= SEATS_LISTED_MAX;
            seats += row.seats.len();
            fits
        })
        .count();
    &rest[..count]
}

/// The form that holds named seats.
pub(super) fn form(visit: &Visit, show: &str, hall: &Hall, asked: &Asked) -> Markup {
    let zones = zones(hall);
    let zone = zones
        .iter()
        .find(|zone| Some(zone.name) == asked.zone.as_deref())
        .or_else(|| zones.iter().find(|zone| zone.free > 0))
        .or_else(|| zones.first());
    let Some(zone) = zone else {
        return html! { p.meta { (visit.t("list.none")) } };
    };
    let shown = page(zone, asked.rows);
    let listed = |id: &str| {
        let number = hall
            .layout
            .seat_number(id)
            .and_then(|n| usize::try_from(n).ok());
        number.is_some_and(|n| shown.iter().any(|row| row.seats.contains(&n)))
    };
    let elsewhere: Vec<&str> = asked
        .chosen
        .iter()
        .map(String::as_str)
        .filter(|id| !listed(id))
        .collect();
    html! {
        form.seat-form method="post" action={ "/shows/" (show) "/hold" } {
            input type="hidden" name="key" value=(new_key());
            input type="hidden" name="zone" value=(zone.name);
            div.list-head {
                h2 { (visit.t("list.title")) }
                p.meta { (visit.words.with("list.hint", &[("max", &hall.seats_max().to_string())])) }
                (kept(visit, hall, &elsewhere))
                button.hold type="submit" { (visit.t("list.hold")) }
            }
            (sections(visit, show, &zones, zone))
            @for row in shown { (row_of(visit, hall, zone, row, asked)) }
            (turns(visit, show, zone, asked.rows, shown.len()))
            button.hold type="submit" { (visit.t("list.hold")) }
        }
    }
}

/// Seats chosen in parts of the hall that are not shown now.
fn kept(visit: &Visit, hall: &Hall, chosen: &[&str]) -> Markup {
    let seats = chosen.iter().filter_map(|id| {
        let seat = hall.layout.seat(hall.layout.seat_number(id)?)?;
        Some((id, seat_name(visit, &seat.zone, &seat.row, &seat.number)))
    });
    html! {
        @if !chosen.is_empty() {
            fieldset.kept {
                legend { (visit.t("list.kept")) }
                @for (id, name) in seats {
                    label { input type="checkbox" name="seat" value=(id) checked; span { (name) } }
                }
            }
        }
    }
}

fn sections(visit: &Visit, show: &str, zones: &[Zone<'_>], now: &Zone<'_>) -> Markup {
    html! {
        @if zones.len() > 1 {
            fieldset.sections {
                legend { (visit.t("list.sections")) }
                @for zone in zones {
                    button.quiet type="submit" formmethod="get" formaction={ "/shows/" (show) } name="zone" value=(zone.name)
                        aria-current=[(zone.name == now.name).then_some("true")] {
                        (zone.name) " " small { (visit.words.n("list.free", zone.free)) }
                    }
                }
            }
        }
    }
}

fn row_of(visit: &Visit, hall: &Hall, zone: &Zone<'_>, row: &Row<'_>, asked: &Asked) -> Markup {
    let legend = [("zone", zone.name), ("row", row.name)];
    html! {
        fieldset.seat-row {
            legend { (visit.words.with("list.row", &legend)) }
            div.seats { @for number in &row.seats { (seat(visit, hall, *number, asked)) } }
        }
    }
}

/// One seat. Those that are gone stay in the list and say so; they cannot be sent.
fn seat(visit: &Visit, hall: &Hall, number: usize, asked: &Asked) -> Markup {
    let Some(seat) = hall.layout.layout.seats.get(number) else {
        return html! {};
    };
    let state = hall
        .map
        .states
        .get(number)
        .map_or(3, |state| usize::from(*state).min(3));
    let category = hall.layout.category(seat.category);
    let price = category.map_or(0, |category| category.price_minor);
    let chosen = asked.chosen.contains(&seat.id);
    html! {
        label class=[(state != 0).then_some("gone")] {
            input type="checkbox" name="seat" value=(seat.id) checked[chosen && state == 0] disabled[state != 0];
            span {
                (seat.number) " "
                @if seat.accessible { span.mark { (visit.t("seat.accessible")) } " " }
                @if seat.companion_of.is_some() { span.mark { (visit.t("seat.companion")) } " " }
                small { @if state == 0 { (visit.money(price, &hall.layout.layout.currency)) } @else { (visit.t(STATES[state])) } }
            }
        }
    }
}

/// To the rows before and after.
fn turns(visit: &Visit, show: &str, zone: &Zone<'_>, skipped: usize, shown: usize) -> Markup {
    let button = |rows: usize, label: &str| {
        html! {
            button.quiet type="submit" formmethod="get" formaction={ "/shows/" (show) } name="rows" value=(rows) { (visit.t(label)) }
        }
    };
    // Going back assumes rows as long as those shown: a hall's rows are nearly alike.
    html! {
        div.row {
            @if skipped > 0 { (button(skipped.saturating_sub(shown.max(1)), "list.back")) }
            @if skipped + shown < zone.rows.len() { (button(skipped + shown, "list.on")) }
        }
    }
}
