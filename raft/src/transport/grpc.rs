//! The peer protocol over gRPC: one HTTP/2 connection per ordered pair of nodes.
//!
//! Owns: everything of tonic in this crate. Must never: look into a frame.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::Map;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::dial::{BadAddress, Dial, DialError, FrameStream, PeerAddress, PeerChannel};
use super::server::{PeerServer, Refused};
use super::wire::pb;
use super::wire::pb::peer_client::PeerClient;
use super::{CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, SILENCE_MAX, STREAM_WINDOW_BYTES};

impl From<Status> for DialError {
    fn from(status: Status) -> Self {
        Self {
            reason: status.message().to_owned(),
        }
    }
}

/// Dials peers over HTTP/2.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GrpcDial;

impl Dial for GrpcDial {
    fn channel(&self, peer: &PeerAddress) -> Result<Arc<dyn PeerChannel>, BadAddress> {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", peer.addr)).map_err(|e| BadAddress {
                node: peer.node,
                addr: peer.addr.clone(),
                reason: e.to_string(),
            })?;
        let channel = endpoint
            .connect_timeout(SILENCE_MAX + peer.rtt * 3)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_lazy();
        Ok(Arc::new(GrpcChannel { channel }))
    }
}

/// The connection to one peer; connects when first used.
#[derive(Debug, Clone)]
struct GrpcChannel {
    channel: Channel,
}

impl GrpcChannel {
    fn client(&self) -> PeerClient<Channel> {
        PeerClient::new(self.channel.clone())
            .max_decoding_message_size(FRAME_BYTES_MAX)
            .max_encoding_message_size(FRAME_BYTES_MAX)
    }
}

impl PeerChannel for GrpcChannel {
    fn link(
        &self,
        outbound: mpsc::Receiver<pb::Frame>,
    ) -> BoxFuture<'static, Result<FrameStream, DialError>> {
        let mut client = self.client();
        Box::pin(async move {
            let reply = client.link(ReceiverStream::new(outbound)).await?;
            let inbound = reply.into_inner().map(|frame| Ok(frame?));
            Ok::<FrameStream, _>(inbound.boxed())
        })
    }

    fn install_snapshot(
        &self,
        parts: mpsc::Receiver<pb::SnapshotPart>,
    ) -> BoxFuture<'static, Result<pb::SnapshotReply, DialError>> {
        let mut client = self.client();
        Box::pin(async move {
            let reply = client.install_snapshot(ReceiverStream::new(parts)).await?;
            Ok(reply.into_inner())
        })
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Malformed(_) => Self::invalid_argument(text),
            Refused::NotForUs(_) => Self::failed_precondition(text),
            Refused::Unavailable(_) => Self::unavailable(text),
            Refused::Busy(_) => Self::resource_exhausted(text),
            Refused::Damaged => Self::data_loss(text),
            Refused::Broken(_) => Self::cancelled(text),
        }
    }
}

/// The gRPC service in front of `server`.
pub(crate) fn service(server: PeerServer) -> pb::peer_server::PeerServer<PeerServer> {
    pb::peer_server::PeerServer::new(server)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX)
}

type Replies = Map<ReceiverStream<pb::Frame>, fn(pb::Frame) -> Result<pb::Frame, Status>>;

#[tonic::async_trait]
impl pb::peer_server::Peer for PeerServer {
    type LinkStream = Replies;

    async fn link(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Replies>, Status> {
        let inbound = request.into_inner().map(|frame| Ok(frame?));
        let replies = self.serve_link(inbound.boxed()).await?;
        let into_result: fn(pb::Frame) -> Result<pb::Frame, Status> = Ok;
        Ok(Response::new(ReceiverStream::new(replies).map(into_result)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<pb::SnapshotPart>>,
    ) -> Result<Response<pb::SnapshotReply>, Status> {
        let parts = request.into_inner().map(|part| Ok(part?));
        let vote = self.receive_snapshot(parts.boxed()).await?;
        Ok(Response::new(pb::SnapshotReply { vote: Some(vote) }))
    }
}
