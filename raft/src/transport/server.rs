//! What peers may ask of this node: frames in, to the group they name, and the answers back.
//!
//! Owns: demultiplexing and its limits. Must never: let a frame for one group wait behind another group's work (every
//! request runs on a task of its own, every append session in its own queue), or act for another cluster or node.

mod calls;
mod snapshots;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use holdfast_region_config::{GroupId, NodeId};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use self::calls::{ReplyTo, run_pipeline, said_at, spawn_append, spawn_transfer, spawn_vote};
use super::wire::pb::frame::Body;
use super::wire::{self, pb};
use super::{OUTBOUND_FRAMES_MAX, PROTOCOL, SESSION_QUEUE_MAX, SESSIONS_MAX};
use crate::contact::Contact;
use crate::state_machine::StateMachine;
use crate::types::TypeConfig;

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// What the server needs of a group that is open here.
#[derive(Clone)]
pub(crate) struct OpenGroup {
    pub(crate) raft: Raft,
    /// When this replica last heard its leader, for the age of reads.
    pub(crate) contact: Arc<Contact>,
}

/// Finds groups by id.
pub(crate) trait Groups: Send + Sync + 'static {
    /// The group, when it is open here.
    fn open_group(&self, group: GroupId) -> Option<OpenGroup>;
}

/// The peer service of one node.
#[derive(Clone)]
pub(crate) struct PeerServer {
    pub(crate) cluster: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) stop: CancellationToken,
    /// Snapshots that may arrive at once; each is gathered in memory.
    pub(crate) arriving: Arc<Semaphore>,
}

#[tonic::async_trait]
impl pb::peer_server::Peer for PeerServer {
    type LinkStream = ReceiverStream<Result<pb::Frame, Status>>;

    async fn link(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let mut inbound = request.into_inner();
        let first = inbound.message().await?;
        let Some(Body::Hello(hello)) = first.and_then(|frame| frame.body) else {
            return Err(Status::invalid_argument("the first frame must be hello"));
        };
        self.check_hello(&hello)?;
        let (replies, outbound) = mpsc::channel(OUTBOUND_FRAMES_MAX);
        let connection = Connection {
            server: self.clone(),
            replies,
            sessions: HashMap::new(),
        };
        tokio::spawn(connection.run(inbound));
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<pb::SnapshotPart>>,
    ) -> Result<Response<pb::SnapshotReply>, Status> {
        let vote = self.receive_snapshot(request.into_inner()).await?;
        Ok(Response::new(pb::SnapshotReply { vote: Some(vote) }))
    }
}

impl PeerServer {
    fn check_hello(&self, hello: &pb::Hello) -> Result<(), Status> {
        if hello.protocol != PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "hello.protocol: this node speaks {PROTOCOL}, the peer {}",
                hello.protocol
            )));
        }
        self.check_addressee(&hello.cluster, hello.to_node)
    }

    fn check_addressee(&self, cluster: &str, to_node: u64) -> Result<(), Status> {
        if cluster != &*self.cluster {
            return Err(Status::failed_precondition(format!(
                "cluster: this node belongs to \"{}\", the peer asked for another",
                self.cluster
            )));
        }
        if to_node != self.node.get() {
            return Err(Status::failed_precondition(format!(
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
    replies: mpsc::Sender<Result<pb::Frame, Status>>,
    /// Open append pipelines by session.
    sessions: HashMap<u64, mpsc::Sender<Append>>,
}

/// An append with what its bookkeeping needs.
struct Append {
    request: AppendEntriesRequest<TypeConfig>,
    /// When what the leader says in it was current.
    current_at: Option<Instant>,
}

impl Connection {
    async fn run(mut self, mut inbound: Streaming<pb::Frame>) {
        let stop = self.server.stop.clone();
        loop {
            let frame = tokio::select! {
                () = stop.cancelled() => return,
                frame = inbound.message() => frame,
            };
            match frame {
                Ok(Some(frame)) => self.handle(frame).await,
                // The peer went away; it dials again when it wants to.
                Ok(None) | Err(_) => return,
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
            Body::Ping(ping) => return reply_to.send(Body::Pong(ping)).await,
            Body::Close(pb::CloseSession {}) => {
                self.sessions.remove(&frame.session);
                return;
            }
            _ => {}
        }
        let Some(open) = self.server.groups.open_group(GroupId::new(frame.group)) else {
            return reply_to
                .refuse(pb::RefusalCode::NoSuchGroup, "the group is not open here")
                .await;
        };
        match body {
            Body::StreamAppend(append) => self.stream_append(open, reply_to, append).await,
            Body::Append(append) => spawn_append(open, reply_to, append),
            Body::Vote(request) => spawn_vote(open, reply_to, request, false),
            Body::PreVote(request) => spawn_vote(open, reply_to, request, true),
            Body::Transfer(request) => spawn_transfer(open, reply_to, request),
            _ => {
                reply_to
                    .refuse(pb::RefusalCode::Malformed, "body: not a request")
                    .await
            }
        }
    }

    /// Passes an append to its session's pipeline, which the first one opens.
    async fn stream_append(
        &mut self,
        open: OpenGroup,
        reply_to: ReplyTo,
        append: pb::AppendRequest,
    ) {
        let current_at = said_at(append.leader_age_ms);
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
        if !self.sessions.contains_key(&session) {
            self.sessions.retain(|_, queue| !queue.is_closed());
            if self.sessions.len() >= SESSIONS_MAX {
                return reply_to
                    .refuse(pb::RefusalCode::Busy, "too many sessions")
                    .await;
            }
            let (queue, requests) = mpsc::channel(SESSION_QUEUE_MAX);
            tokio::spawn(run_pipeline(open, reply_to.clone(), requests));
            self.sessions.insert(session, queue);
        }
        let refused = match self
            .sessions
            .get(&session)
            .map(|queue| queue.try_send(append))
        {
            Some(Ok(())) => None,
            Some(Err(mpsc::error::TrySendError::Full(_))) => Some("too many appends in flight"),
            // The pipeline ended after an error that it has already reported.
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Some("the session has ended"),
        };
        if let Some(reason) = refused {
            self.sessions.remove(&session);
            reply_to.refuse(pb::RefusalCode::Busy, reason).await;
        }
    }
}

#[cfg(test)]
mod tests;
