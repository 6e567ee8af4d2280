//! All nodes and all regions, with what the directory wants of them and what it gives them to carry.
//!
//! Owns: the counts. Must never: walk the shows once for every node.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_node_api::v1;
use holdfast_raft::PeerStatus;
use holdfast_raft::directory::{
    DirectoryState, NodeState, RegionRecord, RegionState, ReplicaFate, ShowRecord,
};
use holdfast_region_config::{NodeId, Region, RegionId, Topology};

use super::ClusterService;
use crate::grpc::convert;

/// What one node carries.
#[derive(Debug, Default, Clone, Copy)]
struct Load {
    voting: u64,
    following: u64,
    moving_out: u64,
    moving_in: u64,
}

fn loads(directory: &DirectoryState) -> BTreeMap<NodeId, Load> {
    let mut loads: BTreeMap<NodeId, Load> = BTreeMap::new();
    for show in directory.shows().values() {
        let moving_in = u64::from(!show.is_settled());
        for node in &show.voters {
            let load = loads.entry(*node).or_default();
            load.voting += 1;
            load.moving_in += moving_in;
        }
        for node in &show.learners {
            let load = loads.entry(*node).or_default();
            load.following += 1;
            load.moving_in += moving_in;
        }
        let leaving = show.leaving.iter();
        for leaving in leaving.filter(|leaving| leaving.fate == ReplicaFate::Member) {
            loads.entry(leaving.node).or_default().moving_out += 1;
        }
    }
    loads
}

impl ClusterService {
    pub(super) fn nodes(&self) -> v1::ListNodesReply {
        let peers = self.host.peers();
        let topology = self.host.topology();
        let (nodes, as_of) = self.host.directory().read(|directory| {
            let loads = loads(directory);
            let in_topology = topology.nodes.iter().map(|node| node.id);
            let all: BTreeSet<NodeId> = in_topology
                .chain(directory.nodes().keys().copied())
                .collect();
            let info = |node| self.node_info(node, &topology, directory, &loads, &peers);
            all.into_iter().map(info).collect()
        });
        v1::ListNodesReply {
            as_of: Some(convert::as_of(as_of, false)),
            nodes,
        }
    }

    fn node_info(
        &self,
        node: NodeId,
        topology: &Topology,
        directory: &DirectoryState,
        loads: &BTreeMap<NodeId, Load>,
        peers: &[PeerStatus],
    ) -> v1::NodeInfo {
        let record = directory.nodes().get(&node);
        let placed = topology.node(node);
        let registered = record.map(|record| &record.registered);
        let region = placed.map(|node| &node.region);
        let region = region.or_else(|| registered.map(|registered| &registered.region));
        let load = loads.get(&node).copied().unwrap_or_default();
        let own = node == self.host.node();
        let peer = peers.iter().find(|peer| peer.node == node);
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        v1::NodeInfo {
            node_id: node.get(),
            region: region.map(RegionId::to_string).unwrap_or_default(),
            zone: text(registered.and_then(|registered| registered.zone.as_ref())),
            addr: text(placed.map(|node| &node.addr)),
            state: state(directory.node_state(node)).into(),
            generation: record.map_or(0, |record| record.generation),
            release: text(registered.map(|registered| &registered.release)),
            disk: registered
                .and_then(|registered| registered.disk)
                .map(|disk| disk.to_string())
                .unwrap_or_default(),
            reachable: own || peer.is_some_and(|peer| peer.reachable),
            last_heard_ms: if own {
                Some(0)
            } else {
                peer.and_then(|peer| peer.last_heard_ms)
            },
            voting: load.voting,
            following: load.following,
            moving_out: load.moving_out,
            moving_in: load.moving_in,
        }
    }

    pub(super) fn regions(&self) -> v1::ListRegionsReply {
        let topology = self.host.topology();
        let (regions, as_of) = self.host.directory().read(|directory| {
            let regions = topology.regions.iter();
            regions
                .map(|region| region_info(region, &topology, directory))
                .collect()
        });
        v1::ListRegionsReply {
            as_of: Some(convert::as_of(as_of, false)),
            regions,
        }
    }
}

fn region_info(region: &Region, topology: &Topology, directory: &DirectoryState) -> v1::RegionInfo {
    let nodes: Vec<NodeId> = topology.nodes_in(&region.id).map(|node| node.id).collect();
    let record: RegionRecord = directory
        .regions()
        .get(&region.id)
        .copied()
        .unwrap_or_default();
    let shows = || directory.shows().values();
    let is_here = |show: &ShowRecord| nodes.iter().any(|node| show.has_replica(*node));
    v1::RegionInfo {
        region: region.id.to_string(),
        name: region.name.clone(),
        state: match record.state {
            RegionState::Serving => v1::RegionState::Serving,
            RegionState::Evacuated => v1::RegionState::Evacuated,
        }
        .into(),
        generation: record.generation,
        voting: region.voting,
        home_of: shows()
            .filter(|show| show.show.home_region == region.id)
            .count() as u64,
        replicas: shows().filter(|show| is_here(show)).count() as u64,
        nodes: nodes.iter().map(|node| node.get()).collect(),
    }
}

pub(super) const fn state(state: NodeState) -> v1::NodeState {
    match state {
        NodeState::Serving => v1::NodeState::Serving,
        NodeState::Draining => v1::NodeState::Draining,
        NodeState::Leaving => v1::NodeState::Leaving,
        NodeState::Removed => v1::NodeState::Removed,
    }
}
