//! Challenges for whoever has to solve one.
//!
//! Owns: `GET /v1/challenge`. Must never: give out waits as fast as it gives out work.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use super::door::refused;
use super::request::{parameter, query};
use crate::app::App;
use crate::client_address::Client;
use crate::clock;
use crate::problem::Problem;
use crate::rates::Refusal;

pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    client: Option<Extension<Client>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let pairs = query(&uri, &["kind"])?;
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let addr = client.map_or(nobody, |Extension(client)| client.addr);
    let now_ms = clock::unix_ms();
    match parameter(&pairs, "kind") {
        None | Some("work") => {
            let risk = app.rates.risk_of(addr, clock::now());
            Ok(Json(app.rates.challenges.issue(risk, now_ms)).into_response())
        }
        Some("wait") => {
            let taken = app.rates.take_wait(addr);
            taken.map_err(|after| refused(&app, Refusal::TooMany { of: "waits", after }))?;
            Ok(Json(app.rates.challenges.issue_wait(now_ms)).into_response())
        }
        Some(_) => {
            let reason = "must be work or wait";
            Err(Problem::field("invalid_parameter", "kind", reason))
        }
    }
}
