//! All links of this node, and the tasks that keep them up.
//!
//! Owns: who can be reached and how far away they are. Must never: know what the frames mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::{NodeId, RegionId, Topology};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::StartError;
use crate::transport::client::{Dialler, reachable};
use crate::transport::dial::{BadAddress, Dial};
use crate::transport::link::Link;
use crate::transport::network::{PeerRoute, Routes};

/// One other node as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The node.
    pub node: NodeId,
    /// Its region.
    pub region: RegionId,
    /// How this node dials it.
    pub addr: String,
    /// Time since anything came from it, ms; `None` = never.
    pub last_heard_ms: Option<u64>,
    /// Connected and heard lately.
    pub reachable: bool,
}

struct Peer {
    route: PeerRoute,
    region: RegionId,
    addr: String,
}

pub(crate) struct Fabric {
    cluster: String,
    peers: BTreeMap<NodeId, Peer>,
}

impl Fabric {
    /// Starts dialling every other node of the topology; the tasks end with `stop`.
    pub(crate) fn start(
        topology: &Topology,
        node: NodeId,
        dial: &dyn Dial,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Self>, StartError> {
        let here = topology
            .region_of(node)
            .ok_or(StartError::UnknownNode { node })?;
        let mut peers = BTreeMap::new();
        for other in topology.nodes.iter().filter(|other| other.id != node) {
            let link = Link::new(other.id, topology.rtt.between(here, &other.region));
            let dialler = Dialler {
                cluster: topology.cluster.clone(),
                from: node,
                addr: other.addr.clone(),
                link: Arc::clone(&link),
            };
            let bad = |e: BadAddress| StartError::Address {
                reason: e.to_string(),
            };
            let channel = dial.channel(&dialler.address()).map_err(bad)?;
            tasks.spawn(dialler.run(Arc::clone(&channel), stop.clone()));
            let peer = Peer {
                route: PeerRoute { link, channel },
                region: other.region.clone(),
                addr: other.addr.clone(),
            };
            peers.insert(other.id, peer);
        }
        Ok(Arc::new(Self {
            cluster: topology.cluster.clone(),
            peers,
        }))
    }

    pub(crate) fn rtt_to(&self, node: NodeId) -> Duration {
        self.peers
            .get(&node)
            .map_or(Duration::ZERO, |peer| peer.route.link.rtt())
    }

    pub(crate) fn is_reachable(&self, node: NodeId) -> bool {
        self.peers
            .get(&node)
            .is_some_and(|peer| reachable(&peer.route.link))
    }

    pub(crate) fn status(&self) -> Vec<PeerStatus> {
        let since = |at: Instant| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.peers
            .iter()
            .map(|(node, peer)| PeerStatus {
                node: *node,
                region: peer.region.clone(),
                addr: peer.addr.clone(),
                last_heard_ms: peer.route.link.last_heard().map(since),
                reachable: reachable(&peer.route.link),
            })
            .collect()
    }
}

impl Routes for Fabric {
    fn route(&self, node: u64) -> Option<PeerRoute> {
        self.peers
            .get(&NodeId::new(node))
            .map(|peer| peer.route.clone())
    }

    fn cluster(&self) -> &str {
        &self.cluster
    }
}
