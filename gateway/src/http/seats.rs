//! The seat map of a show: every seat with its state and price, with the age of that knowledge.
//!
//! Owns: `GET /v1/shows/{show}/seats`, its full and its compact form. Must never: guess a state.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{GetSeatMapRequest, ReadOptions, SeatMap};
use serde_json::{Value, json};

use super::about::About;
use super::encoding::{accepts_gzip, asks_for, is_known, octets};
use super::request::{freshness, of_session, parameter};
use super::views;
use crate::app::App;
use crate::footprint;
use crate::layouts::ShowLayout;
use crate::live::seats::{Seats, State as SeatsState};
use crate::live::show::Known;
use crate::live::{bounds, events};
use crate::problem::Problem;
use crate::upstream::ShowPlace;
use crate::upstream::read::Freshness;

/// Words for the states of the wire, by their number there.
const STATES: [&str; 4] = ["available", "held", "sold", "blocked"];
/// The media type of the packed form, docs/live-maps.md.
const OCTETS: &str = "application/vnd.holdfast.seats+octets";
/// A show that is not followed yet is waited for this long, then read once.
const COPY_WAIT: Duration = Duration::from_millis(500);
/// One letter a state, for the compact form.
const LETTERS: [char; 4] = ['a', 'h', 's', 'b'];

pub(super) async fn map(asked: About<ShowRef>) -> Result<Response, Problem> {
    let About { app, headers, .. } = &asked;
    let ShowRef(show_id) = asked.id;
    let pairs = asked.query(&["fields", "at_least"])?;
    let compact = match parameter(&pairs, "fields") {
        None | Some("all") => false,
        Some("state") => true,
        Some(_) => {
            return Err(Problem::field(
                "invalid_parameter",
                "fields",
                "must be state or all",
            ));
        }
    };
    let (freshness, read) = of_session(show_id, freshness(headers, &pairs)?);
    let place = asked.place()?;
    if asks_for(headers, OCTETS) {
        return packed(app, &place, headers, freshness, read).await;
    }
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let map = read_map(app, &place, freshness, read).await?;
    let tag = etag(show_id, &map, compact);
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if compact {
        Json(compact_view(show_id, &map, &layout)).into_response()
    } else {
        Json(full_view(show_id, &map, &layout)).into_response()
    };
    let as_of = map.as_of.unwrap_or_default();
    let age = Duration::from_millis(as_of.age_ms);
    app.metrics.map_age_seconds.observe(age.as_secs_f64());
    let headers = response.headers_mut();
    // Also on 304, where there is no body to say it.
    headers.insert("holdfast-index", HeaderValue::from(as_of.index));
    headers.insert("holdfast-age-ms", HeaderValue::from(as_of.age_ms));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The seats as octets: from the live copy, unless more is asked than it has.
async fn packed(
    app: &Arc<App>,
    place: &ShowPlace,
    headers: &HeaderMap,
    freshness: Freshness,
    read: ReadOptions,
) -> Result<Response, Problem> {
    let copied = match freshness {
        Freshness::Linearizable => None,
        Freshness::Near | Freshness::Seen => copied(app, place, read.at_least_index).await,
    };
    let (state, age) = match copied {
        Some(known) => {
            footprint::served_here(place.show_id, known.state.index, events::ms(known.age));
            (known.state, known.age)
        }
        None => read_state(app, place, freshness, read).await?,
    };
    app.metrics.map_age_seconds.observe(age.as_secs_f64());
    let seats = &state.seats;
    // Strong: the body is the content alone, and that is what it was since the last change.
    let tag = format!("\"{}.{}.o\"", ShowRef(place.show_id), seats.changed_index);
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if accepts_gzip(headers) {
        octets(seats.octets_gzip(), OCTETS, true)
    } else {
        octets(seats.octets(), OCTETS, false)
    };
    let headers = response.headers_mut();
    headers.insert("holdfast-index", HeaderValue::from(state.index));
    headers.insert("holdfast-time-ms", HeaderValue::from(state.time_ms));
    headers.insert("holdfast-age-ms", HeaderValue::from(events::ms(age)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Accept-Encoding"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The live copy, when it is current enough to be shown without asking.
async fn copied(app: &Arc<App>, place: &ShowPlace, at_least: u64) -> Option<Known> {
    let show = app.live_show(place)?;
    let known = match show.known() {
        Some(known) => known,
        None => show.known_within(COPY_WAIT).await?,
    };
    (known.age <= bounds::STALE_AFTER && known.state.index >= at_least).then_some(known)
}

/// The seats as they are known near home: from the live copy, else from the nearest replica.
pub(super) async fn near(app: &Arc<App>, place: &ShowPlace) -> Result<SeatsState, Problem> {
    if let Some(known) = copied(app, place, 0).await {
        return Ok(known.state);
    }
    let read = ReadOptions::default();
    let (state, _) = read_state(app, place, Freshness::Near, read).await?;
    Ok(state)
}

async fn read_state(
    app: &Arc<App>,
    place: &ShowPlace,
    freshness: Freshness,
    read: ReadOptions,
) -> Result<(SeatsState, Duration), Problem> {
    let layout = app.layouts.get(&app.upstream, place).await?;
    let map = read_map(app, place, freshness, read).await?;
    let as_of = map.as_of.unwrap_or_default();
    let seats = Seats::new(as_of.index, map.seats.to_vec(), map.areas, &layout);
    let state = SeatsState {
        index: as_of.index,
        time_ms: map.now_ms,
        seats: Arc::new(seats),
    };
    Ok((state, Duration::from_millis(as_of.age_ms)))
}

async fn read_map(
    app: &App,
    place: &ShowPlace,
    freshness: Freshness,
    read: ReadOptions,
) -> Result<SeatMap, Problem> {
    let show_id = place.show_id;
    let ask = |node: NodeClient| async move {
        let request = GetSeatMapRequest {
            show_id,
            read: Some(read),
        };
        node.inventory().get_seat_map(request).await
    };
    Ok(app.upstream.read(place, freshness, ask).await?)
}

/// Weak: the age in the body goes on while nothing changes.
fn etag(show_id: u64, map: &SeatMap, compact: bool) -> String {
    let form = if compact { "c" } else { "f" };
    format!(
        "W/\"{}.{}.{form}\"",
        ShowRef(show_id),
        map.as_of.unwrap_or_default().index
    )
}

fn areas(map: &SeatMap, layout: &ShowLayout) -> Vec<Value> {
    let areas = layout.layout.areas.iter().zip(&map.areas);
    areas
        .map(|(area, state)| {
            let category = layout.category(area.category);
            json!({
                "id": area.id,
                "name": area.name,
                "category": category.map(|category| category.name.as_str()),
                "price_minor": category.map(|category| category.price_minor),
                "capacity": area.capacity,
                "available": state.available,
                "held": state.held,
                "sold": state.sold,
                "blocked": state.blocked,
                "x": area.x,
                "y": area.y,
            })
        })
        .collect()
}

/// States as one letter a seat, in the order of the full form's `seats`.
fn compact_view(show_id: u64, map: &SeatMap, layout: &ShowLayout) -> Value {
    let letters = map
        .seats
        .iter()
        .map(|state| LETTERS[usize::from(*state).min(3)]);
    json!({
        "show": ShowRef(show_id).to_string(),
        "as_of": views::as_of(map.as_of),
        "now_ms": map.now_ms,
        "states": letters.collect::<String>(),
        "areas": areas(map, layout),
    })
}

fn full_view(show_id: u64, map: &SeatMap, layout: &ShowLayout) -> Value {
    let plan = &layout.layout;
    let seats: Vec<Value> = plan
        .seats
        .iter()
        .zip(&map.seats)
        .map(|(seat, state)| {
            let category = layout.category(seat.category);
            let mut view = json!({
                "id": seat.id,
                // A state this gateway does not know is not for sale.
                "state": STATES[usize::from(*state).min(3)],
                "category": category.map(|category| category.name.as_str()),
                "price_minor": category.map(|category| category.price_minor),
                "zone": seat.zone,
                "row": seat.row,
                "number": seat.number,
                "x": seat.x,
                "y": seat.y,
            });
            if seat.accessible {
                view["accessible"] = json!(true);
            }
            if let Some(of) = seat.companion_of {
                view["companion_of"] = json!(layout.seat_id(of));
            }
            view
        })
        .collect();
    let categories: Vec<Value> = plan
        .categories
        .iter()
        .map(|c| json!({ "name": c.name, "color": c.color, "price_minor": c.price_minor }))
        .collect();
    json!({
        "show": ShowRef(show_id).to_string(),
        "currency": plan.currency,
        "as_of": views::as_of(map.as_of),
        "now_ms": map.now_ms,
        "width": plan.width,
        "height": plan.height,
        "seats_per_order_max": plan.seats_per_order_max,
        "seats_per_buyer_max": plan.seats_per_buyer_max,
        "single_seat_rule": plan.single_seat_rule,
        "sale_opens_at_ms": plan.sale_opens_at_ms,
        // The wire says "never" with the largest number, which JSON readers cannot hold.
        "sale_closes_at_ms": (plan.sale_closes_at_ms != u64::MAX).then_some(plan.sale_closes_at_ms),
        "categories": categories,
        "seats": seats,
        "areas": areas(map, layout),
    })
}
