//! Toxiproxy's HTTP API, version 2, so that its clients can drive this network.
//!
//! | request | does |
//! |---|---|
//! | `GET /version` | says who answers |
//! | `GET /proxies`, `GET /proxies/{name}` | every proxy by name; one |
//! | `POST /proxies` | makes one: `{"name", "listen", "upstream", "enabled"}` |
//! | `POST /populate` | makes or changes many |
//! | `POST` or `PATCH /proxies/{name}` | changes `listen`, `upstream`, `enabled`; what is left out stays |
//! | `DELETE /proxies/{name}` | removes it |
//! | `GET`, `POST /proxies/{name}/toxics` | its toxics; one more: `{"name", "type", "stream", "toxicity", "attributes"}` |
//! | `GET`, `POST`, `PATCH`, `DELETE /proxies/{name}/toxics/{toxic}` | one toxic |
//! | `POST /reset` | every proxy on, no toxics, and no partitions |
//!
//! Owns: the forms of requests and answers. Must never: know what a toxic does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Wan;
use super::control::{ApiError, parse};
use super::proxies::NewProxy;
use super::proxy::Proxy;
use super::toxic::Toxic;

pub(super) fn routes() -> Router<Wan> {
    Router::new()
        .route("/version", get(version))
        .route("/proxies", get(list).post(create))
        .route("/populate", post(populate))
        .route(
            "/proxies/{name}",
            get(one).post(change).patch(change).delete(remove),
        )
        .route("/proxies/{name}/toxics", get(toxics).post(add_toxic))
        .route(
            "/proxies/{name}/toxics/{toxic}",
            get(toxic)
                .post(change_toxic)
                .patch(change_toxic)
                .delete(remove_toxic),
        )
        .route("/reset", post(reset))
}

async fn version() -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION")}))
}

/// Toxiproxy's fields first; ours, of links between regions, behind them.
fn describe(proxy: &Proxy) -> Value {
    let link = &proxy.link;
    let (shape, places) = (link.shape(), link.places());
    let mut text = json!({
        "name": link.name, "listen": places.listen.to_string(), "upstream": places.upstream,
        "enabled": shape.enabled, "toxics": shape.toxics,
    });
    if let Some(ends) = &link.ends {
        text["viewer"] = json!(ends.viewer);
        text["target"] = json!(ends.target);
        text["rtt_ms"] = json!(shape.rtt.as_secs_f64() * 1_000.0);
        text["cut"] = json!({"upstream": shape.upstream_cut, "downstream": shape.downstream_cut});
    }
    text
}

async fn list(State(wan): State<Wan>) -> Json<Value> {
    let all = wan.all().into_iter();
    Json(
        all.map(|proxy| (proxy.link.name.clone(), describe(&proxy)))
            .collect(),
    )
}

async fn one(State(wan): State<Wan>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(describe(&*wan.proxy(&name)?)))
}

#[derive(Deserialize)]
struct ProxyForm {
    #[serde(default)]
    name: String,
    listen: Option<String>,
    #[serde(default)]
    upstream: String,
    enabled: Option<bool>,
}

impl ProxyForm {
    fn checked(self) -> Result<NewProxy, ApiError> {
        let missing = |field: &str| {
            let text = format!("missing required field: {field}");
            ApiError(StatusCode::BAD_REQUEST, text)
        };
        if self.name.is_empty() {
            return Err(missing("name"));
        }
        if self.upstream.is_empty() {
            return Err(missing("upstream"));
        }
        let given = self.listen.filter(|listen| !listen.is_empty());
        Ok(NewProxy {
            name: self.name,
            listen: given.unwrap_or_else(|| "127.0.0.1:0".to_owned()),
            upstream: self.upstream,
            enabled: self.enabled.unwrap_or(true),
        })
    }
}

async fn create(
    State(wan): State<Wan>,
    body: String,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = parse::<ProxyForm>(&body)?.checked()?;
    let proxy = wan.create(new).await?;
    Ok((StatusCode::CREATED, Json(describe(&proxy))))
}

/// Also after an error the answer says what was made, as Toxiproxy's does.
async fn populate(
    State(wan): State<Wan>,
    body: String,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let forms: Vec<ProxyForm> = parse(&body)?;
    let new: Result<Vec<NewProxy>, ApiError> = forms.into_iter().map(ProxyForm::checked).collect();
    let (made, error) = wan.populate(new?).await;
    let described: Vec<Value> = made.iter().map(|proxy| describe(proxy)).collect();
    let mut answer = json!({ "proxies": described });
    let Some(error) = error else {
        return Ok((StatusCode::CREATED, Json(answer)));
    };
    let ApiError(status, text) = error.into();
    answer["error"] = json!(text);
    answer["status"] = json!(status.as_u16());
    Ok((status, Json(answer)))
}

#[derive(Deserialize)]
struct ProxyChange {
    listen: Option<String>,
    upstream: Option<String>,
    enabled: Option<bool>,
}

async fn change(
    State(wan): State<Wan>,
    Path(name): Path<String>,
    body: String,
) -> Result<Json<Value>, ApiError> {
    let change: ProxyChange = parse(&body)?;
    let given = |field: Option<String>| field.filter(|text| !text.is_empty());
    let (listen, upstream) = (given(change.listen), given(change.upstream));
    // Off first: a port that is given up must not be bound on the way.
    if change.enabled == Some(false) {
        wan.set_enabled(&name, false).await?;
    }
    wan.move_to(&name, listen.as_deref(), upstream.as_deref())
        .await?;
    if change.enabled == Some(true) {
        wan.set_enabled(&name, true).await?;
    }
    Ok(Json(describe(&*wan.proxy(&name)?)))
}

async fn remove(State(wan): State<Wan>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    wan.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn toxics(
    State(wan): State<Wan>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Toxic>>, ApiError> {
    let proxy: Arc<Proxy> = wan.proxy(&name)?;
    Ok(Json(proxy.link.shape().toxics))
}

async fn add_toxic(
    State(wan): State<Wan>,
    Path(name): Path<String>,
    body: String,
) -> Result<Json<Toxic>, ApiError> {
    let body: Value = parse(&body)?;
    // The proxy first: Toxiproxy says so of a toxic that is wrong on a proxy that is not there.
    wan.proxy(&name)?;
    let toxic = Toxic::parse(&body)?;
    wan.add_toxic(&name, toxic.clone())?;
    Ok(Json(toxic))
}

async fn toxic(
    State(wan): State<Wan>,
    Path((name, toxic)): Path<(String, String)>,
) -> Result<Json<Toxic>, ApiError> {
    Ok(Json(wan.toxic(&name, &toxic)?))
}

async fn change_toxic(
    State(wan): State<Wan>,
    Path((name, toxic)): Path<(String, String)>,
    body: String,
) -> Result<Json<Toxic>, ApiError> {
    let body: Value = parse(&body)?;
    let before = wan.toxic(&name, &toxic)?;
    let mut after = before.changed(&body)?;
    // The same trouble, more or less of it: what it has counted so far stays counted.
    after.serial = before.serial;
    wan.replace_toxic(&name, after.clone())?;
    Ok(Json(after))
}

async fn remove_toxic(
    State(wan): State<Wan>,
    Path((name, toxic)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    wan.remove_toxic(&name, &toxic)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(State(wan): State<Wan>) -> Result<StatusCode, ApiError> {
    wan.reset().await?;
    Ok(StatusCode::NO_CONTENT)
}
