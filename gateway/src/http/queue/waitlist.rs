//! Leaving one's name for seats that come back.
//!
//! Owns: that request. Must never: promise a seat.

use axum::Json;
use axum::http::StatusCode;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{JoinWaitlist, submit_reply};
use serde_json::{Value, json};

use super::{Asked, Wanted};
use crate::http::shard::{self, submit};
use crate::problem::Problem;

/// `POST /v1/shows/{show}/queue/waitlist`
pub(in crate::http) async fn waitlist(
    wanted: Wanted,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Wanted { asked, buyer } = wanted;
    asked.room()?;
    let Asked { app, place, .. } = &asked;
    let command = Command::JoinWaitlist(JoinWaitlist {});
    let reply = submit(app, place, buyer, "waitlist", command).await?;
    match reply.result {
        Some(submit_reply::Result::Waitlisted(on)) => {
            let body = json!({"show": asked.show.to_string(), "place": on.place});
            Ok((StatusCode::CREATED, Json(body)))
        }
        other => Err(shard::refusal(other, None, "a place")),
    }
}
