//! One request of a peer to one group, and its answer.
//!
//! Owns: from a decoded frame to the frame that answers it. Must never: run on the connection's own task, where it would
//! hold up the frames of other groups.

use std::sync::Arc;

use futures_util::StreamExt as _;
use holdfast_region_config::NodeId;
use openraft::raft::{AppendEntriesResponse, StreamAppendError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::super::wire::pb::frame::Body;
use super::super::wire::{self, pb};
use super::{Addressee, Append};
use crate::group::Standing;
use crate::membership::report::take_report;

/// Feeds one session's appends to openraft's pipeline and sends the answers in order.
pub(super) async fn run_pipeline(
    addressee: Addressee,
    reply_to: ReplyTo,
    requests: mpsc::Receiver<Append>,
) {
    let Some(open) = addressee.open().await else {
        return not_open(&reply_to).await;
    };
    let noted = std::collections::VecDeque::<(Option<u64>, Option<Instant>)>::new();
    let noted = Arc::new(std::sync::Mutex::new(noted));
    let noting = Arc::clone(&noted);
    let input = ReceiverStream::new(requests).map(move |append| {
        let commit = append
            .request
            .leader_commit
            .as_ref()
            .map(openraft::LogId::index);
        noting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push_back((commit, append.current_at));
        append.request
    });
    // What comes for a replica that is being put away is refused by the session, at once: openraft would not answer it at all.
    let input = input.take_until(open.closed.clone().cancelled_owned());
    let mut results = std::pin::pin!(open.raft.stream_append(input));
    while let Some(result) = results.next().await {
        let note = noted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop_front();
        let reply = match result {
            Ok(Ok(log_id)) => {
                if let Some((commit, current_at)) = note {
                    open.contact.heard(commit, current_at);
                }
                open.appended();
                pb::append_reply::Result::Flushed(pb::Flushed {
                    log_id: log_id.as_ref().map(wire::log_id_to_pb),
                })
            }
            Ok(Err(StreamAppendError::Conflict(id))) => {
                pb::append_reply::Result::Conflict(wire::log_id_to_pb(&id))
            }
            Ok(Err(StreamAppendError::HigherVote(vote))) => {
                pb::append_reply::Result::HigherVote(wire::vote_to_pb(&vote))
            }
            Err(_) => {
                return reply_to
                    .refuse(pb::RefusalCode::GroupStopped, "the group has stopped")
                    .await;
            }
        };
        reply_to
            .send(Body::AppendReply(pb::AppendReply {
                result: Some(reply),
            }))
            .await;
    }
}

pub(super) fn spawn_append(
    addressee: Addressee,
    reply_to: ReplyTo,
    append: pb::AppendRequest,
    current_at: Option<Instant>,
) {
    tokio::spawn(async move {
        let Some(open) = addressee.open().await else {
            return not_open(&reply_to).await;
        };
        let request = match wire::append_from_pb(append) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
        let commit = request.leader_commit.as_ref().map(openraft::LogId::index);
        let conflict = request
            .prev_log_id
            .as_ref()
            .map(wire::log_id_to_pb)
            .unwrap_or_default();
        let result = match open.raft.append_entries(request).await {
            Ok(AppendEntriesResponse::Success) => {
                open.contact.heard(commit, current_at);
                open.appended();
                pb::append_reply::Result::Flushed(pb::Flushed { log_id: None })
            }
            Ok(AppendEntriesResponse::PartialSuccess(id)) => {
                pb::append_reply::Result::Partial(pb::Flushed {
                    log_id: id.as_ref().map(wire::log_id_to_pb),
                })
            }
            Ok(AppendEntriesResponse::Conflict) => pb::append_reply::Result::Conflict(conflict),
            Ok(AppendEntriesResponse::HigherVote(vote)) => {
                pb::append_reply::Result::HigherVote(wire::vote_to_pb(&vote))
            }
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::GroupStopped, &e.to_string())
                    .await;
            }
        };
        reply_to
            .send(Body::AppendReply(pb::AppendReply {
                result: Some(result),
            }))
            .await;
    });
}

pub(super) fn spawn_vote(
    addressee: Addressee,
    reply_to: ReplyTo,
    wire: pb::VoteRequest,
    pre: bool,
) {
    tokio::spawn(async move {
        let Some(open) = addressee.open().await else {
            return not_open(&reply_to).await;
        };
        let standing = match (wire.leadership_transfer, wire.takeover) {
            // A leader asks whom it likes, also a node that takes the group for its own already.
            (true, _) => Standing::Transfer,
            (false, true) => Standing::Takeover,
            (false, false) => Standing::Timeout,
        };
        let mut request = match wire::vote_request_from_pb(wire) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
        // What authorises a takeover is the check below; to openraft it is like a leader's own wish.
        request.leadership_transfer |= standing == Standing::Takeover;
        let answer = match open.refusal(&request, standing) {
            Some(refusal) => Ok(refusal),
            // Who only asks whether it may stand does not say that it takes over.
            None if pre => open.raft.pre_vote(request).await,
            None => {
                let answer = open.raft.vote(request.clone()).await;
                if let (Standing::Takeover, Ok(answer)) = (standing, &answer) {
                    open.stand_past(&request, answer);
                }
                answer
            }
        };
        match answer {
            Ok(reply) => {
                reply_to
                    .send(Body::VoteReply(wire::vote_reply_to_pb(&reply)))
                    .await
            }
            Err(e) => {
                reply_to
                    .refuse(pb::RefusalCode::GroupStopped, &e.to_string())
                    .await
            }
        }
    });
}

pub(super) fn spawn_park(addressee: Addressee, reply_to: ReplyTo, request: pb::ParkRequest) {
    // A replica that is only on disk sleeps deeper than was asked for; opening it to say so would wake it.
    let parked = match &addressee {
        Addressee::Loaded(open) => open.park_as_follower(request.term, request.index),
        Addressee::OnDisk(_) => false,
    };
    tokio::spawn(async move {
        reply_to
            .send(Body::ParkReply(pb::ParkReply { parked }))
            .await;
    });
}

pub(super) fn spawn_report(
    addressee: Addressee,
    reply_to: ReplyTo,
    from: NodeId,
    report: pb::Report,
) {
    tokio::spawn(async move {
        let Some(open) = addressee.open().await else {
            return not_open(&reply_to).await;
        };
        let taken = take_report(&open, from, report.commands).await;
        let reply = pb::ReportReply { taken };
        reply_to.send(Body::ReportReply(reply)).await;
    });
}

async fn not_open(reply_to: &ReplyTo) {
    reply_to
        .refuse(
            pb::RefusalCode::GroupStopped,
            "the replica cannot be opened",
        )
        .await;
}

pub(super) fn spawn_transfer(
    addressee: Addressee,
    reply_to: ReplyTo,
    request: pb::TransferRequest,
) {
    tokio::spawn(async move {
        let Some(open) = addressee.open().await else {
            return not_open(&reply_to).await;
        };
        let request = match wire::transfer_from_pb(request) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
        open.look_again();
        match open.raft.handle_transfer_leader(request).await {
            Ok(Ok(())) => {
                reply_to
                    .send(Body::TransferReply(pb::TransferReply::default()))
                    .await
            }
            Ok(Err(refused)) => {
                reply_to
                    .send(Body::TransferReply(pb::TransferReply {
                        refused: refused.to_string(),
                    }))
                    .await;
            }
            Err(e) => {
                reply_to
                    .refuse(pb::RefusalCode::GroupStopped, &e.to_string())
                    .await
            }
        }
    });
}

/// Where an answer goes.
#[derive(Clone)]
pub(super) struct ReplyTo {
    pub(super) replies: mpsc::Sender<pb::Frame>,
    pub(super) group: u64,
    pub(super) session: u64,
}

impl ReplyTo {
    pub(super) async fn send(&self, body: Body) {
        let frame = pb::Frame {
            group: self.group,
            session: self.session,
            body: Some(body),
        };
        // The connection is gone: the peer's deadline tells it.
        let _ = self.replies.send(frame).await;
    }

    pub(super) async fn refuse(&self, code: pb::RefusalCode, reason: &str) {
        self.send(Body::Refusal(pb::Refusal {
            code: code.into(),
            reason: reason.to_owned(),
        }))
        .await;
    }
}
