//! What peers may ask of this node: frames in, to the group they name, and the answers back.
//!
//! Owns: demultiplexing and its limits. Must never: let a frame for one group wait behind another group's work (every
//! request runs on a task of its own, every append session in its own queue), or act for another cluster or node.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_region_config::{GroupId, NodeId};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::wire::pb::frame::Body;
use super::wire::{self, pb};
use super::{OUTBOUND_FRAMES_MAX, PROTOCOL, SESSION_QUEUE_MAX, SESSIONS_MAX, SNAPSHOT_BYTES_MAX};
use crate::contact::Contact;
use crate::state_machine::StateMachine;
use crate::types::{Snapshot, SnapshotMeta, TypeConfig};

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

    async fn receive_snapshot(
        &self,
        mut parts: Streaming<pb::SnapshotPart>,
    ) -> Result<pb::Vote, Status> {
        use pb::snapshot_part::Part;
        let first = parts.message().await?.and_then(|p| p.part);
        let Some(Part::Header(header)) = first else {
            return Err(Status::invalid_argument(
                "the first part must be the header",
            ));
        };
        self.check_addressee(&header.cluster, header.to_node)?;
        let malformed = |e: wire::Malformed| Status::invalid_argument(e.to_string());
        let vote = wire::vote_from_pb(header.vote, "header.vote").map_err(malformed)?;
        let last_membership =
            wire::stored_membership_from_pb(header.membership).map_err(malformed)?;
        if header.bytes_total > SNAPSHOT_BYTES_MAX {
            return Err(Status::invalid_argument(format!(
                "header.bytes_total: above {SNAPSHOT_BYTES_MAX}"
            )));
        }
        let group = GroupId::new(header.group);
        let open = self
            .groups
            .open_group(group)
            .ok_or_else(|| Status::unavailable(format!("{group} is not open here")))?;
        let bytes = collect_pieces(&mut parts, header.bytes_total, header.checksum).await?;
        let meta = SnapshotMeta {
            last_log_id: header.last_log_id.map(wire::log_id_from_pb),
            last_membership,
        };
        let installed = open
            .raft
            .install_full_snapshot(
                vote,
                Snapshot {
                    meta,
                    snapshot: bytes,
                },
            )
            .await;
        let reply = installed.map_err(|e| Status::unavailable(e.to_string()))?;
        Ok(wire::vote_to_pb(&reply.vote))
    }
}

/// Gathers exactly the announced bytes and checks them.
async fn collect_pieces(
    parts: &mut Streaming<pb::SnapshotPart>,
    bytes_total: u64,
    checksum: u64,
) -> Result<Bytes, Status> {
    let total =
        usize::try_from(bytes_total).map_err(|_| Status::invalid_argument("header.bytes_total"))?;
    let mut bytes = BytesMut::new();
    while let Some(part) = parts.message().await? {
        let Some(pb::snapshot_part::Part::Piece(piece)) = part.part else {
            return Err(Status::invalid_argument(
                "only pieces may follow the header",
            ));
        };
        if bytes.len() + piece.len() > total {
            return Err(Status::invalid_argument(
                "piece: more bytes than header.bytes_total",
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.len() != total {
        return Err(Status::invalid_argument(
            "piece: fewer bytes than header.bytes_total",
        ));
    }
    let bytes = bytes.freeze();
    if xxhash_rust::xxh3::xxh3_64(&bytes) != checksum {
        return Err(Status::data_loss(
            "header.checksum: the pieces do not match it",
        ));
    }
    Ok(bytes)
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
    received: Instant,
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
            received: Instant::now(),
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

/// Feeds one session's appends to openraft's pipeline and sends the answers in order.
async fn run_pipeline(open: OpenGroup, reply_to: ReplyTo, requests: mpsc::Receiver<Append>) {
    let noted = std::collections::VecDeque::<(Option<u64>, Instant)>::new();
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
            .push_back((commit, append.received));
        append.request
    });
    let mut results = std::pin::pin!(open.raft.stream_append(input));
    while let Some(result) = results.next().await {
        let note = noted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop_front();
        let reply = match result {
            Ok(Ok(log_id)) => {
                if let Some((commit, received)) = note {
                    open.contact.heard(commit, received);
                }
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

fn spawn_append(open: OpenGroup, reply_to: ReplyTo, append: pb::AppendRequest) {
    tokio::spawn(async move {
        let received = Instant::now();
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
                open.contact.heard(commit, received);
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

fn spawn_vote(open: OpenGroup, reply_to: ReplyTo, request: pb::VoteRequest, pre: bool) {
    tokio::spawn(async move {
        let request = match wire::vote_request_from_pb(request) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
        let answer = if pre {
            open.raft.pre_vote(request).await
        } else {
            open.raft.vote(request).await
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

fn spawn_transfer(open: OpenGroup, reply_to: ReplyTo, request: pb::TransferRequest) {
    tokio::spawn(async move {
        let request = match wire::transfer_from_pb(request) {
            Ok(request) => request,
            Err(e) => {
                return reply_to
                    .refuse(pb::RefusalCode::Malformed, &e.to_string())
                    .await;
            }
        };
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
struct ReplyTo {
    replies: mpsc::Sender<Result<pb::Frame, Status>>,
    group: u64,
    session: u64,
}

impl ReplyTo {
    async fn send(&self, body: Body) {
        let frame = pb::Frame {
            group: self.group,
            session: self.session,
            body: Some(body),
        };
        // The connection is gone: the peer's deadline tells it.
        let _ = self.replies.send(Ok(frame)).await;
    }

    async fn refuse(&self, code: pb::RefusalCode, reason: &str) {
        self.send(Body::Refusal(pb::Refusal {
            code: code.into(),
            reason: reason.to_owned(),
        }))
        .await;
    }
}

#[cfg(test)]
mod tests;
