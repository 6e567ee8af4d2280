//! What a show's shard is asked to do, and what it means when it answers something else than what was asked for.
//!
//! Owns: the one way from a handler to a write. Must never: change a request between tries; `upstream` repeats it as it is.

use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{SubmitReply, SubmitRequest, submit_reply};

use crate::app::App;
use crate::layouts::ShowLayout;
use crate::problem::Problem;
use crate::session::Buyer;
use crate::upstream::ShowPlace;

use super::views;

/// A write of `buyer` to the show at `place`.
pub(super) async fn submit(
    app: &App,
    place: &ShowPlace,
    buyer: Buyer,
    key: &str,
    command: Command,
) -> Result<SubmitReply, Problem> {
    let frees = matches!(command, Command::ReleaseHold(_) | Command::CancelOrder(_));
    let request = SubmitRequest {
        tag: 0,
        show_id: place.show_id,
        caller: buyer.bytes(),
        idempotency_key: key.to_owned(),
        deadline_ms: 0,
        through_log: false,
        command: Some(command),
    };
    let reply = app.upstream.submit(request, place).await?;
    if frees {
        app.live.freed(place.show_id, reply.index);
    }
    Ok(reply)
}

/// The shard's answer is not the `wanted` thing: its "no", with seats by their plan identifiers where the plan is known.
pub(super) fn refusal(
    result: Option<submit_reply::Result>,
    layout: Option<&ShowLayout>,
    wanted: &str,
) -> Problem {
    match (result, layout) {
        (Some(submit_reply::Result::Rejection(no)), Some(layout)) => views::rejection(&no, layout),
        (Some(submit_reply::Result::Rejection(no)), None) => Problem::new(&no.code, no.message),
        _ => Problem::new(
            "internal",
            format!("the shard answered something else than {wanted}"),
        ),
    }
}
