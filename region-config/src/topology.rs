//! The topology: which regions there are, which nodes and gateways they have, how far apart they are.
//!
//! Owns: the file form (TOML) and the checked form. Must never: hold a topology that did not pass [`crate::validate`].
//!
//! The addresses in a file are how *the process that reads it* dials the others, so two processes of one cluster
//! may read files that differ in addresses, and in nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, RegionId};
use crate::labels::{Jurisdiction, ZoneId};
use crate::rtt::{LOCAL_RTT_DEFAULT_MS, RttMatrix};
use crate::validate::{self, Violation};

/// A checked topology. Made only by [`Topology::parse`], [`Topology::load`], [`Topology::preset`] and the methods
/// that derive one topology from another, so it is known to be sound.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Topology {
    /// Name of the cluster. Nodes of clusters with other names are not spoken to.
    pub cluster: String,
    /// In file order; at least one.
    pub regions: Vec<Region>,
    /// In file order; at least one, and at least one in every voting region.
    pub nodes: Vec<Node>,
    /// In file order; may be empty.
    pub gateways: Vec<Gateway>,
    /// Round trips between all regions.
    pub rtt: RttMatrix,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Unique in the topology.
    pub id: RegionId,
    /// For people: `Amsterdam, NL`.
    pub name: String,
    /// Latitude, degrees, north positive, -90 to 90.
    pub lat: f64,
    /// Longitude, degrees, east positive, -180 to 180.
    pub lon: f64,
    /// Where users reach this region's gateways, `host:port`, when that is not a gateway's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_addr: Option<String>,
    /// Whether replicas here may vote. A region that may not still serves reads from learners.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub voting: bool,
    /// Whose law holds here. A show that demands a jurisdiction has replicas only in regions that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<Jurisdiction>,
}

/// One replica server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique in the topology; never zero, never used again for another machine.
    pub id: NodeId,
    /// The region it stands in.
    pub region: RegionId,
    /// `host:port` of its gRPC service, as the reader of this file dials it.
    pub addr: String,
    /// The part of the region that it is lost with. Without one it is a zone of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The region it stands in.
    pub region: RegionId,
    /// `host:port` of its HTTP service, as the reader of this file dials it.
    pub addr: String,
    /// Addresses that the authoritative DNS gives to users, best first; at most
    /// [`crate::validate::PUBLIC_ADDRS_MAX`]. The same in every process's file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_addrs: Vec<IpAddr>,
}

/// The file as written: syntax is right, sense is not checked yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopologyFile {
    pub(crate) cluster: String,
    #[serde(rename = "region", default)]
    pub(crate) regions: Vec<Region>,
    #[serde(rename = "node", default)]
    pub(crate) nodes: Vec<Node>,
    #[serde(rename = "gateway", default)]
    pub(crate) gateways: Vec<Gateway>,
    #[serde(default)]
    pub(crate) rtt: RttFile,
}

/// `[rtt]` of the file. `ms.A.B` is the round trip from A to B.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RttFile {
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) local_ms: Option<f64>,
    #[serde(default)]
    pub(crate) ms: BTreeMap<RegionId, BTreeMap<RegionId, f64>>,
}

/// Why there is no topology.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error("cannot read topology {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or a key is unknown, missing or of the wrong type.
    #[error("topology {origin} cannot be understood: {message}")]
    Syntax {
        /// File or preset.
        origin: String,
        /// Line, column and reason.
        message: String,
    },
    /// Understood, but it makes no sense. Every fault is listed, not just the first.
    #[error("topology {origin} is not valid: {}", list(violations))]
    Invalid {
        /// File or preset.
        origin: String,
        /// What is wrong, in file order.
        violations: Vec<Violation>,
    },
}

impl Topology {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every kind of [`TopologyError`]; the text names the file and each key at fault.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TopologyError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| TopologyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse_named(&text, &path.display().to_string())
    }

    /// Reads and checks TOML text.
    ///
    /// # Errors
    /// [`TopologyError::Syntax`] and [`TopologyError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, TopologyError> {
        Self::parse_named(text, "text")
    }

    pub(crate) fn parse_named(text: &str, origin: &str) -> Result<Self, TopologyError> {
        let file: TopologyFile = toml::from_str(text).map_err(|error| TopologyError::Syntax {
            origin: origin.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        Self::from_file(file).map_err(|violations| TopologyError::Invalid {
            origin: origin.to_owned(),
            violations,
        })
    }

    pub(crate) fn from_file(file: TopologyFile) -> Result<Self, Vec<Violation>> {
        let violations = validate::violations(&file);
        if !violations.is_empty() {
            return Err(violations);
        }
        let pairs = file.rtt.ms.into_iter().map(|(from, row)| {
            let row = row.into_iter().filter(|(to, _)| *to != from);
            (
                from.clone(),
                row.map(|(to, ms)| (to, from_ms(ms))).collect(),
            )
        });
        let local = from_ms(file.rtt.local_ms.unwrap_or(LOCAL_RTT_DEFAULT_MS));
        Ok(Self {
            cluster: file.cluster,
            rtt: RttMatrix::new(file.rtt.source, local, pairs.collect()),
            regions: file.regions,
            nodes: file.nodes,
            gateways: file.gateways,
        })
    }

    pub(crate) fn to_file(&self) -> TopologyFile {
        let mut ms: BTreeMap<RegionId, BTreeMap<RegionId, f64>> = BTreeMap::new();
        for (from, to, rtt) in self.rtt.pairs() {
            ms.entry(from.clone())
                .or_default()
                .insert(to.clone(), to_ms(rtt));
        }
        TopologyFile {
            cluster: self.cluster.clone(),
            regions: self.regions.clone(),
            nodes: self.nodes.clone(),
            gateways: self.gateways.clone(),
            rtt: RttFile {
                source: self.rtt.source().to_owned(),
                local_ms: Some(to_ms(self.rtt.local())),
                ms,
            },
        }
    }

    /// The topology as TOML that [`Topology::parse`] reads back to an equal one.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(&self.to_file()).expect("tables of strings and finite numbers")
    }

    /// The region with this id.
    #[must_use]
    pub fn region(&self, id: &RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == *id)
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The region that `node` stands in.
    #[must_use]
    pub fn region_of(&self, node: NodeId) -> Option<&RegionId> {
        self.node(node).map(|node| &node.region)
    }

    /// The nodes of a region, in file order.
    pub fn nodes_in<'a>(&'a self, region: &'a RegionId) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.region == *region)
    }

    /// The gateways of a region, in file order.
    pub fn gateways_in<'a>(&'a self, region: &'a RegionId) -> impl Iterator<Item = &'a Gateway> {
        self.gateways
            .iter()
            .filter(move |gateway| gateway.region == *region)
    }

    /// Things that are allowed and that an operator should know, such as a cluster that cannot lose a region.
    #[must_use]
    pub fn warnings(&self) -> Vec<Violation> {
        validate::warnings(self)
    }
}

const fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands skip_serializing_if a reference"
)]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// Validation has bounded `ms` before this is called.
fn from_ms(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1_000.0)
}

fn to_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn list(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(Violation::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
