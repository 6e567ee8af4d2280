//! Which nodes there are and how this gateway dials them.
//!
//! ```text
//!   topology file ──(read at start, at SIGHUP, and when the directory tells of a node)──┐
//!   nodes as they announced themselves, with the catalogue ─────────────────────────────┴─► peers, nearest first
//! ```
//!
//! Owns: that list. The file wins where it has a node: its address is how *this* process gets there. Must never: drop the
//! connection to a node that stays, or every node because a file is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use holdfast_node_api::client::{BadAddress, ClientOptions, NodeClient};
use holdfast_node_api::discovery::TopologySource;
use holdfast_node_api::v1;
use holdfast_region_config::ids::RegionId;
use holdfast_region_config::topology::Topology;

use super::health::Health;
use crate::config::Config;
use crate::limits;
use crate::routing::latency::Latency;

/// A node of the topology cannot be dialled.
#[derive(Debug, thiserror::Error)]
#[error("topology: node {node}: {source}")]
pub struct UpstreamSetupError {
    node: u64,
    source: BadAddress,
}

/// One node, as this gateway sees it.
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub id: u64,
    /// Where it stands.
    pub region: RegionId,
    /// How it is dialled.
    pub addr: String,
    /// Round trip from this gateway's region, by the topology.
    pub rtt: Duration,
    /// Its client.
    pub client: NodeClient,
    /// Whether it answered lately.
    pub health: Health,
    /// How long it takes to answer.
    pub latency: Latency,
}

/// What the list is made of.
#[derive(Debug)]
struct Sources {
    topology: Arc<Topology>,
    /// By id, as the directory knows them.
    announced: BTreeMap<u64, v1::CatalogueNode>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Peers {
    source: TopologySource,
    region: RegionId,
    options: ClientOptions,
    /// Never held over an await.
    sources: Mutex<Sources>,
    /// Guards the pointer only; never held over an await.
    now: RwLock<Arc<Vec<Arc<Peer>>>>,
}

impl Peers {
    /// The nodes of `topology`, which was read from the configured file. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be one.
    pub(super) fn new(topology: Topology, config: &Config) -> Result<Self, UpstreamSetupError> {
        let mut options = ClientOptions::default();
        options.pipe.region = Some(config.region.to_string());
        for node in &topology.nodes {
            NodeClient::new(&node.addr, &options).map_err(|source| UpstreamSetupError {
                node: node.id.get(),
                source,
            })?;
        }
        let peers = Self {
            source: config.topology_source(),
            region: config.region.clone(),
            options,
            sources: Mutex::new(Sources {
                topology: Arc::new(topology),
                announced: BTreeMap::new(),
            }),
            now: RwLock::default(),
        };
        peers.rebuild();
        Ok(peers)
    }

    /// The topology as last read.
    pub(super) fn topology(&self) -> Arc<Topology> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&sources.topology)
    }

    /// Every node now, nearest first.
    pub(super) fn now(&self) -> Arc<Vec<Arc<Peer>>> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where this gateway stands.
    pub(super) const fn region(&self) -> &RegionId {
        &self.region
    }

    /// The directory told of nodes: they are new, or something about them is.
    pub(super) async fn heard_of(&self, nodes: &[Arc<v1::CatalogueNode>]) {
        {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            let known = |node: &&Arc<v1::CatalogueNode>| {
                sources.announced.get(&node.node_id) == Some(node.as_ref())
            };
            if nodes.iter().all(|node| known(&node)) {
                return;
            }
            for node in nodes {
                sources
                    .announced
                    .insert(node.node_id, v1::CatalogueNode::clone(node));
            }
        }
        // Whoever put the node into service wrote its address into the files first.
        self.read_again().await;
    }

    /// Sorts the list by `key`; equal ones keep their order.
    pub(super) fn reorder<K: Ord>(&self, key: impl Fn(&Peer) -> K) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if !now.is_sorted_by_key(|peer| key(peer)) {
            let mut next = Vec::clone(&now);
            next.sort_by_cached_key(|peer| key(peer));
            *now = Arc::new(next);
        }
    }

    /// Reads the file again. One that makes no sense changes nothing.
    pub(super) async fn read_again(&self) {
        match self.source.load().await {
            Ok(topology) => self.take(topology),
            Err(error) => tracing::error!(%error, "topology not read again"),
        }
        self.rebuild();
    }

    fn take(&self, topology: Topology) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if topology.cluster != sources.topology.cluster {
            tracing::error!(cluster = %topology.cluster, "topology not taken: it is another cluster's");
        } else if topology.region(&self.region).is_none() {
            tracing::error!(region = %self.region, "topology not taken: this gateway's region is not in it");
        } else {
            sources.topology = Arc::new(topology);
        }
    }

    fn rebuild(&self) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.list(&sources, &now);
        let ids = |peers: &[Arc<Peer>]| peers.iter().map(|peer| peer.id).collect::<Vec<_>>();
        let (before, after) = (ids(now.as_slice()), ids(next.as_slice()));
        if !before.is_empty() && before != after {
            tracing::info!(nodes = ?after, "the nodes to ask have changed");
        }
        *now = Arc::new(next);
    }

    fn list(&self, sources: &Sources, before: &[Arc<Peer>]) -> Vec<Arc<Peer>> {
        let Sources {
            topology,
            announced,
        } = sources;
        let removed = |id: u64| announced.get(&id).is_some_and(|node| node.removed);
        let in_file = topology.nodes.iter();
        let in_file = in_file.map(|node| (node.id.get(), node.region.clone(), node.addr.clone()));
        let strangers = announced.values().filter(|node| {
            let listed =
                |known: &holdfast_region_config::topology::Node| known.id.get() == node.node_id;
            !topology.nodes.iter().any(listed)
        });
        let strangers = strangers.filter_map(|node| {
            let region = RegionId::new(&node.region).ok()?;
            Some((node.node_id, region, node.addr.clone()))
        });
        let all = in_file.chain(strangers).filter(|(id, ..)| !removed(*id));
        let mut peers: Vec<Arc<Peer>> = all
            .filter_map(|(id, region, addr)| self.peer(topology, before, id, region, addr))
            .collect();
        // Equal distances keep the order of the file, so that an operator can predict the choice.
        peers.sort_by_key(|peer| peer.rtt);
        peers
    }

    /// The one there was when nothing about it has changed.
    fn peer(
        &self,
        topology: &Topology,
        before: &[Arc<Peer>],
        id: u64,
        region: RegionId,
        addr: String,
    ) -> Option<Arc<Peer>> {
        let rtt = topology.rtt.get(&self.region, &region);
        let rtt = rtt.unwrap_or(limits::RTT_UNKNOWN);
        let old = before.iter().find(|peer| peer.id == id);
        let old = old.filter(|peer| peer.addr == addr && peer.region == region);
        if let Some(peer) = old.filter(|peer| peer.rtt == rtt) {
            return Some(Arc::clone(peer));
        }
        let client = match old {
            Some(peer) => peer.client.clone(),
            None => match NodeClient::new(&addr, &self.options) {
                Ok(client) => client,
                Err(error) => {
                    tracing::error!(node = id, %error, "node cannot be asked");
                    return None;
                }
            },
        };
        Some(Arc::new(Peer {
            id,
            region,
            addr,
            rtt,
            client,
            health: Health::default(),
            latency: Latency::default(),
        }))
    }
}

#[cfg(test)]
mod tests;
