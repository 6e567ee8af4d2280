//! The network's control API over HTTP: the beginnings of Toxiproxy's, and partitions.
//!
//! | request | does |
//! |---|---|
//! | `GET /version` | says who answers |
//! | `GET /proxies`, `GET /proxies/{name}` | every link; one link |
//! | `POST /proxies/{name}` `{"enabled": false}` | disables or enables one link |
//! | `GET /proxies/{name}/toxics` | its toxics |
//! | `POST /proxies/{name}/toxics` | adds `{"name", "type": "latency", "stream", "attributes": {"latency", "jitter"}}` |
//! | `DELETE /proxies/{name}/toxics/{toxic}` | removes it |
//! | `POST /reset` | everything as at the start, partitions too |
//! | `GET /partitions` | `{"cut": [{"from", "to"}]}` |
//! | `POST /partitions` | `{"isolate": "eastus"}`, or `{"from", "to", "one_way": false}` |
//! | `DELETE /partitions` | heals all, or with `?from=…&to=…` both ways between two regions |
//! | `GET /metrics` | Prometheus text |
//!
//! Owns: the HTTP form. Must never: be reachable from another machine; it listens where it is told, on loopback.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use holdfast_region_config::RegionId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::link::Link;
use super::shape::{
    Direction, LatencyAttributes, TOXIC_LATENCY_MS_MAX, TOXICS_MAX, Toxic, ToxicKind,
};
use super::{Wan, WanError};

/// Largest request body, bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The routes of the control API.
pub fn router(wan: Wan) -> Router {
    Router::new()
        .route(
            "/version",
            get(|| async { Json(json!({"version": env!("CARGO_PKG_VERSION")})) }),
        )
        .route("/proxies", get(list))
        .route("/proxies/{name}", get(one).post(set))
        .route("/proxies/{name}/toxics", get(toxics).post(add_toxic))
        .route("/proxies/{name}/toxics/{toxic}", delete(remove_toxic))
        .route("/reset", post(reset))
        .route("/partitions", get(partitions).post(partition).delete(heal))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(wan)
}

/// Toxiproxy's error form.
struct ApiError(StatusCode, String);

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
            | WanError::UnknownToxic { .. } => StatusCode::NOT_FOUND,
            WanError::ToxicExists { .. } => StatusCode::CONFLICT,
            WanError::Socket { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

fn bad(reason: impl Into<String>) -> ApiError {
    ApiError(StatusCode::BAD_REQUEST, reason.into())
}

/// Like `axum::Json`, with this API's error form; Toxiproxy clients do not all send a content type.
fn parse<T: for<'de> Deserialize<'de>>(body: &str) -> Result<T, ApiError> {
    serde_json::from_str(body).map_err(|error| bad(error.to_string()))
}

fn describe(link: &Link) -> Value {
    let shape = link.shape();
    json!({
        "name": link.name, "listen": link.listen.to_string(), "upstream": link.upstream.to_string(),
        "enabled": shape.enabled, "toxics": shape.toxics,
        "viewer": link.viewer, "target": link.target, "rtt_ms": shape.rtt.as_secs_f64() * 1_000.0,
        "cut": {"upstream": shape.upstream_cut, "downstream": shape.downstream_cut},
    })
}

async fn list(State(wan): State<Wan>) -> Json<Value> {
    Json(
        wan.links()
            .map(|link| (link.name.clone(), describe(link)))
            .collect(),
    )
}

async fn one(State(wan): State<Wan>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(describe(wan.link(&name)?)))
}

#[derive(Deserialize)]
struct SetProxy {
    enabled: bool,
}

async fn set(
    State(wan): State<Wan>,
    Path(name): Path<String>,
    body: String,
) -> Result<Json<Value>, ApiError> {
    let SetProxy { enabled } = parse(&body)?;
    wan.set_enabled(&name, enabled)?;
    Ok(Json(describe(wan.link(&name)?)))
}

async fn toxics(
    State(wan): State<Wan>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Toxic>>, ApiError> {
    Ok(Json(wan.link(&name)?.shape().toxics))
}

#[derive(Deserialize)]
struct NewToxic {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: ToxicKind,
    stream: Option<Direction>,
    toxicity: Option<f32>,
    #[serde(default)]
    attributes: LatencyAttributes,
}

async fn add_toxic(
    State(wan): State<Wan>,
    Path(name): Path<String>,
    body: String,
) -> Result<Json<Toxic>, ApiError> {
    let new: NewToxic = parse(&body)?;
    if new
        .toxicity
        .is_some_and(|share| (share - 1.0).abs() > f32::EPSILON)
    {
        return Err(bad("toxicity: only 1 is supported"));
    }
    let LatencyAttributes { latency, jitter } = new.attributes;
    if latency > TOXIC_LATENCY_MS_MAX || jitter > TOXIC_LATENCY_MS_MAX {
        return Err(bad(format!(
            "attributes: at most {TOXIC_LATENCY_MS_MAX} ms"
        )));
    }
    let stream = new.stream.unwrap_or(Direction::Downstream);
    let toxic = Toxic {
        name: new
            .name
            .unwrap_or_else(|| format!("latency_{}", stream.as_str())),
        kind: new.kind,
        stream,
        toxicity: 1.0,
        attributes: new.attributes,
    };
    let mut result = Ok(Json(toxic.clone()));
    wan.link(&name)?.change(|shape| {
        if shape.toxics.iter().any(|other| other.name == toxic.name) {
            result = Err(WanError::ToxicExists {
                link: name,
                toxic: toxic.name,
            }
            .into());
        } else if shape.toxics.len() >= TOXICS_MAX {
            result = Err(bad(format!("at most {TOXICS_MAX} toxics on one proxy")));
        } else {
            shape.toxics.push(toxic);
        }
    });
    result
}

async fn remove_toxic(
    State(wan): State<Wan>,
    Path((name, toxic)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let mut removed = false;
    wan.link(&name)?.change(|shape| {
        let before = shape.toxics.len();
        shape.toxics.retain(|other| other.name != toxic);
        removed = shape.toxics.len() < before;
    });
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(WanError::UnknownToxic { link: name, toxic }.into())
    }
}

async fn reset(State(wan): State<Wan>) -> StatusCode {
    wan.reset();
    StatusCode::NO_CONTENT
}

fn cut_list(wan: &Wan) -> Json<Value> {
    let partitions = wan.partitions();
    let cut: Vec<Value> = partitions
        .iter()
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect();
    Json(json!({ "cut": cut }))
}

async fn partitions(State(wan): State<Wan>) -> Json<Value> {
    cut_list(&wan)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPartition {
    isolate: Option<String>,
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
    match (new.isolate, new.from, new.to) {
        (Some(region), None, None) => wan.isolate(&known(&wan, &region)?),
        (None, Some(from), Some(to)) => {
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
        _ => return Err(bad("give either isolate, or from and to")),
    }
    Ok(cut_list(&wan))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealQuery {
    from: Option<String>,
    to: Option<String>,
}

async fn heal(
    State(wan): State<Wan>,
    Query(which): Query<HealQuery>,
) -> Result<Json<Value>, ApiError> {
    match (which.from, which.to) {
        (None, None) => wan.heal_all(),
        (Some(from), Some(to)) => wan.heal(&known(&wan, &from)?, &known(&wan, &to)?),
        _ => return Err(bad("give from and to, or neither")),
    }
    Ok(cut_list(&wan))
}

async fn metrics(State(wan): State<Wan>) -> String {
    wan.shared.metrics.text()
}
