//! The DNS of a cluster: one server a region, in its gateway, and made-up networks so that its answers differ.
//!
//! Owns: that part of the gateways' configuration, and where it is. Must never: listen anywhere but on loopback.

use std::net::SocketAddr;

use holdfast_region_config::{RegionId, Topology};

use super::ports::Ports;
use super::{Cluster, ClusterOptions};

/// The zone of every cluster on this machine.
const ZONE: &str = "holdfast.example";
/// What users ask for.
const NAME: &str = "tickets";

/// One region's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsServer {
    /// Its region.
    pub region: RegionId,
    /// UDP and TCP.
    pub addr: SocketAddr,
}

/// A network that the servers take to be near a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearNetwork {
    /// `10.2.0.0/16`.
    pub range: String,
    /// The region.
    pub region: RegionId,
}

/// Made-up networks: 10.N.0.0/16 and fd00:0:N::/48 are near the Nth region.
fn networks(topology: &Topology) -> Vec<NearNetwork> {
    let regions = (1_u8..).zip(&topology.regions);
    let ranges = regions.flat_map(|(n, region)| {
        [format!("10.{n}.0.0/16"), format!("fd00:0:{n:x}::/48")].map(|range| NearNetwork {
            range,
            region: region.id.clone(),
        })
    });
    ranges.collect()
}

/// Adds `[dns]` and `[geo]` to the configuration of a region's gateway.
pub(super) fn configure(
    config: &mut toml::Table,
    topology: &Topology,
    region: &RegionId,
    ports: &Ports,
    options: &ClusterOptions,
) {
    if !options.dns {
        return;
    }
    let servers = (1_u32..).zip(&topology.regions).map(|(n, region)| {
        // Glue: all of them are on this machine, behind ports that DNS cannot tell.
        let addr: toml::Value = ports.dns(&region.id).ip().to_string().into();
        let name = ("name".to_owned(), format!("ns{n}").into());
        let addrs = ("addrs".to_owned(), toml::Value::Array(vec![addr]));
        toml::Value::Table(toml::Table::from_iter([name, addrs]))
    });
    let servers: Vec<toml::Value> = servers.collect();
    let mut dns = toml::Table::new();
    dns.insert("listen".to_owned(), ports.dns(region).to_string().into());
    dns.insert("zone".to_owned(), ZONE.into());
    dns.insert("names".to_owned(), toml::Value::Array(vec![NAME.into()]));
    dns.insert("nameservers".to_owned(), toml::Value::Array(servers));
    let alpn = vec!["http/1.1".into()];
    let https = toml::Table::from_iter([("alpn".to_owned(), toml::Value::Array(alpn))]);
    dns.insert("https".to_owned(), toml::Value::Table(https));
    config.insert("dns".to_owned(), toml::Value::Table(dns));
    let placed = networks(topology).into_iter().map(|network| {
        let range = ("range".to_owned(), network.range.into());
        let region = ("region".to_owned(), network.region.as_str().into());
        toml::Value::Table(toml::Table::from_iter([range, region]))
    });
    // Where a page measures how far each region is: its gateways' own addresses, all of them as near as can be.
    let origins = topology.regions.iter().map(|region| {
        let origin = format!("http://{}", ports.gateway(&region.id));
        (region.id.to_string(), origin.into())
    });
    let origins = ("origins".to_owned(), toml::Value::Table(origins.collect()));
    let round_trips = toml::Table::from_iter([origins]);
    let geo = toml::Table::from_iter([
        ("network".to_owned(), toml::Value::Array(placed.collect())),
        ("round_trips".to_owned(), toml::Value::Table(round_trips)),
    ]);
    config.insert("geo".to_owned(), toml::Value::Table(geo));
}

impl Cluster {
    /// The DNS servers, in the order of the regions; none when the cluster has no DNS.
    #[must_use]
    pub fn dns_servers(&self) -> &[DnsServer] {
        &self.dns
    }

    /// The name that users are steered by.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{NAME}.{ZONE}")
    }

    /// Which made-up networks are near which region.
    #[must_use]
    pub fn dns_networks(&self) -> Vec<NearNetwork> {
        networks(&self.places)
    }
}

pub(super) fn servers(
    topology: &Topology,
    ports: &Ports,
    options: &ClusterOptions,
) -> Vec<DnsServer> {
    let regions = topology.regions.iter().filter(|_| options.dns);
    let servers = regions.map(|region| DnsServer {
        region: region.id.clone(),
        addr: ports.dns(&region.id),
    });
    servers.collect()
}
