//! The network's control API over HTTP: Toxiproxy's, and partitions between regions.
//!
//! | request | does |
//! |---|---|
//! | as in `toxiproxy.rs` | proxies and toxics in the form of Toxiproxy 2 |
//! | `GET /partitions` | `{"cut": [{"from", "to"}], "processes": ["n2"]}` |
//! | `POST /partitions` | `{"isolate": "eastus"}`, or `{"from", "to", "one_way": false}`, or `{"process": "n2"}` |
//! | `DELETE /partitions` | heals all, or with `?from=…&to=…` both ways between two regions, or `?process=…` |
//! | `GET /metrics` | Prometheus text |
//!
//! Owns: the HTTP form. Must never: be reachable from another machine; it listens where it is told, on loopback, and refuses
//! browsers, as Toxiproxy does: a page from elsewhere could otherwise drive it.

use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use holdfast_region_config::RegionId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ToxicError, Wan, WanError, toxiproxy};

/// Largest request body, bytes: a list of all proxies that there may be.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The routes of the control API.
pub fn router(wan: Wan) -> Router {
    toxiproxy::routes()
        .route("/partitions", get(partitions).post(partition).delete(heal))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(no_browsers))
        .with_state(wan)
}

/// Toxiproxy's error form.
pub(super) struct ApiError(pub(super) StatusCode, pub(super) String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.1, "status": self.0.as_u16()});
        (self.0, Json(body)).into_response()
    }
}

impl From<WanError> for ApiError {
    fn from(error: WanError) -> Self {
        let status = match error {
            WanError::UnknownLink { .. }
            | WanError::UnknownRegion { .. }
            | WanError::UnknownProcess { .. }
            | WanError::UnknownToxic { .. } => StatusCode::NOT_FOUND,
            WanError::ToxicExists { .. } | WanError::LinkExists { .. } => StatusCode::CONFLICT,
            WanError::Toxic(_)
            | WanError::Listen { .. }
            | WanError::TooManyLinks
            | WanError::TooManyToxics => StatusCode::BAD_REQUEST,
            WanError::Socket { .. } | WanError::Thread(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<ToxicError> for ApiError {
    fn from(error: ToxicError) -> Self {
        WanError::from(error).into()
    }
}

pub(super) fn bad(reason: impl std::fmt::Display) -> ApiError {
    ApiError(
        StatusCode::BAD_REQUEST,
        format!("bad request body: {reason}"),
    )
}

/// Like `axum::Json`, with this API's error form; Toxiproxy clients do not all send a content type.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(body: &str) -> Result<T, ApiError> {
    serde_json::from_str(body).map_err(bad)
}

async fn no_browsers(request: Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    let is_browser = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    if is_browser {
        let reason = "user agent not allowed".to_owned();
        return ApiError(StatusCode::FORBIDDEN, reason).into_response();
    }
    next.run(request).await
}

fn cut_list(wan: &Wan) -> Json<Value> {
    let partitions = wan.partitions();
    let cut: Vec<Value> = partitions
        .iter()
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect();
    let processes: Vec<&str> = partitions.processes().collect();
    Json(json!({ "cut": cut, "processes": processes }))
}

async fn partitions(State(wan): State<Wan>) -> Json<Value> {
    cut_list(&wan)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPartition {
    isolate: Option<String>,
    process: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    one_way: bool,
}

fn known(wan: &Wan, text: &str) -> Result<RegionId, ApiError> {
    let unknown = || WanError::UnknownRegion {
        region: text.to_owned(),
    };
    Ok(wan
        .regions()
        .into_iter()
        .find(|region| region.as_str() == text)
        .ok_or_else(unknown)?)
}

async fn partition(State(wan): State<Wan>, body: String) -> Result<Json<Value>, ApiError> {
    let new: NewPartition = parse(&body)?;
    match (new.isolate, new.process, new.from, new.to) {
        (Some(region), None, None, None) => wan.isolate(&known(&wan, &region)?),
        (None, Some(process), None, None) => wan.isolate_process(&process)?,
        (None, None, Some(from), Some(to)) => {
            let (from, to) = (known(&wan, &from)?, known(&wan, &to)?);
            if from == to {
                return Err(bad("from and to must be different regions"));
            }
            if new.one_way {
                wan.cut_one_way(&from, &to)
            } else {
                wan.cut(&from, &to)
            }
        }
        _ => return Err(bad("give either isolate, or process, or from and to")),
    }
    Ok(cut_list(&wan))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealQuery {
    from: Option<String>,
    to: Option<String>,
    process: Option<String>,
}

async fn heal(
    State(wan): State<Wan>,
    Query(which): Query<HealQuery>,
) -> Result<Json<Value>, ApiError> {
    match (which.from, which.to, which.process) {
        (None, None, None) => wan.heal_all(),
        (None, None, Some(process)) => wan.rejoin_process(&process),
        (Some(from), Some(to), None) => wan.heal(&known(&wan, &from)?, &known(&wan, &to)?),
        _ => return Err(bad("give from and to, or process, or nothing")),
    }
    Ok(cut_list(&wan))
}

async fn metrics(State(wan): State<Wan>) -> String {
    wan.shared.metrics.text()
}
