//! openraft's network for one group and one target, over the shared link.
//!
//! Owns: deadlines of calls; [`pipeline`] has the appends. Must never: claim an answer that did not come; a failed send is
//! `Unreachable`, so openraft backs off, and a vote that was not answered is not granted.

mod kinship;
mod pipeline;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::Stream;
use holdfast_region_config::GroupId;
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::v2::RaftNetworkV2;
use openraft::network::{RPCOption, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio::time::Instant;

pub(crate) use self::kinship::Kinship;
use self::pipeline::Pipeline;
use super::SNAPSHOT_PIECE_BYTES;
use super::dial::PeerChannel;
use super::link::{Link, LinkError};
use super::wire::{self, Malformed, pb};
use crate::lease::Lease;
use crate::types::{Snapshot, SnapshotData, TypeConfig, Vote};

/// openraft hands appends the heartbeat interval as their limit, which bounds a heartbeat (it also enforces it there)
/// but is no measure for a follower that is writing megabytes: a pipeline waits this long beyond three round trips
/// for each reply before it is given up and the entries are sent anew.
const REPLY_SLACK: Duration = Duration::from_millis(1_500);

/// How long an append waits for a link that is down before it is reported as unreachable. Each report makes openraft try again at
/// once, for each group that has something for that peer, asleep or awake: with a thousand groups and a tenth of a second a
/// lost region kept its successor's processor from electing. Not longer, because the peer may get another address meanwhile, and
/// because a leader lets go of old entries only between two tries.
const DOWN_LIMIT: Duration = Duration::from_secs(5);

/// What is needed to reach one peer.
#[derive(Debug, Clone)]
pub(crate) struct PeerRoute {
    pub(crate) link: Arc<Link>,
    pub(crate) channel: Arc<dyn PeerChannel>,
}

/// Where the peers are.
pub(crate) trait Routes: Send + Sync + 'static {
    /// The route to a node; `None` when the topology does not name it.
    fn route(&self, node: u64) -> Option<PeerRoute>;
    /// The cluster's name, which a snapshot's header repeats.
    fn cluster(&self) -> &str;
}

/// Makes the clients of one group.
pub(crate) struct GroupNetworkFactory {
    pub(crate) group: GroupId,
    pub(crate) lease: Arc<Lease>,
    /// Set while the replica stands because the leader's node is dead.
    pub(crate) takeover: Arc<AtomicBool>,
    pub(crate) kinship: Arc<Kinship>,
    pub(crate) routes: Arc<dyn Routes>,
}

impl RaftNetworkFactory<TypeConfig> for GroupNetworkFactory {
    type Network = GroupNetwork;

    async fn new_client(&mut self, target: u64, _node: &()) -> GroupNetwork {
        GroupNetwork {
            group: self.group,
            lease: Arc::clone(&self.lease),
            takeover: Arc::clone(&self.takeover),
            kinship: Arc::clone(&self.kinship),
            target,
            routes: Arc::clone(&self.routes),
        }
    }
}

/// One group's way to one target.
pub(crate) struct GroupNetwork {
    group: GroupId,
    lease: Arc<Lease>,
    takeover: Arc<AtomicBool>,
    kinship: Arc<Kinship>,
    target: u64,
    routes: Arc<dyn Routes>,
}

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

fn unreachable(error: impl ToString) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(error))
}

impl From<LinkError> for RPCError<TypeConfig> {
    fn from(error: LinkError) -> Self {
        unreachable(error)
    }
}

impl From<Malformed> for RPCError<TypeConfig> {
    fn from(error: Malformed) -> Self {
        unreachable(error)
    }
}

impl GroupNetwork {
    fn route(&self) -> RpcResult<PeerRoute> {
        self.routes
            .route(self.target)
            .ok_or_else(|| unreachable(format!("n{} is not in the topology", self.target)))
    }

    async fn call(&self, body: pb::frame::Body, ttl: Duration) -> RpcResult<pb::frame::Body> {
        let route = self.route()?;
        match tokio::time::timeout(ttl, route.link.call(self.group, body)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(unreachable(format!(
                "n{} did not answer in {} ms",
                self.target,
                ttl.as_millis()
            ))),
        }
    }

    fn unexpected(&self) -> RPCError<TypeConfig> {
        unreachable(format!(
            "n{} answered with an unexpected frame",
            self.target
        ))
    }
}

impl RaftNetworkV2<TypeConfig> for GroupNetwork {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        let sent = Instant::now();
        let body = pb::frame::Body::Append(wire::append_to_pb(&rpc, current_ms(&self.lease, &rpc)));
        match self.call(body, option.soft_ttl()).await? {
            pb::frame::Body::AppendReply(reply) => {
                let reply = append_reply(reply)?;
                if !matches!(reply, AppendEntriesResponse::HigherVote(_)) {
                    let term = rpc.vote.leader_id.term;
                    self.lease.acknowledged(self.target, term, sent);
                }
                Ok(reply)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let link = self.route()?.link;
            let _ = tokio::time::timeout(DOWN_LIMIT, link.until_connected()).await;
            let ttl = option.soft_ttl().max(link.rtt() * 3 + REPLY_SLACK);
            let lease = Arc::clone(&self.lease);
            let kinship = Arc::clone(&self.kinship);
            let stream: BoxStream<'s, _> = Box::pin(Pipeline::open(
                self.group, link, lease, kinship, ttl, input,
            )?);
            Ok(stream)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let body = pb::frame::Body::Vote(wire::vote_request_to_pb(
            &rpc,
            self.takeover.load(Ordering::SeqCst),
        ));
        match self.call(body, option.soft_ttl()).await? {
            pb::frame::Body::VoteReply(reply) => {
                let response = wire::vote_reply_from_pb(reply)?;
                self.kinship.answered(self.target, &rpc, &response);
                Ok(response)
            }
            _ => Err(self.unexpected()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let body = pb::frame::Body::PreVote(wire::vote_request_to_pb(&rpc, false));
        match self.call(body, option.soft_ttl()).await? {
            pb::frame::Body::VoteReply(reply) => Ok(wire::vote_reply_from_pb(reply)?),
            _ => Err(self.unexpected()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let route = self
            .route()
            .map_err(|e| StreamingError::Unreachable(Unreachable::from_string(e)))?;
        let link = Arc::clone(&route.link);
        let sending = send_snapshot(self.group, self.routes.cluster(), route, vote, snapshot);
        let sending = link.while_connected(sending);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = tokio::time::timeout(option.hard_ttl(), sending) => match sent {
                Ok(Ok(Ok(vote))) => Ok(SnapshotResponse::new(vote)),
                Ok(Ok(Err(reason))) => Err(StreamingError::Unreachable(Unreachable::from_string(reason))),
                Ok(Err(down)) => Err(StreamingError::Unreachable(Unreachable::from_string(down))),
                Err(_) => Err(StreamingError::Unreachable(Unreachable::from_string(format!(
                    "snapshot to n{} did not finish in {} ms", self.target, option.hard_ttl().as_millis()
                )))),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let body = pb::frame::Body::Transfer(wire::transfer_to_pb(&req));
        match self.call(body, option.soft_ttl()).await? {
            pb::frame::Body::TransferReply(reply) if reply.refused.is_empty() => Ok(Ok(())),
            pb::frame::Body::TransferReply(reply) => Err(unreachable(reply.refused)),
            _ => Err(self.unexpected()),
        }
    }
}

/// What this node's clock showed when what the append calls committed was current; 0 = not known. Until an entry of its own
/// term is committed a leader may lack what the last one acknowledged.
fn current_ms(lease: &Lease, append: &AppendEntriesRequest<TypeConfig>) -> u64 {
    let term = append.vote.leader_id.term;
    let committed = append.leader_commit.as_ref();
    let committed = committed.filter(|id| **id.committed_leader_id() == term);
    committed.map_or(0, |id| lease.stamp_ms(id.index()))
}

fn append_reply(reply: pb::AppendReply) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
    use pb::append_reply::Result as Wire;
    Ok(match reply.result {
        Some(Wire::Flushed(_)) => AppendEntriesResponse::Success,
        Some(Wire::Partial(p)) => {
            AppendEntriesResponse::PartialSuccess(p.log_id.map(wire::log_id_from_pb))
        }
        Some(Wire::Conflict(_)) => AppendEntriesResponse::Conflict,
        Some(Wire::HigherVote(vote)) => AppendEntriesResponse::HigherVote(wire::vote_from_pb(
            Some(vote),
            "append_reply.higher_vote",
        )?),
        None => {
            return Err(Malformed {
                field: "append_reply.result",
                reason: "missing",
            }
            .into());
        }
    })
}

/// Sends header and pieces on a call of their own and waits until the peer has installed them.
async fn send_snapshot(
    group: GroupId,
    cluster: &str,
    route: PeerRoute,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<Vote, String> {
    use pb::snapshot_part::Part;
    let bytes = snapshot.snapshot;
    let header = pb::SnapshotHeader {
        group: group.get(),
        cluster: cluster.to_owned(),
        to_node: route.link.target().get(),
        vote: Some(wire::vote_to_pb(&vote)),
        last_log_id: snapshot.meta.last_log_id.as_ref().map(wire::log_id_to_pb),
        membership: Some(wire::stored_membership_to_pb(
            &snapshot.meta.last_membership,
        )),
        bytes_total: bytes.len() as u64,
        checksum: xxhash_rust::xxh3::xxh3_64(&bytes),
    };
    let (sender, parts) = tokio::sync::mpsc::channel(4);
    let feed = async move {
        let all = std::iter::once(Part::Header(header))
            .chain(wire::pieces(&bytes, SNAPSHOT_PIECE_BYTES).map(Part::Piece));
        for part in all {
            // The call ended: its error is the one to report.
            if sender
                .send(pb::SnapshotPart { part: Some(part) })
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let call = route.channel.install_snapshot(parts);
    let ((), reply) = tokio::join!(feed, call);
    let reply = reply.map_err(|error| error.reason)?;
    wire::vote_from_pb(reply.vote, "snapshot_reply.vote").map_err(|e| e.to_string())
}
