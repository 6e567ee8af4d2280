//! What operators and balancers ask: alive, ready, metrics.
//!
//! Owns: what "ready" means. Must never: depend on a node for being alive.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::app::App;

/// `GET /healthz`: the process runs.
pub(super) async fn healthz() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: it knows the catalogue and was not told to stop. Being cut off does not make it unready: maps with their
/// age are worth more than nothing.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let age_ms = app.catalogue.current().map(|catalogue| catalogue.age_ms());
    let reason = match age_ms {
        _ if app.draining() => Some("stopping"),
        None => Some("no node has given the catalogue yet"),
        Some(_) => None,
    };
    let status = if reason.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if reason.is_none() { "ready" } else { "not ready" },
        "reason": reason,
        "region": app.config.region.as_str(),
        "catalogue_age_ms": age_ms,
    });
    (status, super::assets::own_error_page(), Json(body)).into_response()
}

/// `GET /metrics`: Prometheus text.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let age_ms = app.catalogue.current().map(|catalogue| catalogue.age_ms());
    app.metrics
        .round_trips
        .known(&app.geo.measured().networks());
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, app.metrics.render(age_ms)).into_response()
}
