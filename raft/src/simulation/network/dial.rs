//! The simulated network as the links see it.
//!
//! Owns: one machine's end of dialling. Must never: deliver anything itself.

use std::fmt;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use holdfast_region_config::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Connection, End, Purpose};
use super::{Network, Parcel};
use crate::transport::dial::{BadAddress, Dial, DialError, FrameStream, PeerAddress, PeerChannel};
use crate::transport::wire::pb;

/// Frames that wait for a client's link to take them.
const WAITING_MAX: usize = 16_384;

/// How one machine dials.
pub(in super::super) struct SimulatedDial {
    network: Network,
    from: NodeId,
}

impl SimulatedDial {
    pub(in super::super) fn new(network: Network, from: NodeId) -> Self {
        Self { network, from }
    }
}

impl Dial for SimulatedDial {
    fn channel(&self, peer: &PeerAddress) -> Result<Arc<dyn PeerChannel>, BadAddress> {
        Ok(Arc::new(SimulatedChannel {
            network: self.network.clone(),
            from: self.from,
            to: peer.node,
        }))
    }
}

struct SimulatedChannel {
    network: Network,
    from: NodeId,
    to: NodeId,
}

impl fmt::Debug for SimulatedChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

fn broken() -> DialError {
    DialError {
        reason: "the connection broke".to_owned(),
    }
}

impl SimulatedChannel {
    fn connect(&self, purpose: Purpose) {
        let mut state = self.network.state();
        let id = state.next_connection;
        state.next_connection += 1;
        let connection = Connection::new(self.from, self.to, purpose);
        state.connections.insert(id, connection);
        state.send(id, End::Server, Parcel::Open);
    }
}

impl PeerChannel for SimulatedChannel {
    fn link(
        &self,
        outbound: mpsc::Receiver<pb::Frame>,
    ) -> BoxFuture<'static, Result<FrameStream, DialError>> {
        let (to_client, inbound) = mpsc::channel(WAITING_MAX);
        let (accepted, up) = oneshot::channel();
        self.connect(Purpose::Link {
            from_client: Some(outbound),
            to_client: Some(to_client),
            from_server: None,
            to_server: None,
            accepted: Some(accepted),
        });
        Box::pin(async move {
            up.await.map_err(|_| broken())??;
            Ok::<FrameStream, _>(ReceiverStream::new(inbound).boxed())
        })
    }

    fn install_snapshot(
        &self,
        parts: mpsc::Receiver<pb::SnapshotPart>,
    ) -> BoxFuture<'static, Result<pb::SnapshotReply, DialError>> {
        let (installed, done) = oneshot::channel();
        self.connect(Purpose::Snapshot {
            from_client: Some(parts),
            to_server: None,
            installed: Some(installed),
        });
        Box::pin(async move { done.await.map_err(|_| broken())? })
    }
}
