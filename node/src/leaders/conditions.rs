//! What is known about every node when leaders are placed.
//!
//! Owns: one snapshot of wishes and liveness, and the tally of who leads how many. Must never: ask anyone.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{NodeId, RegionId, Topology};

/// Whether a node can be given leaderships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It is not heard.
    Silent,
    /// It is heard, but not for long enough to be trusted with what is well where it is.
    Fresh,
    /// It has been heard for a while.
    Steady,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    region: RegionId,
    reach: Reach,
    led: u32,
}

/// All nodes, as one of them sees them.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    nodes: BTreeMap<NodeId, Node>,
    draining: BTreeSet<NodeId>,
    evacuated: BTreeSet<RegionId>,
}

impl Conditions {
    /// Every node of `topology`, with its reach and the number of groups it leads.
    pub fn new(topology: &Topology, reach: impl Fn(NodeId) -> Reach) -> Self {
        let node = |node: &holdfast_region_config::Node| {
            let seen = Node {
                region: node.region.clone(),
                reach: reach(node.id),
                led: 0,
            };
            (node.id, seen)
        };
        Self {
            nodes: topology.nodes.iter().map(node).collect(),
            ..Self::default()
        }
    }

    /// The node gives its leaderships away.
    pub fn drain(&mut self, node: NodeId) {
        self.draining.insert(node);
    }

    /// The node may lead again.
    pub fn undrain(&mut self, node: NodeId) {
        self.draining.remove(&node);
    }

    /// The region gives its leaderships away.
    pub fn evacuate(&mut self, region: RegionId) {
        self.evacuated.insert(region);
    }

    /// The region may lead again.
    pub fn restore(&mut self, region: &RegionId) {
        self.evacuated.remove(region);
    }

    /// Notes that `node` leads one more group.
    pub fn leads(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.led += 1;
        }
    }

    /// Notes that a group goes from one node to another.
    pub fn moves(&mut self, from: NodeId, to: NodeId) {
        if let Some(node) = self.nodes.get_mut(&from) {
            node.led = node.led.saturating_sub(1);
        }
        self.leads(to);
    }

    /// How many groups `node` leads.
    #[must_use]
    pub fn led(&self, node: NodeId) -> u32 {
        self.nodes.get(&node).map_or(0, |node| node.led)
    }

    /// Where `node` is.
    #[must_use]
    pub fn region(&self, node: NodeId) -> Option<&RegionId> {
        self.nodes.get(&node).map(|node| &node.region)
    }

    /// Whether `node` is heard; a stranger is not.
    #[must_use]
    pub fn reach(&self, node: NodeId) -> Reach {
        self.nodes
            .get(&node)
            .map_or(Reach::Silent, |node| node.reach)
    }

    /// Whether `node` gives its leaderships away for itself.
    #[must_use]
    pub fn is_draining(&self, node: NodeId) -> bool {
        self.draining.contains(&node)
    }

    /// Whether the node's region gives its leaderships away.
    #[must_use]
    pub fn is_evacuated(&self, node: NodeId) -> bool {
        self.region(node)
            .is_some_and(|region| self.is_evacuated_region(region))
    }

    /// Whether the region gives its leaderships away.
    #[must_use]
    pub fn is_evacuated_region(&self, region: &RegionId) -> bool {
        self.evacuated.contains(region)
    }

    /// Whether an operator lets `node` lead.
    #[must_use]
    pub fn may_lead(&self, node: NodeId) -> bool {
        !self.is_draining(node) && !self.is_evacuated(node)
    }
}
