//! Says everything that is wrong with a topology, each fault with its key and the reason.
//!
//! Owns: the rules, one function each. Must never: stop at the first fault, repair anything, touch the network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::ids::RegionId;
use crate::topology::{Topology, TopologyFile};

/// Most regions of one cluster. A map of the world has fewer places worth a quorum.
pub const REGIONS_MAX: usize = 32;
/// Most nodes of one cluster.
pub const NODES_MAX: usize = 256;
/// Longest believable round trip, ms. The other side of the world is 400 away; a satellite hop adds 600.
pub const RTT_MS_MAX: f64 = 2_000.0;
/// Longest believable round trip inside one region, ms; more is two regions.
pub const RTT_LOCAL_MS_MAX: f64 = 50.0;
/// How far the two directions of one pair may be apart, as a factor. More is a slip of the pen.
pub const RTT_SKEW_MAX: f64 = 4.0;
/// Most public addresses of one gateway: an answer with several gateways must fit into one small packet.
pub const PUBLIC_ADDRS_MAX: usize = 4;
/// Longest cluster name, characters.
pub const CLUSTER_CHARS_MAX: usize = 60;

/// One fault: where and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the key, as in `node[2].addr` or `rtt.ms.eastus.westeurope`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// Collects faults; a rule pushes and carries on.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Violation {
            key: key.into(),
            reason: reason.into(),
        });
    }
}

/// Every fault of the file, in the order of the rules; empty when there is none.
pub(crate) fn violations(file: &TopologyFile) -> Vec<Violation> {
    let mut found = Findings::default();
    let rules: [fn(&TopologyFile, &mut Findings); 12] = [
        cluster_has_a_name,
        counts_are_bounded,
        region_ids_are_unique,
        regions_are_on_the_globe,
        nodes_are_numbered_once,
        nodes_and_gateways_stand_in_known_regions,
        addresses_can_be_dialled,
        addresses_are_used_once,
        public_addresses_reach_one_gateway,
        voting_regions_are_enough_and_have_nodes,
        every_pair_has_a_round_trip,
        round_trips_are_believable,
    ];
    for rule in rules {
        rule(file, &mut found);
    }
    found.0
}

/// Allowed, but worth saying.
pub(crate) fn warnings(topology: &Topology) -> Vec<Violation> {
    let mut found = Findings::default();
    let voting = topology
        .regions
        .iter()
        .filter(|region| region.voting)
        .count();
    if voting < 3 {
        found.add(
            "region",
            format!(
                "with {voting} voting regions no region can be lost; three are needed for that"
            ),
        );
    }
    if topology.rtt.source().trim().is_empty() && topology.regions.len() > 1 {
        found.add(
            "rtt.source",
            "nobody can tell where the round-trip times come from",
        );
    }
    found.0
}

fn cluster_has_a_name(file: &TopologyFile, found: &mut Findings) {
    let chars = file.cluster.chars().count();
    if chars == 0 || chars > CLUSTER_CHARS_MAX {
        found.add(
            "cluster",
            format!("must have 1 to {CLUSTER_CHARS_MAX} characters, has {chars}"),
        );
    } else if let Some(bad) = file
        .cluster
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c)))
    {
        found.add(
            "cluster",
            format!("may have letters, digits, '-', '_' and '.', not {bad:?}"),
        );
    }
}

fn counts_are_bounded(file: &TopologyFile, found: &mut Findings) {
    for (key, count, count_max) in [
        ("region", file.regions.len(), REGIONS_MAX),
        ("node", file.nodes.len(), NODES_MAX),
    ] {
        if count == 0 {
            found.add(key, "at least one is needed");
        } else if count > count_max {
            found.add(
                key,
                format!("at most {count_max} are supported, got {count}"),
            );
        }
    }
}

fn region_ids_are_unique(file: &TopologyFile, found: &mut Findings) {
    let mut first: BTreeMap<&RegionId, usize> = BTreeMap::new();
    for (at, region) in file.regions.iter().enumerate() {
        if let Some(earlier) = first.insert(&region.id, at) {
            found.add(
                format!("region[{at}].id"),
                format!("{} is already the id of region[{earlier}]", region.id),
            );
        }
    }
}

fn regions_are_on_the_globe(file: &TopologyFile, found: &mut Findings) {
    for (at, region) in file.regions.iter().enumerate() {
        if region.name.trim().is_empty() {
            found.add(format!("region[{at}].name"), "must not be empty");
        }
        for (key, degrees, limit) in [("lat", region.lat, 90.0), ("lon", region.lon, 180.0)] {
            if !(-limit..=limit).contains(&degrees) {
                found.add(
                    format!("region[{at}].{key}"),
                    format!("must be from -{limit} to {limit} degrees, is {degrees}"),
                );
            }
        }
    }
}

fn nodes_are_numbered_once(file: &TopologyFile, found: &mut Findings) {
    let mut first = BTreeMap::new();
    for (at, node) in file.nodes.iter().enumerate() {
        if node.id.get() == 0 {
            found.add(
                format!("node[{at}].id"),
                "must not be 0, which means \"no node\"",
            );
        }
        if let Some(earlier) = first.insert(node.id, at) {
            found.add(
                format!("node[{at}].id"),
                format!("{} is already the id of node[{earlier}]", node.id.get()),
            );
        }
    }
}

fn nodes_and_gateways_stand_in_known_regions(file: &TopologyFile, found: &mut Findings) {
    let known = |id: &RegionId| file.regions.iter().any(|region| region.id == *id);
    let nodes = file.nodes.iter().map(|node| &node.region).enumerate();
    let gateways = file
        .gateways
        .iter()
        .map(|gateway| &gateway.region)
        .enumerate();
    for (kind, at, region) in nodes
        .map(|(at, region)| ("node", at, region))
        .chain(gateways.map(|(at, region)| ("gateway", at, region)))
    {
        if !known(region) {
            found.add(
                format!("{kind}[{at}].region"),
                format!("there is no region {region}"),
            );
        }
    }
}

/// Every address of the file with its key.
fn addresses(file: &TopologyFile) -> impl Iterator<Item = (String, &str)> {
    let nodes = file
        .nodes
        .iter()
        .enumerate()
        .map(|(at, n)| (format!("node[{at}].addr"), n.addr.as_str()));
    let gateways = file.gateways.iter().enumerate();
    nodes.chain(gateways.map(|(at, g)| (format!("gateway[{at}].addr"), g.addr.as_str())))
}

fn addresses_can_be_dialled(file: &TopologyFile, found: &mut Findings) {
    let public = file.regions.iter().enumerate().filter_map(|(at, region)| {
        Some((
            format!("region[{at}].public_addr"),
            region.public_addr.as_deref()?,
        ))
    });
    for (key, addr) in addresses(file).chain(public) {
        if let Err(reason) = check_addr(addr) {
            found.add(key, format!("{addr:?} is not host:port: {reason}"));
        }
    }
}

/// `host:port`, `127.0.0.1:7101` or `[::1]:7101`; no scheme, no path, and a port that can be dialled.
fn check_addr(addr: &str) -> Result<(), &'static str> {
    if addr.contains("://") {
        return Err("leave the scheme away");
    }
    let (host, port) = addr.rsplit_once(':').ok_or("the port is missing")?;
    let port: u16 = port
        .parse()
        .map_err(|_| "the port must be a number from 1 to 65535")?;
    if port == 0 {
        return Err("port 0 cannot be dialled");
    }
    if let Some(v6) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return v6
            .parse::<std::net::Ipv6Addr>()
            .map(|_| ())
            .map_err(|_| "not an IPv6 address");
    }
    if host.is_empty() {
        return Err("the host is missing");
    }
    let host_is_plain = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if host_is_plain {
        Ok(())
    } else {
        Err("the host has a character that no host name has")
    }
}

fn addresses_are_used_once(file: &TopologyFile, found: &mut Findings) {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for (key, addr) in addresses(file) {
        match first.get(addr) {
            Some(earlier) => found.add(key, format!("{addr} is already {earlier}")),
            None => drop(first.insert(addr, key)),
        }
    }
}

fn public_addresses_reach_one_gateway(file: &TopologyFile, found: &mut Findings) {
    let mut first: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (at, gateway) in file.gateways.iter().enumerate() {
        let count = gateway.public_addrs.len();
        if count > PUBLIC_ADDRS_MAX {
            let reason = format!("at most {PUBLIC_ADDRS_MAX} are supported, got {count}");
            found.add(format!("gateway[{at}].public_addrs"), reason);
        }
        for (nth, addr) in gateway.public_addrs.iter().enumerate() {
            let key = format!("gateway[{at}].public_addrs[{nth}]");
            if addr.is_unspecified() || addr.is_multicast() {
                found.add(key, format!("{addr} is not the address of one machine"));
                continue;
            }
            match first.get(addr) {
                Some(earlier) => found.add(key, format!("{addr} is already {earlier}")),
                None => drop(first.insert(*addr, key)),
            }
        }
    }
}

fn voting_regions_are_enough_and_have_nodes(file: &TopologyFile, found: &mut Findings) {
    let voting: Vec<_> = file
        .regions
        .iter()
        .enumerate()
        .filter(|(_, r)| r.voting)
        .collect();
    if voting.is_empty() && !file.regions.is_empty() {
        found.add("region", "at least one region must be voting");
    }
    // Groups choose an odd number of voting regions by themselves; out of two there is nothing to choose.
    let chosen = voting.len() != file.regions.len();
    if chosen && voting.len() == 2 {
        found.add(
            "region",
            "2 voting regions: an even number tolerates no more than one less; let a third one vote",
        );
    }
    for (at, region) in voting {
        if !file.nodes.iter().any(|node| node.region == region.id) {
            found.add(
                format!("region[{at}]"),
                format!(
                    "{} has no node; give it one or set voting = false",
                    region.id
                ),
            );
        }
    }
}

fn every_pair_has_a_round_trip(file: &TopologyFile, found: &mut Findings) {
    for from in &file.regions {
        for to in file.regions.iter().filter(|to| to.id != from.id) {
            let known = file
                .rtt
                .ms
                .get(&from.id)
                .is_some_and(|row| row.contains_key(&to.id));
            if !known {
                found.add(
                    format!("rtt.ms.{}.{}", from.id, to.id),
                    "missing: every ordered pair of regions needs a round-trip time",
                );
            }
        }
    }
}

fn round_trips_are_believable(file: &TopologyFile, found: &mut Findings) {
    if let Some(ms) = file.rtt.local_ms
        && !(ms > 0.0 && ms <= RTT_LOCAL_MS_MAX)
    {
        let reason = format!("must be above 0 and at most {RTT_LOCAL_MS_MAX} ms, is {ms}");
        found.add("rtt.local_ms", reason);
    }
    let known = |id: &RegionId| file.regions.iter().any(|region| region.id == *id);
    for (from, row) in &file.rtt.ms {
        if !known(from) {
            found.add(
                format!("rtt.ms.{from}"),
                format!("there is no region {from}"),
            );
        }
        for (to, &ms) in row {
            let key = format!("rtt.ms.{from}.{to}");
            if !known(to) {
                found.add(key.as_str(), format!("there is no region {to}"));
            }
            if from == to {
                found.add(key, "a region's round trip to itself is rtt.local_ms");
            } else if !(ms > 0.0 && ms <= RTT_MS_MAX) {
                found.add(
                    key,
                    format!("must be above 0 and at most {RTT_MS_MAX} ms, is {ms}"),
                );
            } else if let Some(&back) = file.rtt.ms.get(to).and_then(|row| row.get(from))
                && back > 0.0
                && ms > back * RTT_SKEW_MAX
            {
                found.add(
                    key,
                    format!("is {ms} ms, but {back} ms the other way round"),
                );
            }
        }
    }
}
