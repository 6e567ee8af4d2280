//! Events and shows, from the catalogue in memory.
//!
//! Owns: `GET /v1/events…` and `GET /v1/shows/{show}`. Must never: ask a node; a catalogue of some age is an answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use holdfast_node_api::refs::{EventRef, ShowRef};
use serde_json::{Value, json};

use super::request::{id, number, parameter, query};
use super::views;
use crate::app::App;
use crate::catalogue::Snapshot;
use crate::catalogue::search::{Search, shows_of};
use crate::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::problem::Problem;
use crate::upstream::ShowPlace;

type Answer = Result<Json<Value>, Problem>;

/// The catalogue, when there is one yet.
pub(super) fn catalogue(app: &App) -> Result<Arc<Snapshot>, Problem> {
    let none = || Problem::new("not_ready", "this gateway has not heard the catalogue yet");
    app.catalogue.current().ok_or_else(none)
}

/// Where a show is.
pub(super) fn place(app: &App, show_id: u64) -> Result<ShowPlace, Problem> {
    catalogue(app)?
        .place(show_id)
        .ok_or_else(|| unknown_show(show_id))
}

fn unknown_show(show_id: u64) -> Problem {
    Problem::new(
        "unknown_show",
        format!("there is no show {}", ShowRef(show_id)),
    )
}

/// Loose check of `YYYY-MM-DD`: enough to tell a slip from a date without shows.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let part = |range| {
        text.get(range)
            .and_then(|part: &str| part.parse::<u32>().ok())
    };
    let in_range = part(5..7).is_some_and(|month| (1..=12).contains(&month))
        && part(8..10).is_some_and(|day| (1..=31).contains(&day));
    bytes.len() == 10 && shape && in_range
}

pub(super) async fn list(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let pairs = query(
        &uri,
        &[
            "city",
            "date",
            "from",
            "to",
            "category",
            "q",
            "page",
            "page_size",
        ],
    )?;
    let text = |name| parameter(&pairs, name).map(str::to_owned);
    let search = Search {
        city: text("city"),
        date: text("date"),
        from: text("from"),
        to: text("to"),
        category: text("category"),
        q: text("q"),
    };
    for (name, date) in [
        ("date", &search.date),
        ("from", &search.from),
        ("to", &search.to),
    ] {
        if date.as_deref().is_some_and(|date| !is_date(date)) {
            let reason = "must be a date such as 2027-05-01";
            return Err(Problem::field("invalid_parameter", name, reason));
        }
    }
    let size_max = u64::try_from(PAGE_SIZE_MAX).unwrap_or(u64::MAX);
    let page = number(&pairs, "page", 1, 1_000_000)?.unwrap_or(1);
    let size = number(&pairs, "page_size", 1, size_max)?;
    let size = size
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(PAGE_SIZE_DEFAULT);
    let catalogue = catalogue(&app)?;
    let found = search.run(&catalogue);
    let skip = usize::try_from(page - 1)
        .unwrap_or(usize::MAX)
        .saturating_mul(size);
    let events: Vec<Value> = found
        .iter()
        .skip(skip)
        .take(size)
        .map(|hit| views::event(hit.event, &hit.shows))
        .collect();
    Ok(Json(json!({
        "events": events,
        "page": page,
        "page_size": size,
        "total": found.len(),
        "cities": cities(&catalogue),
        "categories": categories(&catalogue),
        "as_of": views::catalogue_as_of(&catalogue),
    })))
}

/// What there is to choose from, so that a page can offer it.
fn cities(catalogue: &Snapshot) -> Vec<&str> {
    let mut all: Vec<&str> = catalogue
        .shows
        .values()
        .map(|show| show.city.as_str())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn categories(catalogue: &Snapshot) -> Vec<&str> {
    let mut all: Vec<&str> = catalogue
        .events
        .values()
        .map(|event| event.category.as_str())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) async fn one(State(app): State<Arc<App>>, Path(event): Path<String>) -> Answer {
    let EventRef(event_id) = id(&event)?;
    let catalogue = catalogue(&app)?;
    let found = catalogue
        .events
        .get(&event_id)
        .ok_or_else(|| unknown_event(event_id))?;
    let mut body = views::event(found, &shows_of(&catalogue, event_id));
    body["as_of"] = views::catalogue_as_of(&catalogue);
    Ok(Json(body))
}

fn unknown_event(event_id: u64) -> Problem {
    Problem::new(
        "event_unknown",
        format!("there is no event {}", EventRef(event_id)),
    )
}

pub(super) async fn shows(State(app): State<Arc<App>>, Path(event): Path<String>) -> Answer {
    let EventRef(event_id) = id(&event)?;
    let catalogue = catalogue(&app)?;
    if !catalogue.events.contains_key(&event_id) {
        return Err(unknown_event(event_id));
    }
    let shows: Vec<Value> = shows_of(&catalogue, event_id)
        .into_iter()
        .map(views::show)
        .collect();
    Ok(Json(json!({
        "event": EventRef(event_id).to_string(),
        "shows": shows,
        "as_of": views::catalogue_as_of(&catalogue),
    })))
}

pub(super) async fn show(State(app): State<Arc<App>>, Path(show): Path<String>) -> Answer {
    let ShowRef(show_id) = id(&show)?;
    let catalogue = catalogue(&app)?;
    let found = catalogue
        .shows
        .get(&show_id)
        .ok_or_else(|| unknown_show(show_id))?;
    let mut body = views::show(found);
    if let Some(event) = catalogue.events.get(&found.event_id) {
        body["event_name"] = json!(event.name);
        body["event_category"] = json!(event.category);
    }
    body["as_of"] = views::catalogue_as_of(&catalogue);
    Ok(Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_a_date() {
        assert!(is_date("2027-05-01"));
        for slip in [
            "2027-5-1",
            "01.05.2027",
            "2027-13-01",
            "2027-05-32",
            "",
            "2027-05-011",
        ] {
            assert!(!is_date(slip), "{slip}");
        }
    }
}
