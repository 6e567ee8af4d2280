//! A server on a free port, with the zone of the demo's three regions.
//!
//! Owns: its parts and its end. Must never: look healthier than it was told.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_server::net::xfer::Protocol;
use holdfast_gateway::clock;
use holdfast_gateway::dns::config::DnsConfig;
use holdfast_gateway::dns::cookie::Cookies;
use holdfast_gateway::dns::geography::Places;
use holdfast_gateway::dns::listen::Sockets;
use holdfast_gateway::dns::rate_limit::RateLimit;
use holdfast_gateway::dns::responder::{Live, Responder};
use holdfast_gateway::dns::steering::Steering;
use holdfast_gateway::dns::zone::{Endpoint, Zone};
use holdfast_gateway::geo::Geo;
use holdfast_gateway::metrics::dns::DnsMetrics;
use holdfast_region_config::{RegionId, Topology};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What users ask for.
pub(crate) const TICKETS: &str = "tickets.holdfast.example.";
/// TCP connections that a server takes: more than one client's share.
pub(crate) const CONNECTIONS_MAX: usize = 12;
const CONFIG: &str = r#"
listen = "127.0.0.1:0"
zone = "holdfast.example"
names = ["tickets"]
[[nameservers]]
name = "ns1"
addrs = ["192.0.2.53"]
[https]
alpn = ["h2"]
"#;
const GEO: &str = r#"
[[network]]
range = "10.2.0.0/16"
region = "westeurope"
[[network]]
range = "2001:db8:a::/48"
region = "southeastasia"
"#;

/// A running server; it ends with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    responder: Arc<Responder>,
    live: fn(Steering, usize) -> Live,
    nodes: usize,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn region(text: &str) -> RegionId {
    RegionId::new(text).unwrap()
}

fn live(steering: Steering, nodes: usize) -> Live {
    let config: DnsConfig = toml::from_str(CONFIG).unwrap();
    let topology = Topology::preset("three-regions").unwrap();
    let nodes: Vec<Endpoint> = (1..=nodes)
        .map(|number| Endpoint {
            label: format!("n{number}"),
            region: region("eastus"),
            addr: format!("127.0.0.1:{}", 7_000 + number),
        })
        .collect();
    let geo = Geo::open(region("eastus"), &toml::from_str(GEO).unwrap()).unwrap();
    Live {
        zone: Arc::new(Zone::build(&config, &topology, &nodes, 1).unwrap()),
        steering: Arc::new(steering),
        geography: Arc::new(Places::new(Arc::new(geo), Arc::new(topology))),
    }
}

impl Server {
    /// With so many nodes in the zone, and so many answers a second to one network.
    pub(crate) async fn start(nodes: usize, per_second: u32) -> Self {
        let limit = RateLimit::new(per_second, [1; 16], clock::now());
        let (cookies, metrics) = (Cookies::new([2; 16]), DnsMetrics::new().unwrap());
        let responder = Responder::new(live(Steering::default(), nodes), cookies, limit, metrics);
        let responder = Arc::new(responder);
        let sockets = Sockets::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, stop) = (sockets.address(), CancellationToken::new());
        sockets.serve(&responder, CONNECTIONS_MAX, &TaskTracker::new(), &stop);
        Self {
            address,
            responder,
            live,
            nodes,
            stop,
        }
    }

    /// From now on users are steered like this.
    pub(crate) fn steer(&self, steering: Steering) {
        self.responder.replace((self.live)(steering, self.nodes));
    }

    /// What the server would send back, without a socket in between.
    pub(crate) async fn respond(&self, packet: &[u8], protocol: Protocol) -> Option<Vec<u8>> {
        let src = "203.0.113.9:5353".parse().unwrap();
        self.responder.respond(packet.to_vec(), src, protocol).await
    }
}
