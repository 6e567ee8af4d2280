//! `GET /v1/route/observations`: what this gateway sees of each region, and what it believes.
//!
//! Owns: saying it. Gateways ask each other here, and people whom DNS puzzles. Must never: ask anybody in turn.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;

/// From memory, at once.
pub(super) async fn all(State(app): State<Arc<App>>) -> Response {
    let ready = app.catalogue.current().is_some() && !app.draining();
    let region = app.config.region.clone();
    Json(app.observatory.observations(region, ready)).into_response()
}
