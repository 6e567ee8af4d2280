//! What anybody needs to check the draw.
//!
//! Owns: that document. Must never: say the seed before the room itself has revealed it.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use holdfast_node_api::queue::{hex, show_key};
use serde_json::json;

use super::{Asked, none};
use crate::clock;
use crate::problem::Problem;

/// `GET /v1/shows/{show}/queue/proof`
pub(in crate::http) async fn proof(asked: Asked) -> Result<Response, Problem> {
    let room = asked.room.as_deref().ok_or_else(none)?;
    let body = json!({
        "show": asked.show.to_string(),
        "algorithm": "first64(HMAC-SHA-256(seed, qid)), big-endian",
        "commit": hex(&room.commit),
        "revealed": room.seed.is_some(),
        "seed": room.seed.map(|seed| hex(&seed)),
        "sale_at_ms": room.config.sale_at_ms,
        "threshold": show_key(room.threshold),
        "age_ms": room.age_ms(clock::now()),
    });
    let cache = [(header::CACHE_CONTROL, "public, max-age=1")];
    Ok((cache, Json(body)).into_response())
}
