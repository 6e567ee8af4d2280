//! The names of the zone and what is fixed about them.
//!
//! ```text
//! ZONE                        SOA NS            tickets.ZONE (each steered name)   A AAAA HTTPS SVCB: made for each question
//! ns1.ZONE                    A AAAA            REGION.ZONE                        A AAAA TXT: that region, well or not
//! _regions.ZONE               TXT, one a region
//! _holdfast-gateway._tcp.ZONE SRV of all        _holdfast-gateway._tcp.REGION.ZONE SRV of the region's
//! _holdfast-node._tcp.ZONE    SRV of all        _holdfast-node._tcp.REGION.ZONE    SRV of the region's
//! n7.nodes.ZONE, g1.gateways.ZONE               A AAAA, where they are dialled by address and not by name
//! ```
//!
//! Owns: building all of it from configuration, topology and the nodes that there are. Must never: know who is healthy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, NS, SOA, SRV, TXT};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use holdfast_region_config::Topology;
use holdfast_region_config::ids::RegionId;

use super::config::{DnsConfig, HttpsConfig};
use crate::config::ConfigError;

/// How often a secondary would look for a new serial, retry, and give up, s. There are none: every gateway is a primary.
const REFRESH_S: i32 = 3_600;
const RETRY_S: i32 = 600;
const EXPIRE_S: i32 = 86_400;
/// Services by which processes find each other.
const NODE_SERVICE: &str = "_holdfast-node._tcp";
const GATEWAY_SERVICE: &str = "_holdfast-gateway._tcp";

/// A server as the zone tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Label of its own, such as `n7`.
    pub label: String,
    /// Where it stands.
    pub region: RegionId,
    /// `host:port`, as the process that answers dials it.
    pub addr: String,
}

/// One name.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// What is fixed.
    pub records: Vec<Record>,
    /// Whether users are steered by it.
    pub steered: bool,
}

/// All names of the zone.
#[derive(Debug)]
pub struct Zone {
    /// The name of the zone.
    pub origin: LowerName,
    /// Goes with every "no", with the time that it may be remembered for (RFC 2308, section 3).
    pub soa_of_no: Record,
    /// How long answers may be remembered while all is well, s.
    pub ttl_s: u32,
    /// The same while degraded, s.
    pub ttl_degraded_s: u32,
    /// Regions in one answer.
    pub regions_per_answer: usize,
    /// What HTTPS records say, when there are any.
    pub https: Option<HttpsConfig>,
    /// Public addresses of the gateways of each region that has any, in the order of the file.
    pub gateways: BTreeMap<RegionId, Vec<IpAddr>>,
    /// Names of the regions, for HTTPS records.
    pub region_names: BTreeMap<RegionId, Name>,
    entries: HashMap<LowerName, Entry>,
}

impl Zone {
    /// The zone of `config` for `topology`, with these nodes. `serial` grows with every change of the records.
    ///
    /// # Errors
    /// When a name of the configuration cannot be one.
    pub fn build(
        config: &DnsConfig,
        topology: &Topology,
        nodes: &[Endpoint],
        serial: u32,
    ) -> Result<Self, ConfigError> {
        let origin = config.origin()?;
        let mut builder = Builder {
            origin: origin.clone(),
            ttl_s: config.ttl_s,
            entries: HashMap::new(),
        };
        let soa_of_no = builder.apex(config, serial)?;
        for name in &config.names {
            let name = config.name("dns.names", name)?;
            builder.entry(&name).steered = true;
        }
        let gateways = public_addresses(topology);
        let region_names = builder.regions(topology, &gateways)?;
        builder.services(topology, NODE_SERVICE, "nodes", nodes)?;
        let listed = gateway_endpoints(topology);
        builder.services(topology, GATEWAY_SERVICE, "gateways", &listed)?;
        builder.fill_gaps();
        Ok(Self {
            origin: LowerName::new(&origin),
            soa_of_no,
            ttl_s: config.ttl_s,
            ttl_degraded_s: config.ttl_degraded_s,
            regions_per_answer: config.regions_per_answer,
            https: config.https.clone(),
            gateways,
            region_names,
            entries: builder.entries,
        })
    }

    /// The name, when there is such a one; also one that only has names below it.
    #[must_use]
    pub fn entry(&self, name: &LowerName) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The fixed address records of `name`.
    pub fn addresses(&self, name: &Name) -> impl Iterator<Item = &Record> {
        let entry = self.entries.get(&LowerName::new(name));
        let records = entry.into_iter().flat_map(|entry| &entry.records);
        records.filter(|record| record.record_type().is_ip_addr())
    }
}

/// A name of the configuration that turns out impossible only with others before it.
fn impossible(error: impl std::fmt::Display) -> ConfigError {
    ConfigError::Value {
        key: "dns.zone",
        reason: format!("a name below it cannot be made: {error}"),
    }
}

/// What users reach each region's gateways by: as listed, else the region's public address, else the gateway's own.
#[must_use]
pub fn public_addresses(topology: &Topology) -> BTreeMap<RegionId, Vec<IpAddr>> {
    let mut all: BTreeMap<RegionId, Vec<IpAddr>> = BTreeMap::new();
    for gateway in &topology.gateways {
        let region = topology.region(&gateway.region);
        let named = region.and_then(|region| region.public_addr.as_deref());
        let fallback =
            || host_port(named.unwrap_or(&gateway.addr)).and_then(|(host, _)| host.parse().ok());
        let addrs = all.entry(gateway.region.clone()).or_default();
        if gateway.public_addrs.is_empty() {
            addrs.extend(fallback().filter(|addr| !addrs.contains(addr)));
        } else {
            addrs.extend(&gateway.public_addrs);
        }
    }
    all.retain(|_, addrs| !addrs.is_empty());
    all
}

fn gateway_endpoints(topology: &Topology) -> Vec<Endpoint> {
    let gateways = (1..).zip(&topology.gateways);
    let endpoint =
        |(number, gateway): (u32, &holdfast_region_config::topology::Gateway)| Endpoint {
            label: format!("g{number}"),
            region: gateway.region.clone(),
            addr: gateway.addr.clone(),
        };
    gateways.map(endpoint).collect()
}

/// Host, without brackets, and port.
fn host_port(addr: &str) -> Option<(&str, u16)> {
    let (host, port) = addr.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok()?))
}

fn address(addr: IpAddr) -> RData {
    match addr {
        IpAddr::V4(addr) => RData::A(A(addr)),
        IpAddr::V6(addr) => RData::AAAA(AAAA(addr)),
    }
}

struct Builder {
    origin: Name,
    ttl_s: u32,
    entries: HashMap<LowerName, Entry>,
}

impl Builder {
    fn entry(&mut self, name: &Name) -> &mut Entry {
        self.entries.entry(LowerName::new(name)).or_default()
    }

    fn add(&mut self, name: &Name, data: RData) {
        let record = Record::from_rdata(name.clone(), self.ttl_s, data);
        let records = &mut self.entry(name).records;
        if !records.contains(&record) {
            records.push(record);
        }
    }

    fn below(&self, text: &str) -> Result<Name, ConfigError> {
        Name::parse(text, Some(&self.origin)).map_err(impossible)
    }

    /// SOA, NS and their addresses.
    fn apex(&mut self, config: &DnsConfig, serial: u32) -> Result<Record, ConfigError> {
        let origin = self.origin.clone();
        let name_of = |text: &str| config.name("dns.nameservers", text);
        let first = config.nameservers.first();
        let primary = first.map_or_else(|| Ok(origin.clone()), |server| name_of(&server.name))?;
        let hostmaster = config.name("dns.hostmaster", &config.hostmaster)?;
        let no_s = config.ttl_negative_s;
        let soa = SOA::new(
            primary, hostmaster, serial, REFRESH_S, RETRY_S, EXPIRE_S, no_s,
        );
        let of_no = Record::from_rdata(
            origin.clone(),
            no_s.min(self.ttl_s),
            RData::SOA(soa.clone()),
        );
        self.add(&origin, RData::SOA(soa));
        for server in &config.nameservers {
            let name = name_of(&server.name)?;
            self.add(&origin, RData::NS(NS(name.clone())));
            if origin.zone_of(&name) {
                for addr in &server.addrs {
                    self.add(&name, address(*addr));
                }
            }
        }
        Ok(of_no)
    }

    fn regions(
        &mut self,
        topology: &Topology,
        gateways: &BTreeMap<RegionId, Vec<IpAddr>>,
    ) -> Result<BTreeMap<RegionId, Name>, ConfigError> {
        let list = self.below("_regions")?;
        let mut names = BTreeMap::new();
        for region in &topology.regions {
            let name = self.below(region.id.as_str())?;
            let text = |what: &str| format!("{what}{}", region.id);
            let about = vec![
                text("region="),
                format!("name={}", region.name),
                format!("lat={}", region.lat),
                format!("lon={}", region.lon),
            ];
            self.add(&list, RData::TXT(TXT::new(about.clone())));
            self.add(&name, RData::TXT(TXT::new(about)));
            for addr in gateways.get(&region.id).into_iter().flatten() {
                self.add(&name, address(*addr));
            }
            names.insert(region.id.clone(), name);
        }
        Ok(names)
    }

    /// SRV records of all and of each region, and addresses for those that are dialled by address.
    fn services(
        &mut self,
        topology: &Topology,
        service: &str,
        folder: &str,
        endpoints: &[Endpoint],
    ) -> Result<(), ConfigError> {
        let all = self.below(service)?;
        self.entry(&all);
        for region in &topology.regions {
            let name = self.below(&format!("{service}.{}", region.id))?;
            self.entry(&name);
        }
        for endpoint in endpoints {
            let Some((host, port)) = host_port(&endpoint.addr) else {
                continue;
            };
            let target = match host.parse::<IpAddr>() {
                Ok(addr) => {
                    let name = self.below(&format!("{}.{folder}", endpoint.label))?;
                    self.add(&name, address(addr));
                    name
                }
                // A name of somebody else's: absolute, whether it says so or not.
                Err(_) => {
                    let mut name = Name::from_ascii(host).map_err(impossible)?;
                    name.set_fqdn(true);
                    name
                }
            };
            // Equal priorities and weights: who asks knows best what is near it.
            let srv = || RData::SRV(SRV::new(0, 0, port, target.clone()));
            self.add(&all, srv());
            let region = self.below(&format!("{service}.{}", endpoint.region))?;
            self.add(&region, srv());
        }
        Ok(())
    }

    /// Names that exist only because others are below them.
    fn fill_gaps(&mut self) {
        let origin = LowerName::new(&self.origin);
        let mut gaps = BTreeSet::new();
        for name in self.entries.keys() {
            let mut above = name.base_name();
            while above != origin && origin.zone_of(&above) {
                gaps.insert(above.clone());
                above = above.base_name();
            }
        }
        for name in gaps {
            self.entries.entry(name).or_default();
        }
    }
}

/// Types that are made for each question at a steered name.
#[must_use]
pub fn is_steered_type(kind: RecordType) -> bool {
    matches!(
        kind,
        RecordType::A | RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB
    )
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    const CONFIG: &str = "listen = \"127.0.0.1:0\"\nzone = \"holdfast.example\"\nnames = [\"tickets\"]\n\
                          [[nameservers]]\nname = \"ns1\"\naddrs = [\"192.0.2.53\"]\n";

    fn zone() -> Zone {
        let config: DnsConfig = toml::from_str(CONFIG).unwrap();
        let topology = Topology::preset("three-regions").unwrap();
        let node = |number: u8, region: &str, addr: &str| Endpoint {
            label: format!("n{number}"),
            region: RegionId::new(region).unwrap(),
            addr: addr.to_owned(),
        };
        let nodes = [
            node(1, "eastus", "127.0.0.1:7101"),
            node(2, "westeurope", "n2.dc.example:7400"),
            node(3, "southeastasia", "[::1]:7103"),
        ];
        Zone::build(&config, &topology, &nodes, 7).unwrap()
    }

    fn texts(zone: &Zone, name: &str, kind: RecordType) -> Vec<String> {
        let name = LowerName::from_str(name).unwrap();
        let entry = zone.entry(&name).expect("the name is there");
        let records = entry.records.iter().filter(|r| r.record_type() == kind);
        records.map(|record| record.data.to_string()).collect()
    }

    #[test]
    fn every_kind_of_name_is_there() {
        let zone = zone();
        assert_eq!(
            texts(&zone, "holdfast.example.", RecordType::NS),
            ["ns1.holdfast.example."]
        );
        assert_eq!(
            texts(&zone, "ns1.holdfast.example.", RecordType::A),
            ["192.0.2.53"]
        );
        assert_eq!(
            texts(&zone, "westeurope.holdfast.example.", RecordType::A),
            ["192.0.2.20"]
        );
        assert_eq!(
            texts(&zone, "_regions.holdfast.example.", RecordType::TXT).len(),
            3
        );
        let tickets = LowerName::from_str("tickets.holdfast.example.").unwrap();
        assert!(zone.entry(&tickets).unwrap().steered);
        assert!(
            zone.entry(&LowerName::from_str("no.holdfast.example.").unwrap())
                .is_none()
        );
    }

    #[test]
    fn nodes_are_found_by_srv_whether_they_are_dialled_by_name_or_by_address() {
        let zone = zone();
        let all = texts(
            &zone,
            "_holdfast-node._tcp.holdfast.example.",
            RecordType::SRV,
        );
        let expected = [
            "0 0 7101 n1.nodes.holdfast.example.",
            "0 0 7400 n2.dc.example.",
            "0 0 7103 n3.nodes.holdfast.example.",
        ];
        assert_eq!(all, expected);
        let here = "_holdfast-node._tcp.southeastasia.holdfast.example.";
        assert_eq!(texts(&zone, here, RecordType::SRV), expected[2..]);
        assert_eq!(
            texts(&zone, "n3.nodes.holdfast.example.", RecordType::AAAA),
            ["::1"]
        );
        let gateways = texts(
            &zone,
            "_holdfast-gateway._tcp.holdfast.example.",
            RecordType::SRV,
        );
        assert_eq!(gateways.len(), 3);
    }

    #[test]
    fn names_between_exist_and_have_nothing() {
        let zone = zone();
        for name in [
            "_tcp.holdfast.example.",
            "nodes.holdfast.example.",
            "_tcp.eastus.holdfast.example.",
        ] {
            let entry = zone.entry(&LowerName::from_str(name).unwrap()).expect(name);
            assert!(entry.records.is_empty() && !entry.steered, "{name}");
        }
    }

    #[test]
    fn a_gateway_without_public_addresses_is_reached_at_its_own() {
        let topology = Topology::preset("three-regions").unwrap();
        let toml = topology.to_toml();
        let bare: String = toml
            .lines()
            .filter(|line| {
                !line.contains("192.0.2.")
                    && !line.contains("2001:db8:")
                    && !line.contains("public_addrs")
            })
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            .replace("\n]\n", "\n");
        let bare = Topology::parse(&bare).unwrap();
        let addrs = public_addresses(&bare);
        assert!(
            addrs
                .values()
                .all(|addrs| *addrs == ["127.0.0.1".parse::<IpAddr>().unwrap()])
        );
    }
}
