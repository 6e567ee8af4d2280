//! The way to a client and back: `GET /v1/route/echo` measures it, `GET /v1/route/round-trips` tells other gateways.
//!
//! Owns: what is read from both requests. Must never: put an address into anything; what is measured is kept for a network.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::explain::ms;
use super::request::{parameter, query};
use super::session;
use crate::app::App;
use crate::client_address::Client;
use crate::clock;
use crate::geo::measured::network_of;
use crate::geo::told::{BadCursor, Cursor, Told};
use crate::problem::Problem;

/// `GET /v1/route/echo`: a token; with the token of the answer before, how long that was away. Pages of every region's gateway
/// ask here, so any origin may read the answer: there is nothing in it but what the asker knows.
pub(super) async fn echo(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    uri: Uri,
) -> Result<Response, Problem> {
    let received = clock::now();
    let pairs = query(&uri, &["token"])?;
    let network = network_of(client.addr);
    let token = parameter(&pairs, "token");
    let answered = token.map(|token| app.echoes.answered(token, network, received));
    let round_trip = answered
        .transpose()
        .map_err(|error| Problem::field("invalid_parameter", "token", error.to_string()))?;
    if let Some(round_trip) = round_trip
        && app.geo.measured().take(network, round_trip, received)
    {
        app.metrics.round_trips.taken.inc();
    }
    let body = json!({
        "region": app.config.region.as_str(),
        "round_trip_ms": round_trip.map(ms),
        // Made last: whatever is done after it is taken for a part of the way.
        "token": app.echoes.issue(network, clock::now()),
    });
    let anybody = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Ok((anybody, Json(body)).into_response())
}

/// `GET /v1/route/round-trips`: what was measured here since the asker asked last.
pub(super) async fn told(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Told>, Problem> {
    let token = session::token(&headers)?;
    if !token.is_some_and(|token| app.cluster_token.is(token)) {
        let reason = "must be that of this cluster's gateways: only they are told";
        return Err(Problem::field("token_invalid", "Authorization", reason));
    }
    let pairs = query(&uri, &["after"])?;
    let after = parameter(&pairs, "after").map(str::parse::<Cursor>);
    let after = after.transpose().map_err(|error: BadCursor| {
        Problem::field("invalid_parameter", "after", error.to_string())
    })?;
    Ok(Json(app.geo.measured().tell(after, clock::now())))
}
