//! Topologies derived from others: fewer regions, more nodes, other addresses.
//!
//! Owns: keeping the result valid. Must never: change a topology in place.

use std::net::IpAddr;

use crate::ids::{NodeId, RegionId};
use crate::topology::{Gateway, Node, Topology, TopologyFile};
use crate::validate::Violation;

/// Why a topology cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReshapeError {
    /// More regions asked for than there are, or none.
    #[error("this topology has {available} regions, cannot make it {asked}")]
    Regions {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        available: usize,
    },
    /// The result breaks a rule.
    #[error("the changed topology is not valid: {}", violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// What is wrong with it.
        violations: Vec<Violation>,
    },
}

impl Topology {
    /// Only the first `count` regions, with their nodes, gateways and round trips.
    ///
    /// # Errors
    /// [`ReshapeError::Regions`] when there are fewer or `count` is zero.
    pub fn with_first_regions(&self, count: usize) -> Result<Self, ReshapeError> {
        if count == 0 || count > self.regions.len() {
            return Err(ReshapeError::Regions {
                asked: count,
                available: self.regions.len(),
            });
        }
        let first = &self.regions[..count];
        checked(self.file_of_regions(|id| first.iter().any(|region| region.id == *id)))
    }

    /// Only these nodes; a region that loses its last one goes, with its gateways and round trips.
    ///
    /// # Errors
    /// [`ReshapeError::Invalid`] when nothing is left.
    pub fn with_nodes(&self, kept: impl Fn(NodeId) -> bool) -> Result<Self, ReshapeError> {
        let stays = |region: &RegionId| {
            let mut nodes = self.nodes_in(region).peekable();
            nodes.peek().is_none() || nodes.any(|node| kept(node.id))
        };
        let mut file = self.file_of_regions(stays);
        file.nodes.retain(|node| kept(node.id));
        checked(file)
    }

    fn file_of_regions(&self, kept: impl Fn(&RegionId) -> bool) -> TopologyFile {
        let mut file = self.to_file();
        file.regions.retain(|region| kept(&region.id));
        file.nodes.retain(|node| kept(&node.region));
        file.gateways.retain(|gateway| kept(&gateway.region));
        file.rtt.ms.retain(|from, row| {
            row.retain(|to, _| kept(to));
            kept(from) && !row.is_empty()
        });
        file
    }

    /// `count` nodes in every region, numbered from 1 region by region, and one gateway in each; the addresses are
    /// placeholders until [`Topology::with_addrs`] sets them.
    ///
    /// # Errors
    /// [`ReshapeError::Invalid`] when `count` is zero or makes more nodes than a cluster may have.
    pub fn with_nodes_per_region(&self, count: u16) -> Result<Self, ReshapeError> {
        let mut file = self.to_file();
        let slots = self
            .regions
            .iter()
            .flat_map(|region| (0..count).map(|_| region.id.clone()));
        file.nodes = (1..)
            .zip(slots)
            .map(|(number, region)| Node {
                id: NodeId::new(number),
                region,
                addr: format!("node-{number}.invalid:1"),
                zone: None,
            })
            .collect();
        file.gateways = self.one_gateway_per_region();
        checked(file)
    }

    /// Exactly one gateway in every region; the addresses are placeholders until [`Topology::with_addrs`] sets them.
    ///
    /// # Errors
    /// [`ReshapeError::Invalid`] when a placeholder clashes with a node's address.
    pub fn with_one_gateway_per_region(&self) -> Result<Self, ReshapeError> {
        let mut file = self.to_file();
        file.gateways = self.one_gateway_per_region();
        checked(file)
    }

    fn one_gateway_per_region(&self) -> Vec<Gateway> {
        let regions = self.regions.iter().map(|region| region.id.clone());
        regions
            .map(|region| Gateway {
                addr: format!("gateway-{region}.invalid:1"),
                public_addrs: self.public_addrs_of(&region),
                region,
            })
            .collect()
    }

    fn public_addrs_of(&self, region: &RegionId) -> Vec<IpAddr> {
        let first = self.gateways_in(region).next();
        first.map_or_else(Vec::new, |gateway| gateway.public_addrs.clone())
    }

    /// The same topology with the addresses that one process uses to dial the others.
    ///
    /// # Errors
    /// [`ReshapeError::Invalid`] when an address is not `host:port` or is given twice.
    pub fn with_addrs(
        &self,
        node_addr: impl Fn(&Node) -> String,
        gateway_addr: impl Fn(&Gateway) -> String,
    ) -> Result<Self, ReshapeError> {
        let mut file = self.to_file();
        for node in &mut file.nodes {
            node.addr = node_addr(node);
        }
        for gateway in &mut file.gateways {
            gateway.addr = gateway_addr(gateway);
        }
        checked(file)
    }
}

impl Topology {
    /// The same topology with these addresses instead of the file's, for the nodes that have one here.
    ///
    /// # Errors
    /// [`ReshapeError::Invalid`] when an address is not `host:port` or is given twice.
    pub fn with_found_nodes(
        &self,
        found: impl Fn(NodeId) -> Option<String>,
    ) -> Result<Self, ReshapeError> {
        self.with_addrs(
            |node| found(node.id).unwrap_or_else(|| node.addr.clone()),
            |gateway| gateway.addr.clone(),
        )
    }
}

fn checked(file: TopologyFile) -> Result<Topology, ReshapeError> {
    Topology::from_file(file).map_err(|violations| ReshapeError::Invalid { violations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_five_regions_keep_their_round_trips() {
        let five = Topology::preset("five-regions").unwrap();
        let three = five.with_first_regions(3).unwrap();
        let trio = Topology::preset("three-regions").unwrap();
        assert_eq!(
            three.rtt.pairs().collect::<Vec<_>>(),
            trio.rtt.pairs().collect::<Vec<_>>()
        );
        assert_eq!(
            five.with_first_regions(6),
            Err(ReshapeError::Regions {
                asked: 6,
                available: 5
            })
        );
        assert!(
            five.with_first_regions(1)
                .unwrap()
                .rtt
                .pairs()
                .next()
                .is_none()
        );
    }

    #[test]
    fn nodes_are_numbered_region_by_region() {
        let topology = Topology::preset("three-regions")
            .unwrap()
            .with_nodes_per_region(2)
            .unwrap();
        let numbers: Vec<_> = topology
            .nodes_in(&topology.regions[1].id)
            .map(|node| node.id.get())
            .collect();
        assert_eq!(numbers, [3, 4]);
        assert!(topology.with_nodes_per_region(0).is_err());
    }

    #[test]
    fn a_region_without_nodes_goes_with_its_gateway_and_its_round_trips() {
        let four = Topology::preset("five-regions")
            .unwrap()
            .with_first_regions(4)
            .unwrap();
        let two_each = four.with_nodes_per_region(2).unwrap();
        let less = two_each.with_nodes(|node| ![2, 7, 8].contains(&node.get()));
        let less = less.unwrap();
        let nodes: Vec<_> = less.nodes.iter().map(|node| node.id.get()).collect();
        assert_eq!(nodes, [1, 3, 4, 5, 6]);
        assert_eq!((less.regions.len(), less.gateways.len()), (3, 3));
        let trio = four.with_first_regions(3).unwrap();
        assert_eq!(
            less.rtt.pairs().collect::<Vec<_>>(),
            trio.rtt.pairs().collect::<Vec<_>>()
        );
        assert!(two_each.with_nodes(|_| false).is_err());
    }

    #[test]
    fn nodes_that_were_found_are_dialled_there_and_the_others_as_the_file_says() {
        let topology = Topology::preset("three-regions").unwrap();
        let found = topology
            .with_found_nodes(|node| (node.get() == 2).then(|| "192.0.2.2:7400".to_owned()))
            .unwrap();
        let addrs: Vec<&str> = found.nodes.iter().map(|node| node.addr.as_str()).collect();
        assert_eq!(
            addrs,
            ["127.0.0.1:7101", "192.0.2.2:7400", "127.0.0.1:7103"]
        );
        let twice = topology.with_found_nodes(|_| Some("192.0.2.2:7400".to_owned()));
        assert!(twice.is_err());
    }

    #[test]
    fn one_address_for_two_nodes_is_refused() {
        let topology = Topology::preset("three-regions").unwrap();
        let error = topology
            .with_addrs(
                |_| "127.0.0.1:7000".to_owned(),
                |gateway| gateway.addr.clone(),
            )
            .unwrap_err();
        assert!(error.to_string().contains("node[1].addr"), "{error}");
    }
}
