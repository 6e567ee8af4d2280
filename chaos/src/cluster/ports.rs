//! Ports of a cluster on this machine.
//!
//! From a fixed base the order is: gateways (HTTP) in topology order; the network's control API; for each node in id
//! order its gRPC and its HTTP port; then the network's links, by dialler and server in topology order.
//!
//! Owns: keeping every port bound until its process is about to start. Must never: give one port to two.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use holdfast_region_config::{NodeId, RegionId, Topology};

use super::error::ClusterError;

/// Free ports are looked for here: below the range that systems hand out to outgoing connections, so that a process
/// which is down for a while finds its port free when it comes back.
const FREE_PORTS: std::ops::Range<u16> = 18_000..32_000;
/// Ports tried before giving up.
const FREE_PORT_TRIES: usize = 2_000;

/// Who a port is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Gateway(RegionId),
    Control,
    NodeGrpc(NodeId),
    NodeHttp(NodeId),
    Link(String, String),
    Dns(RegionId),
}

impl Purpose {
    fn describe(&self) -> String {
        match self {
            Self::Gateway(region) => format!("the gateway in {region}"),
            Self::Control => "the network's control api".to_owned(),
            Self::NodeGrpc(id) => format!("grpc of node {id}"),
            Self::NodeHttp(id) => format!("http of node {id}"),
            Self::Dns(region) => format!("dns of {region}"),
            Self::Link(dialler, server) => format!("the link {dialler}->{server}"),
        }
    }
}

/// Every port of one cluster, bound.
#[derive(Debug)]
pub struct Ports {
    addrs: BTreeMap<Purpose, SocketAddr>,
    /// Kept open until taken or until all are dropped.
    kept: BTreeMap<Purpose, TcpListener>,
}

/// Who has links of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Diallers {
    /// A region: its processes share one link to each server of another region. What demos and benchmarks run on.
    #[default]
    Regions,
    /// Each process, to each server, also inside its region: then one process can be cut off.
    Processes,
}

/// One link to be: who dials which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// A region, or one process.
    pub dialler: String,
    /// Where it stands.
    pub viewer: RegionId,
    /// Where the server stands.
    pub target: RegionId,
    /// A gateway is called by its process name, a node by its id.
    pub server: String,
}

/// Every way that is to have a link.
#[must_use]
pub fn ways(topology: &Topology, diallers: Diallers) -> Vec<Way> {
    let nodes = topology.nodes.iter();
    let nodes = nodes.map(|node| (&node.region, node.id.to_string()));
    let gateways = topology.gateways.iter();
    let gateways = gateways.map(|g| (&g.region, super::gateway_name(&g.region)));
    let servers: Vec<(&RegionId, String)> = nodes.chain(gateways).collect();
    let mut ways = Vec::new();
    let from: Vec<(&RegionId, String)> = match diallers {
        Diallers::Regions => {
            let regions = topology.regions.iter();
            regions.map(|r| (&r.id, r.id.to_string())).collect()
        }
        Diallers::Processes => servers.clone(),
    };
    for (viewer, dialler) in from {
        let seen = servers.iter().filter(|(region, server)| match diallers {
            Diallers::Regions => *region != viewer,
            Diallers::Processes => *server != dialler,
        });
        ways.extend(seen.map(|(target, server)| Way {
            dialler: dialler.clone(),
            viewer: viewer.clone(),
            target: (*target).clone(),
            server: server.clone(),
        }));
    }
    ways
}

impl Ports {
    /// Binds every port of the cluster.
    ///
    /// # Errors
    /// [`ClusterError::PortTaken`] names the port and who was to have it.
    pub fn reserve(
        topology: &Topology,
        links: Option<Diallers>,
        base: Option<u16>,
    ) -> Result<Self, ClusterError> {
        let mut purposes: Vec<Purpose> = topology
            .regions
            .iter()
            .map(|region| Purpose::Gateway(region.id.clone()))
            .collect();
        purposes.push(Purpose::Control);
        let mut nodes: Vec<NodeId> = topology.nodes.iter().map(|node| node.id).collect();
        nodes.sort_unstable();
        purposes.extend(
            nodes
                .iter()
                .flat_map(|&id| [Purpose::NodeGrpc(id), Purpose::NodeHttp(id)]),
        );
        if let Some(diallers) = links {
            let ways = ways(topology, diallers).into_iter();
            purposes.extend(ways.map(|way| Purpose::Link(way.dialler, way.server)));
        }
        let regions = topology.regions.iter();
        purposes.extend(regions.map(|region| Purpose::Dns(region.id.clone())));
        let count = purposes.len();
        let mut ports = Self {
            addrs: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        for (offset, purpose) in (0_u16..).zip(purposes) {
            let listener = match base {
                None => free_port()?,
                Some(base) => {
                    let port = base.checked_add(offset).filter(|port| *port > 0);
                    let port = port.ok_or(ClusterError::PortRange { base, count })?;
                    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| {
                        ClusterError::PortTaken {
                            port,
                            purpose: purpose.describe(),
                            source,
                        }
                    })?
                }
            };
            let addr = listener
                .local_addr()
                .map_err(|source| ClusterError::PortTaken {
                    port: base.unwrap_or(0),
                    purpose: purpose.describe(),
                    source,
                })?;
            ports.addrs.insert(purpose.clone(), addr);
            ports.kept.insert(purpose, listener);
        }
        Ok(ports)
    }

    /// Where a region's gateway listens.
    #[must_use]
    pub fn gateway(&self, region: &RegionId) -> SocketAddr {
        self.addr(&Purpose::Gateway(region.clone()))
    }

    /// Where the network's control API listens.
    #[must_use]
    pub fn control(&self) -> SocketAddr {
        self.addr(&Purpose::Control)
    }

    /// Where a node's gRPC service listens.
    #[must_use]
    pub fn node_grpc(&self, id: NodeId) -> SocketAddr {
        self.addr(&Purpose::NodeGrpc(id))
    }

    /// Where a node's HTTP service listens.
    #[must_use]
    pub fn node_http(&self, id: NodeId) -> SocketAddr {
        self.addr(&Purpose::NodeHttp(id))
    }

    /// Where a region's DNS server listens, if the cluster has DNS.
    #[must_use]
    pub fn dns(&self, region: &RegionId) -> SocketAddr {
        self.addr(&Purpose::Dns(region.clone()))
    }

    /// Where a server named as in [`Way`] listens.
    #[must_use]
    pub fn server(&self, region: &RegionId, server: &str) -> SocketAddr {
        match server.parse::<NodeId>() {
            Ok(id) => self.node_grpc(id),
            Err(_) => self.gateway(region),
        }
    }

    pub(crate) fn take_link(
        &mut self,
        dialler: &str,
        server: &str,
    ) -> Result<tokio::net::TcpListener, ClusterError> {
        self.take(&Purpose::Link(dialler.to_owned(), server.to_owned()))
    }

    pub(crate) fn take_control(&mut self) -> Result<tokio::net::TcpListener, ClusterError> {
        self.take(&Purpose::Control)
    }

    fn take(&mut self, purpose: &Purpose) -> Result<tokio::net::TcpListener, ClusterError> {
        let port = self.addr(purpose).port();
        let taken = |source| ClusterError::PortTaken {
            port,
            purpose: purpose.describe(),
            source,
        };
        let listener = self.kept.remove(purpose).expect("a port is taken once");
        listener.set_nonblocking(true).map_err(taken)?;
        tokio::net::TcpListener::from_std(listener).map_err(taken)
    }

    fn addr(&self, purpose: &Purpose) -> SocketAddr {
        *self
            .addrs
            .get(purpose)
            .expect("ports are reserved for every member of the topology")
    }
}

/// Walks the range from a place that differs from process to process, so that two of them seldom meet.
pub(crate) fn free_port() -> Result<TcpListener, ClusterError> {
    static STEPS: AtomicU32 = AtomicU32::new(0);
    let range = u32::from(FREE_PORTS.end - FREE_PORTS.start);
    let start = std::process::id().wrapping_mul(977) % range;
    for _ in 0..FREE_PORT_TRIES {
        let step = STEPS.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(step) % range;
        let port = FREE_PORTS
            .start
            .saturating_add(u16::try_from(offset).unwrap_or(0));
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    Err(ClusterError::NoFreePort {
        tries: FREE_PORT_TRIES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_purpose() {
        let topology = Topology::preset("three-regions").unwrap();
        // The fifth port is the first node's gRPC: three gateways and the control API come before it.
        let (base, _taken) = loop {
            let taken = free_port().unwrap();
            let base = taken.local_addr().unwrap().port() - 4;
            let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            if (base..base + 4).all(free) {
                break (base, taken);
            }
        };
        let error = Ports::reserve(&topology, Some(Diallers::Regions), Some(base))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("port {}, wanted for grpc of node n1", base + 4)),
            "{error}"
        );
    }

    #[test]
    fn a_base_without_room_is_refused() {
        let topology = Topology::preset("three-regions").unwrap();
        let error = Ports::reserve(&topology, Some(Diallers::Regions), Some(65_535)).unwrap_err();
        assert!(matches!(
            error,
            ClusterError::PortRange { .. } | ClusterError::PortTaken { .. }
        ));
    }

    #[test]
    fn every_far_server_has_a_link_and_no_near_one_does() {
        let topology = Topology::preset("three-regions").unwrap();
        let far = ways(&topology, Diallers::Regions);
        assert_eq!(far.len(), 3 * 2 * 2);
        assert!(far.iter().all(|way| way.viewer != way.target));
    }

    #[test]
    fn with_links_of_its_own_a_process_has_one_to_every_other() {
        let topology = Topology::preset("three-regions").unwrap();
        let all = ways(&topology, Diallers::Processes);
        assert_eq!(all.len(), 6 * 5);
        assert!(all.iter().all(|way| way.dialler != way.server));
    }
}
