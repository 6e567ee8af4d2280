//! What changes when a topology file is edited under a running cluster, and what must not.
//!
//! Every process reads its own copy of the file, so this compares two readings by one process: addresses may change at
//! will (they are how *that* process dials), identities may not.
//!
//! Owns: the comparison and its rules. Must never: know which groups have replicas where; whether a node that the file
//! drops is still needed is the directory's to say.

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::{NodeId, RegionId};
use crate::topology::{Node, Region, Topology};
use crate::validate::Violation;

/// The difference between two topologies. Lists are in the order of the file that has the thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopologyChange {
    /// Regions that only the new one has.
    pub regions_added: Vec<RegionId>,
    /// Regions that only the old one has.
    pub regions_removed: Vec<RegionId>,
    /// Regions in both whose vote, jurisdiction, name, place or public address differs.
    pub regions_changed: Vec<RegionId>,
    /// Nodes that only the new one has.
    pub nodes_added: Vec<NodeId>,
    /// Nodes that only the old one has.
    pub nodes_removed: Vec<NodeId>,
    /// Nodes in both that are dialled at another address now.
    pub addrs_changed: Vec<NodeId>,
    /// Nodes in both that name another zone now.
    pub zones_changed: Vec<NodeId>,
    /// Whether the list of gateways differs.
    pub gateways_changed: bool,
    /// Whether any round trip between regions that both have differs, or the one inside regions.
    pub rtt_changed: bool,
}

impl TopologyChange {
    /// Whether there is no difference that matters to anyone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether groups may have to be placed anew: everything but addresses and gateways bears on placement.
    #[must_use]
    pub fn moves_groups(&self) -> bool {
        let neutral = Self {
            addrs_changed: self.addrs_changed.clone(),
            gateways_changed: self.gateways_changed,
            ..Self::default()
        };
        *self != neutral
    }
}

/// `nodes added: n4, n5; addresses changed: n2`, for logs.
impl fmt::Display for TopologyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![
            listed("regions added", &self.regions_added),
            listed("regions removed", &self.regions_removed),
            listed("regions changed", &self.regions_changed),
            listed("nodes added", &self.nodes_added),
            listed("nodes removed", &self.nodes_removed),
            listed("addresses changed", &self.addrs_changed),
            listed("zones changed", &self.zones_changed),
        ];
        parts.push(self.gateways_changed.then(|| "gateways changed".to_owned()));
        parts.push(self.rtt_changed.then(|| "round trips changed".to_owned()));
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            f.write_str("nothing changed")
        } else {
            f.write_str(&parts.join("; "))
        }
    }
}

fn listed<T: fmt::Display>(what: &str, ids: &[T]) -> Option<String> {
    let ids: Vec<String> = ids.iter().map(T::to_string).collect();
    (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")))
}

impl Topology {
    /// What `new` changes about this topology.
    ///
    /// ```
    /// use holdfast_region_config::{NodeId, Topology};
    ///
    /// let old = Topology::preset("three-regions").expect("a preset of this crate");
    /// let new = Topology::preset("five-regions").expect("a preset of this crate");
    /// let change = old.diff(&new);
    /// assert_eq!(change.nodes_added, [NodeId::new(4), NodeId::new(5)]);
    /// assert!(change.addrs_changed.is_empty() && change.moves_groups());
    /// ```
    #[must_use]
    pub fn diff(&self, new: &Self) -> TopologyChange {
        let both = |id: &NodeId| Some((self.node(*id)?, new.node(*id)?));
        let nodes: Vec<NodeId> = new.nodes.iter().map(|node| node.id).collect();
        let differing = |differ: fn(&Node, &Node) -> bool| {
            let differs = |id: &NodeId| both(id).is_some_and(|(old, new)| differ(old, new));
            nodes.iter().copied().filter(differs).collect()
        };
        TopologyChange {
            regions_added: regions_only_in(new, self),
            regions_removed: regions_only_in(self, new),
            regions_changed: new
                .regions
                .iter()
                .filter(|region| self.region(&region.id).is_some_and(|old| old != *region))
                .map(|region| region.id.clone())
                .collect(),
            nodes_added: nodes_only_in(new, self),
            nodes_removed: nodes_only_in(self, new),
            addrs_changed: differing(|old, new| old.addr != new.addr),
            zones_changed: differing(|old, new| old.zone != new.zone),
            gateways_changed: self.gateways != new.gateways,
            rtt_changed: self.rtt.local() != new.rtt.local()
                || new.rtt.pairs().any(|(from, to, rtt)| {
                    self.rtt.get(from, to).is_some_and(|before| before != rtt)
                }),
        }
    }

    /// Everything that forbids `new` to take this topology's place while the cluster runs; empty when it may. `retired` are the
    /// nodes that the cluster has had and given up for good.
    #[must_use]
    pub fn validate_change(&self, new: &Self, retired: &BTreeSet<NodeId>) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut add = |key: String, reason: String| found.push(Violation { key, reason });
        if new.cluster != self.cluster {
            let reason = format!(
                "this is cluster {:?}, and a cluster keeps its name",
                self.cluster
            );
            add("cluster".to_owned(), reason);
        }
        for (at, region) in new.regions.iter().enumerate() {
            if let Some(reason) = self
                .region(&region.id)
                .and_then(|old| law_change(old, region))
            {
                add(format!("region[{at}].jurisdiction"), reason);
            }
        }
        for (at, node) in new.nodes.iter().enumerate() {
            if retired.contains(&node.id) {
                let reason = format!("{} was given up, and ids are never used again", node.id);
                add(format!("node[{at}].id"), reason);
            }
            if let Some(old) = self.node(node.id)
                && old.region != node.region
            {
                let reason = format!(
                    "{} stands in {}; another machine needs another id",
                    node.id, old.region
                );
                add(format!("node[{at}].region"), reason);
            }
        }
        if let Some(reason) = self.losses_at_once(new) {
            add("node".to_owned(), reason);
        }
        found
    }

    /// Nodes of two voting regions must not go in one step: each region that goes may take one vote of a majority with it.
    fn losses_at_once(&self, new: &Self) -> Option<String> {
        let removed = self.nodes.iter().filter(|node| new.node(node.id).is_none());
        let voting = removed.filter(|node| self.region(&node.region).is_some_and(|r| r.voting));
        let regions: BTreeSet<&str> = voting.map(|node| node.region.as_str()).collect();
        (regions.len() > 1).then(|| {
            let regions: Vec<&str> = regions.into_iter().collect();
            format!(
                "nodes of {} go at once; remove them region by region, so that every group keeps a majority",
                regions.join(" and ")
            )
        })
    }
}

/// Replicas were placed by the law that a region named, so it may get one but not exchange or lose it.
fn law_change(old: &Region, new: &Region) -> Option<String> {
    let before = old.jurisdiction.as_ref()?;
    match &new.jurisdiction {
        Some(now) if now == before => None,
        Some(now) => Some(format!(
            "{} is under {before} and cannot move to {now}",
            old.id
        )),
        None => Some(format!(
            "{} is under {before}, on which shows may rely",
            old.id
        )),
    }
}

fn regions_only_in(this: &Topology, other: &Topology) -> Vec<RegionId> {
    let ids = this.regions.iter().map(|region| &region.id);
    ids.filter(|id| other.region(id).is_none())
        .cloned()
        .collect()
}

fn nodes_only_in(this: &Topology, other: &Topology) -> Vec<NodeId> {
    let ids = this.nodes.iter().map(|node| node.id);
    ids.filter(|id| other.node(*id).is_none()).collect()
}
