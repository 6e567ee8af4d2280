//! The topology as one request sees it: which nodes may be used where, and how far everything is apart.
//!
//! Owns: what "usable" means. Must never: prefer one neighbourhood to another.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::request::PlacementRequest;
use super::{PlacementError, turn};
use crate::ids::{NodeId, RegionId};
use crate::labels::ZoneId;
use crate::topology::{Node, Region, Topology};

/// One region.
pub(super) struct Site<'a> {
    pub(super) region: &'a Region,
    /// The usable nodes; the one whose turn it is for the group comes first.
    pub(super) nodes: Vec<&'a Node>,
    /// How many zones those stand in.
    pub(super) zones: usize,
    /// Nodes that the request takes away.
    pub(super) unavailable: usize,
    /// Whether its jurisdiction admits replicas of the group.
    pub(super) allowed: bool,
}

impl Site<'_> {
    /// Whether a voter could be put here.
    pub(super) fn takes_voters(&self) -> bool {
        self.allowed && self.region.voting && !self.nodes.is_empty()
    }
}

/// What a node is lost with. Nodes that name no zone are each their own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate<'a> {
    Zone(&'a ZoneId),
    Node(NodeId),
}

impl<'a> Fate<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        node.zone.as_ref().map_or(Self::Node(node.id), Self::Zone)
    }
}

/// All regions with their distances; a site is known by its place in `sites`.
pub(super) struct Terrain<'a> {
    pub(super) topology: &'a Topology,
    pub(super) request: &'a PlacementRequest,
    pub(super) sites: Vec<Site<'a>>,
    /// Where the request's home is.
    pub(super) home: usize,
    trips: Vec<Vec<Duration>>,
}

impl<'a> Terrain<'a> {
    /// Looks the topology over.
    ///
    /// # Errors
    /// Every [`PlacementError`] that is about the home itself.
    pub(super) fn survey(
        topology: &'a Topology,
        request: &'a PlacementRequest,
    ) -> Result<Self, PlacementError> {
        let region = request.home.clone();
        let at = topology.regions.iter().position(|r| r.id == region);
        let Some(home) = at else {
            return Err(PlacementError::UnknownHome { region });
        };
        let sites: Vec<Site<'a>> = topology
            .regions
            .iter()
            .map(|region| site(topology, request, region))
            .collect();
        if !sites[home].region.voting {
            return Err(PlacementError::HomeNotVoting { region });
        }
        if !sites[home].allowed {
            return Err(PlacementError::HomeOutsideJurisdiction {
                region,
                demanded: request.jurisdictions.iter().cloned().collect(),
            });
        }
        let ids: Vec<&RegionId> = topology.regions.iter().map(|region| &region.id).collect();
        let row = |from: &&RegionId| {
            ids.iter()
                .map(|to| topology.rtt.between(from, to))
                .collect()
        };
        let trips = ids.iter().map(row).collect();
        Ok(Self {
            topology,
            request,
            sites,
            home,
            trips,
        })
    }

    /// Round trip from one site to another.
    pub(super) fn trip(&self, from: usize, to: usize) -> Duration {
        self.trips[from][to]
    }

    /// The mean of what both ends measured.
    pub(super) fn balanced_trip(&self, from: usize, to: usize) -> Duration {
        self.trip(from, to).saturating_add(self.trip(to, from)) / 2
    }

    /// How many voters a group has that survives nothing: as many as there are nodes, up to three. Nodes that are out
    /// count, or a bad day would shrink a group that needs them back.
    pub(super) fn voters_without_goal(&self) -> usize {
        let voting = self.sites.iter().filter(|s| s.allowed && s.region.voting);
        let nodes: usize = voting.map(|site| site.nodes.len() + site.unavailable).sum();
        nodes.min(3)
    }

    /// Sites where the leader may stand: the home region, or any other while nothing at home can be used.
    pub(super) fn leads(&self) -> Vec<usize> {
        if self.sites[self.home].takes_voters() {
            return vec![self.home];
        }
        (0..self.sites.len())
            .filter(|at| self.sites[*at].takes_voters())
            .collect()
    }
}

fn site<'a>(topology: &'a Topology, request: &PlacementRequest, region: &'a Region) -> Site<'a> {
    let usable = |node: &&Node| !request.unavailable.contains(&node.id);
    let mut nodes: Vec<&Node> = topology.nodes_in(&region.id).filter(usable).collect();
    nodes.sort_by_cached_key(|node| (Reverse(turn::of_node(request.group, node.id)), node.id));
    let fates: BTreeSet<Fate<'_>> = nodes.iter().map(|node| Fate::of(node)).collect();
    Site {
        region,
        zones: fates.len(),
        unavailable: topology.nodes_in(&region.id).count() - nodes.len(),
        allowed: request.allows(region.jurisdiction.as_ref()),
        nodes,
    }
}
