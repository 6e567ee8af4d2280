//! The appends of one group to one follower: many on their way, replies in order.
//!
//! Owns: the window, and how long a reply may take. Must never: send ahead of the window, or go on after an error: what
//! the follower then has is for openraft to find out.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use holdfast_region_config::GroupId;
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use super::super::STREAM_APPENDS_IN_FLIGHT_MAX;
use super::super::link::{Link, LinkError};
use super::super::wire::{self, Malformed, pb};
use super::{Kinship, RpcResult, current_ms, unreachable};
use crate::lease::Lease;
use crate::types::{LogId, TypeConfig};

/// One pipelined append session: many requests in flight, replies in order.
///
/// Requests leave while openraft waits for a reply, on the task that waits: a task of their own would cost two more
/// wake-ups for each entry and follower.
pub(super) struct Pipeline<S> {
    group: GroupId,
    link: Arc<Link>,
    lease: Arc<Lease>,
    kinship: Arc<Kinship>,
    session: u64,
    /// `None` once it has ended or nothing more may be sent.
    requests: Option<S>,
    replies: mpsc::Receiver<pb::frame::Body>,
    /// The answer to a request that needed no sending.
    known: Option<LogId>,
    /// Term and time of sending of each request without a reply, oldest first. At most a window.
    in_flight: VecDeque<(u64, Instant)>,
    /// Why nothing more is sent; told after the replies to what was.
    failed: Option<RPCError<TypeConfig>>,
    /// How long the next reply may take.
    ttl: Duration,
    /// When the next reply is overdue.
    due: Instant,
    /// Fires at `due` or before: moved only when it fires, not with every reply.
    alarm: Pin<Box<Sleep>>,
    ended: bool,
}

impl<S> Drop for Pipeline<S> {
    fn drop(&mut self) {
        self.link.close_stream(self.group, self.session);
    }
}

impl<S> Pipeline<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    pub(super) fn open(
        group: GroupId,
        link: Arc<Link>,
        lease: Arc<Lease>,
        kinship: Arc<Kinship>,
        ttl: Duration,
        requests: S,
    ) -> RpcResult<Self> {
        let session = link.open_stream()?;
        let due = Instant::now() + ttl;
        Ok(Self {
            group,
            link,
            lease,
            kinship,
            session: session.id,
            requests: Some(requests),
            replies: session.replies,
            known: None,
            in_flight: VecDeque::new(),
            failed: None,
            ttl,
            due,
            alarm: Box::pin(tokio::time::sleep_until(due)),
            ended: false,
        })
    }

    /// Sends what there is to send, at most a window ahead of the replies.
    fn poll_requests(&mut self, cx: &mut Context<'_>) {
        while self.in_flight.len() < STREAM_APPENDS_IN_FLIGHT_MAX
            && self.known.is_none()
            && let Some(requests) = &mut self.requests
        {
            let request = match requests.poll_next_unpin(cx) {
                Poll::Ready(Some(request)) => request,
                Poll::Ready(None) => {
                    self.requests = None;
                    return;
                }
                Poll::Pending => return,
            };
            // Only when nothing is on its way: answers come in the order of the requests.
            if self.in_flight.is_empty() {
                let target = self.link.target().get();
                self.known = self.kinship.covers(target, &request);
                if self.known.is_some() {
                    return;
                }
            }
            let sent = (request.vote.leader_id.term, Instant::now());
            let append = wire::append_to_pb(&request, current_ms(&self.lease, &request));
            let body = pb::frame::Body::StreamAppend(append);
            if let Err(error) = self.link.tell(self.group, self.session, body) {
                self.failed = Some(error.into());
                self.requests = None;
                return;
            }
            if self.in_flight.is_empty() {
                self.due = Instant::now() + self.ttl;
            }
            self.in_flight.push_back(sent);
        }
    }

    /// The reply to the oldest request.
    fn poll_reply(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<RpcResult<StreamAppendResult<TypeConfig>>> {
        let reply = match self.replies.poll_recv(cx) {
            Poll::Ready(Some(pb::frame::Body::AppendReply(reply))) => stream_reply(reply),
            Poll::Ready(Some(pb::frame::Body::Refusal(refusal))) => {
                Err(unreachable(refusal.reason))
            }
            Poll::Ready(Some(_)) => Err(unreachable("unexpected frame in an append session")),
            Poll::Ready(None) => Err(LinkError::Broken(self.link.target()).into()),
            Poll::Pending => {
                ready!(self.poll_overdue(cx));
                let waited_ms = self.ttl.as_millis();
                Err(unreachable(format!(
                    "append was not answered in {waited_ms} ms"
                )))
            }
        };
        if let Some((term, sent)) = self.in_flight.pop_front()
            && matches!(reply, Ok(Ok(_) | Err(StreamAppendError::Conflict(_))))
        {
            let target = self.link.target().get();
            self.lease.acknowledged(target, term, sent);
        }
        self.due = Instant::now() + self.ttl;
        Poll::Ready(reply)
    }

    /// Ready once the next reply is overdue.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.due {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.due);
        }
    }
}

/// The replies, in request order; it ends after the first error, or when the requests have ended and are answered.
impl<S> Stream for Pipeline<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    type Item = RpcResult<StreamAppendResult<TypeConfig>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        this.poll_requests(cx);
        let reply = if let Some(last) = this.known.take() {
            Ok(Ok(Some(last)))
        } else if !this.in_flight.is_empty() {
            ready!(this.poll_reply(cx))
        } else if let Some(error) = this.failed.take() {
            Err(error)
        } else if this.requests.is_none() {
            this.ended = true;
            return Poll::Ready(None);
        } else {
            return Poll::Pending;
        };
        this.ended = !matches!(reply, Ok(Ok(_)));
        Poll::Ready(Some(reply))
    }
}

fn stream_reply(reply: pb::AppendReply) -> RpcResult<StreamAppendResult<TypeConfig>> {
    use pb::append_reply::Result as Wire;
    Ok(match reply.result {
        Some(Wire::Flushed(f) | Wire::Partial(f)) => Ok(f.log_id.map(wire::log_id_from_pb)),
        Some(Wire::Conflict(id)) => Err(StreamAppendError::Conflict(wire::log_id_from_pb(id))),
        Some(Wire::HigherVote(vote)) => Err(StreamAppendError::HigherVote(wire::vote_from_pb(
            Some(vote),
            "append_reply.higher_vote",
        )?)),
        None => {
            return Err(Malformed {
                field: "append_reply.result",
                reason: "missing",
            }
            .into());
        }
    })
}
