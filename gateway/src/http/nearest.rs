//! `GET /v1/shows/{show}/nearest`: a free block to offer to whoever lost seats.
//!
//! Asked for by itself and not given with every refusal: in an on-sale nearly all holds are refused, and that answer must cost nothing.
//!
//! Owns: reading the question. Must never: hold anything.

use axum::Json;
use axum::http::Uri;
use holdfast_node_api::refs::ShowRef;
use serde_json::{Value, json};

use super::about::About;
use super::seats::near;
use crate::layouts::ShowLayout;
use crate::limits;
use crate::offer::nearest_block;
use crate::problem::Problem;

/// Seat numbers of the query's `name`s.
fn numbers(uri: &Uri, name: &str, layout: &ShowLayout) -> Result<Vec<u32>, Problem> {
    let query = uri.query().unwrap_or("");
    let mut numbers = Vec::new();
    for (given, id) in form_urlencoded::parse(query.as_bytes()) {
        if given != name {
            continue;
        }
        let number = layout.seat_number(&id).ok_or_else(|| {
            let shown: String = id.chars().take(40).collect();
            Problem::new(
                "seat_unknown",
                format!("the show has no such seat: {shown}"),
            )
        })?;
        if numbers.len() == limits::SEATS_PER_REQUEST_MAX {
            return Err(Problem::field(
                "invalid_parameter",
                name,
                "is given too often",
            ));
        }
        numbers.push(number);
    }
    Ok(numbers)
}

/// `?seat=A-1&seat=A-2&gone=A-2`: as many seats as `seat`s, side by side and near to them; `gone` are known to be taken, whatever
/// the copy of the map here says.
pub(super) async fn block(asked: About<ShowRef>) -> Result<Json<Value>, Problem> {
    let About { app, uri, .. } = &asked;
    let place = asked.place()?;
    let layout = app.layouts.get(&app.upstream, &place).await?;
    let wanted = numbers(uri, "seat", &layout)?;
    let gone = numbers(uri, "gone", &layout)?;
    if wanted.is_empty() {
        return Err(Problem::field("invalid_parameter", "seat", "is missing"));
    }
    let state = near(app, &place).await?;
    let block = nearest_block(&layout, &state.seats.states, &wanted, &gone).unwrap_or_default();
    Ok(Json(json!({
        "show": asked.id.to_string(),
        "seats": layout.seat_ids(&block),
        "index": state.index,
    })))
}
