//! What the links need of the network under them.
//!
//! Owns: the seam between our protocol (frames, sessions, windows, pings) and what carries it: gRPC between processes, or a
//! simulated network. Must never: know what a frame means.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use holdfast_region_config::NodeId;
use tokio::sync::mpsc;

use super::wire::pb;

/// Frames that come in over one link, in the order in which the peer sent them; it ends when the link breaks.
pub(crate) type FrameStream = BoxStream<'static, Result<pb::Frame, DialError>>;

/// The parts of one snapshot that comes in.
pub(crate) type PartStream = BoxStream<'static, Result<pb::SnapshotPart, DialError>>;

/// Where a peer is.
#[derive(Debug, Clone)]
pub(crate) struct PeerAddress {
    pub(crate) node: NodeId,
    /// `host:port` as this process reaches it.
    pub(crate) addr: String,
    /// The topology's round trip to it.
    pub(crate) rtt: Duration,
}

/// An address that cannot be dialled.
#[derive(Debug, thiserror::Error)]
#[error("address {addr} of {node} cannot be used: {reason}")]
pub(crate) struct BadAddress {
    pub(crate) node: NodeId,
    pub(crate) addr: String,
    pub(crate) reason: String,
}

/// Why a link did not come up or broke, or a snapshot was not taken. Every one is worth another try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct DialError {
    pub(crate) reason: String,
}

/// A network.
pub(crate) trait Dial: Send + Sync + 'static {
    /// The way to one peer; nothing is sent yet.
    fn channel(&self, peer: &PeerAddress) -> Result<Arc<dyn PeerChannel>, BadAddress>;
}

/// The way to one peer.
pub(crate) trait PeerChannel: Debug + Send + Sync + 'static {
    /// Opens a link: what `outbound` yields goes to the peer, in order, until it ends. Succeeds once the peer has accepted
    /// the first frame. Dropping the answer's stream, or the future, closes the link.
    fn link(
        &self,
        outbound: mpsc::Receiver<pb::Frame>,
    ) -> BoxFuture<'static, Result<FrameStream, DialError>>;

    /// Sends one snapshot and waits until the peer has installed it.
    fn install_snapshot(
        &self,
        parts: mpsc::Receiver<pb::SnapshotPart>,
    ) -> BoxFuture<'static, Result<pb::SnapshotReply, DialError>>;
}
