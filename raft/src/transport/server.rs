//! What peers may ask of this node: frames in, to the group they name, and the answers back.
//!
//! Owns: demultiplexing and its limits. Must never: let a frame for one group wait behind another group's work (every
//! request runs on a task of its own, every append session in its own queue), or act for another cluster or node.

mod calls;
mod sessions;
mod snapshots;

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use holdfast_region_config::{GroupId, NodeId};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::calls::{
    ReplyTo, run_pipeline, spawn_append, spawn_park, spawn_report, spawn_transfer, spawn_vote,
};
use self::sessions::Sessions;
use super::dial::{DialError, FrameStream};
use super::wire::pb::frame::Body;
use super::wire::{self, pb};
use super::{OUTBOUND_FRAMES_MAX, PROTOCOL, Pulses, SESSION_QUEUE_MAX};
use crate::group::GroupCore;
use crate::types::TypeConfig;

/// Finds and opens the replicas of this node.
pub(crate) trait Groups: Send + Sync + 'static {
    /// The replica, when it is in memory.
    fn loaded(&self, group: GroupId) -> Option<Arc<GroupCore>>;
    /// Whether this node keeps a replica, in memory or on disk.
    fn is_here(&self, group: GroupId) -> bool;
    /// The replica, from disk when it is not in memory; `None` when it cannot be had.
    fn open(&self, group: GroupId) -> BoxFuture<'static, Option<Arc<GroupCore>>>;
}

/// A replica that a frame is for.
pub(super) enum Addressee {
    Loaded(Arc<GroupCore>),
    OnDisk(BoxFuture<'static, Option<Arc<GroupCore>>>),
}

impl Addressee {
    /// The replica; waits for the disk when it has to.
    pub(super) async fn open(self) -> Option<Arc<GroupCore>> {
        match self {
            Self::Loaded(core) => Some(core),
            Self::OnDisk(opening) => opening.await,
        }
    }
}

/// The peer service of one node.
#[derive(Clone)]
pub(crate) struct PeerServer {
    pub(crate) cluster: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) pulses: Arc<dyn Pulses>,
    pub(crate) stop: CancellationToken,
    /// Snapshots that may arrive at once; each is gathered in memory.
    pub(crate) arriving: Arc<Semaphore>,
}

/// Why a link or a snapshot is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// A message does not make sense; the text begins with the field.
    #[error("{0}")]
    Malformed(String),
    /// Another cluster, node or protocol is meant.
    #[error("{0}")]
    NotForUs(String),
    /// The group is not open here or has stopped.
    #[error("{0}")]
    Unavailable(String),
    /// Enough of this is going on already.
    #[error("{0}")]
    Busy(&'static str),
    /// The pieces are not what the header announced.
    #[error("header.checksum: the pieces do not match it")]
    Damaged,
    /// The peer went away.
    #[error("{0}")]
    Broken(String),
}

impl From<DialError> for Refused {
    fn from(error: DialError) -> Self {
        Self::Broken(error.reason)
    }
}

impl PeerServer {
    /// Serves a link until it breaks; the receiver yields what goes back to the peer.
    pub(crate) async fn serve_link(
        &self,
        mut inbound: FrameStream,
    ) -> Result<mpsc::Receiver<pb::Frame>, Refused> {
        let first = inbound.next().await.transpose()?;
        let Some(Body::Hello(hello)) = first.and_then(|frame| frame.body) else {
            let reason = "the first frame must be hello".to_owned();
            return Err(Refused::Malformed(reason));
        };
        self.check_hello(&hello)?;
        let (replies, outbound) = mpsc::channel(OUTBOUND_FRAMES_MAX);
        let from = NodeId::new(hello.from_node);
        self.pulses.greeted(from);
        let connection = Connection {
            server: self.clone(),
            from,
            incarnation: 0,
            replies,
            sessions: Sessions::default(),
        };
        tokio::spawn(connection.run(inbound));
        Ok(outbound)
    }

    fn check_hello(&self, hello: &pb::Hello) -> Result<(), Refused> {
        if hello.protocol != PROTOCOL {
            return Err(Refused::NotForUs(format!(
                "hello.protocol: this node speaks {PROTOCOL}, the peer {}",
                hello.protocol
            )));
        }
        self.check_addressee(&hello.cluster, hello.to_node)
    }

    fn check_addressee(&self, cluster: &str, to_node: u64) -> Result<(), Refused> {
        if cluster != &*self.cluster {
            return Err(Refused::NotForUs(format!(
                "cluster: this node belongs to \"{}\", the peer asked for another",
                self.cluster
            )));
        }
        if to_node != self.node.get() {
            return Err(Refused::NotForUs(format!(
                "to_node: this is {}, the peer wants n{to_node}: check the addresses of the topology",
                self.node
            )));
        }
        Ok(())
    }
}

/// One peer's incoming connection.
struct Connection {
    server: PeerServer,
    /// Who dialled.
    from: NodeId,
    /// Its process, as the first ping on this connection said, which comes before anything else.
    incarnation: u64,
    replies: mpsc::Sender<pb::Frame>,
    /// Open append pipelines by session.
    sessions: Sessions,
}

/// An append with what its bookkeeping needs.
struct Append {
    request: AppendEntriesRequest<TypeConfig>,
    /// When what the leader says in it was current.
    current_at: Option<Instant>,
}

impl Connection {
    async fn run(mut self, mut inbound: FrameStream) {
        let stop = self.server.stop.clone();
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return,
                frame = inbound.next() => frame,
            };
            match frame {
                Some(Ok(frame)) => self.handle(frame).await,
                // The peer went away; it dials again when it wants to.
                None | Some(Err(_)) => return,
            }
        }
    }

    async fn handle(&mut self, frame: pb::Frame) {
        let reply_to = ReplyTo {
            replies: self.replies.clone(),
            group: frame.group,
            session: frame.session,
        };
        let Some(body) = frame.body else {
            return reply_to
                .refuse(pb::RefusalCode::Malformed, "body: missing")
                .await;
        };
        match body {
            Body::Ping(ping) => {
                self.incarnation = ping.incarnation;
                let answer = self.server.pulses.pinged(self.from, &ping);
                return reply_to.send(Body::Pong(answer)).await;
            }
            Body::Claims(claims) => return self.server.pulses.claimed(self.from, claims),
            Body::Nudge(nudge) => {
                let group = GroupId::new(frame.group);
                return self.server.pulses.nudged(group, nudge.in_vain);
            }
            Body::Close(pb::CloseSession {}) => {
                self.sessions.remove(frame.session);
                return;
            }
            _ => {}
        }
        let Some(addressee) = self.addressee(GroupId::new(frame.group)) else {
            return reply_to
                .refuse(pb::RefusalCode::NoSuchGroup, "the group is not here")
                .await;
        };
        match body {
            Body::StreamAppend(append) => self.stream_append(addressee, reply_to, append).await,
            Body::Append(append) => {
                let current_at = self.placed(append.current_ms);
                spawn_append(addressee, reply_to, append, current_at);
            }
            Body::Vote(request) => spawn_vote(addressee, reply_to, request, false),
            Body::PreVote(request) => spawn_vote(addressee, reply_to, request, true),
            Body::Transfer(request) => spawn_transfer(addressee, reply_to, request),
            Body::Park(request) => spawn_park(addressee, reply_to, request),
            Body::Report(report) => spawn_report(addressee, reply_to, self.from, report),
            _ => {
                reply_to
                    .refuse(pb::RefusalCode::Malformed, "body: not a request")
                    .await
            }
        }
    }

    fn addressee(&self, group: GroupId) -> Option<Addressee> {
        let groups = &self.server.groups;
        if let Some(core) = groups.loaded(group) {
            return Some(Addressee::Loaded(core));
        }
        groups
            .is_here(group)
            .then(|| Addressee::OnDisk(groups.open(group)))
    }

    /// A moment that the peer names by its clock, by ours.
    fn placed(&self, stamp_ms: u64) -> Option<Instant> {
        let pulses = &self.server.pulses;
        pulses.stamped(self.from, self.incarnation, stamp_ms)
    }

    /// Passes an append to its session's pipeline, which the first one opens.
    async fn stream_append(
        &mut self,
        addressee: Addressee,
        reply_to: ReplyTo,
        append: pb::AppendRequest,
    ) {
        let current_at = self.placed(append.current_ms);
        let request = match wire::append_from_pb(append) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
        let append = Append {
            request,
            current_at,
        };
        let session = reply_to.session;
        if self.sessions.get(session).is_none() {
            if !self.sessions.has_room() {
                return reply_to
                    .refuse(pb::RefusalCode::Busy, "too many sessions")
                    .await;
            }
            let (queue, requests) = mpsc::channel(SESSION_QUEUE_MAX);
            tokio::spawn(run_pipeline(addressee, reply_to.clone(), requests));
            self.sessions.insert(session, queue);
        }
        let queue = self.sessions.get(session);
        let refused = match queue.map(|queue| queue.try_send(append)) {
            Some(Ok(())) => None,
            Some(Err(mpsc::error::TrySendError::Full(_))) => Some("too many appends in flight"),
            // The pipeline ended after an error that it has already reported.
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Some("the session has ended"),
        };
        if let Some(reason) = refused {
            self.sessions.remove(session);
            reply_to.refuse(pb::RefusalCode::Busy, reason).await;
        }
    }
}

#[cfg(test)]
mod tests;
