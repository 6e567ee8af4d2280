//! One place of the topology and the process that fills it.
//!
//! Owns: names, and which binary fills which place. Must never: start or end a process; the cluster does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use holdfast_region_config::{NodeId, RegionId, Topology};

use super::files::Files;
use super::ports::Ports;
use super::process::{Process, Signals};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A replica server.
    Node(NodeId),
    /// What users reach.
    Gateway,
}

/// One process of the cluster and where it can be reached.
#[derive(Debug)]
pub struct Member {
    /// `n2`, `gateway-eastus`.
    pub name: String,
    /// Node or gateway.
    pub kind: Kind,
    /// Where it stands.
    pub region: RegionId,
    /// Health, metrics, and for a gateway the API.
    pub http: SocketAddr,
    /// A node's gRPC service.
    pub grpc: Option<SocketAddr>,
    /// What it writes.
    pub log: PathBuf,
    pub(super) config: PathBuf,
    pub(super) process: Option<Process>,
}

impl Member {
    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::pid)
    }

    /// What reaches it later, for as long as this process of it lives; `None` while it does not run.
    pub(crate) fn signals(&self) -> Option<Signals> {
        self.process.as_ref().map(Process::signals)
    }
}

/// `gateway-eastus`.
#[must_use]
pub fn gateway_name(region: &RegionId) -> String {
    format!("gateway-{region}")
}

pub(super) const fn binary_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Node(_) => "holdfast-node",
        Kind::Gateway => "holdfast-gateway",
    }
}

/// Every member of the topology, none running yet.
pub(super) fn members(
    topology: &Topology,
    ports: &Ports,
    files: &Files,
) -> BTreeMap<String, Member> {
    let member = |name: String, kind, region: &RegionId, http, grpc| {
        let (config, log) = (files.config(&name), files.log(&name));
        let region = region.clone();
        (
            name.clone(),
            Member {
                name,
                kind,
                region,
                http,
                grpc,
                log,
                config,
                process: None,
            },
        )
    };
    let nodes = topology.nodes.iter().map(|node| {
        let grpc = Some(ports.node_grpc(node.id));
        let http = ports.node_http(node.id);
        member(
            node.id.to_string(),
            Kind::Node(node.id),
            &node.region,
            http,
            grpc,
        )
    });
    let gateways = topology.regions.iter().map(|region| {
        let http = ports.gateway(&region.id);
        member(
            gateway_name(&region.id),
            Kind::Gateway,
            &region.id,
            http,
            None,
        )
    });
    nodes.chain(gateways).collect()
}
