//! Where the gateways of all regions are asked what they know.
//!
//! ```text
//!   topology file ──────────────────────────────────────────────────────────┐
//!   _holdfast-gateway._tcp.REGION.ZONE, at start and every 30 s ─► found ───┴─► of each region: as found, else as in the file
//! ```
//!
//! Owns: that choice, and asking for the names. Must never: write what was found into the topology. This gateway's own zone is
//! made of that, and name servers that ask each other would tell each other their own old answers for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_node_api::discovery::{
    Discovery, FoundGateways, GatewayFinder, Occasions, TopologySource,
};
use holdfast_region_config::Topology;
use holdfast_region_config::ids::RegionId;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::upstream::Upstream;

/// Gateways of other regions that are asked in one round: four in each of as many regions as there may be.
pub(crate) const GATEWAYS_MAX: usize = 128;

/// See the module's head.
#[derive(Debug)]
pub struct Gateways {
    /// `None` = the file says it all.
    finder: Option<GatewayFinder>,
}

impl Gateways {
    /// As in the topology file, until names are asked; never, without a `discovery` that says where.
    #[must_use]
    pub fn new(discovery: Option<&Discovery>) -> Self {
        Self {
            finder: discovery.and_then(GatewayFinder::new),
        }
    }

    /// `host:port` of every gateway that is known, by region. A region without a gateway of its own is not in it.
    pub(crate) fn known(&self, topology: &Topology) -> BTreeMap<RegionId, Vec<String>> {
        let found = self.finder.as_ref().map(GatewayFinder::addresses);
        laid_over(topology, &found.unwrap_or_default())
    }

    /// Region and `host:port` of the gateways to ask in regions other than `own`, at most [`GATEWAYS_MAX`].
    pub(crate) fn elsewhere(&self, topology: &Topology, own: &RegionId) -> Vec<(RegionId, String)> {
        in_turns(self.known(topology), own)
    }
}

/// Asks for the names until `stop`; returns at once when there are none to ask for.
pub async fn keep_found(app: Arc<App>, source: TopologySource, stop: CancellationToken) {
    let Some(finder) = &app.gateways.finder else {
        return;
    };
    match source.occasions() {
        Ok(occasions) => {
            let looking = look_again(finder, &app.upstream, occasions);
            stop.run_until_cancelled(looking).await;
        }
        Err(error) => tracing::warn!(%error, "SIGHUP cannot be followed"),
    }
}

async fn look_again(finder: &GatewayFinder, upstream: &Upstream, mut occasions: Occasions) {
    loop {
        let topology = upstream.topology();
        let regions = topology.regions.iter().map(|region| region.id.clone());
        let regions: Vec<RegionId> = regions.collect();
        finder.look(&regions).await;
        occasions.next().await;
    }
}

/// The file's addresses, except of the regions in `found`.
fn laid_over(topology: &Topology, found: &FoundGateways) -> BTreeMap<RegionId, Vec<String>> {
    let of = |region: &RegionId| -> Vec<String> {
        let Some(addrs) = found.get(region) else {
            let listed = topology.gateways_in(region);
            return listed.map(|gateway| gateway.addr.clone()).collect();
        };
        addrs.iter().map(ToString::to_string).collect()
    };
    let regions = topology.regions.iter();
    let known = regions.map(|region| (region.id.clone(), of(&region.id)));
    known.filter(|(_, addrs)| !addrs.is_empty()).collect()
}

/// The first gateway of every region, then the second of each: one with many leaves no other unasked.
fn in_turns(known: BTreeMap<RegionId, Vec<String>>, own: &RegionId) -> Vec<(RegionId, String)> {
    let others = known.into_iter().filter(|(region, _)| region != own);
    let mut all: Vec<(usize, RegionId, String)> = others
        .flat_map(|(region, addrs)| {
            let numbered = addrs.into_iter().enumerate();
            numbered.map(move |(nth, addr)| (nth, region.clone(), addr))
        })
        .collect();
    all.sort_by_key(|(nth, ..)| *nth);
    all.truncate(GATEWAYS_MAX);
    let pairs = all.into_iter().map(|(_, region, addr)| (region, addr));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::ops::Range;

    use super::*;

    /// Three regions; the file has a gateway in each of the first two.
    const FILE: &str = r#"
cluster = "gateways"
region = [
    { id = "a", name = "A", lat = 0.0, lon = 0.0 },
    { id = "b", name = "B", lat = 0.0, lon = 1.0 },
    { id = "c", name = "C", lat = 0.0, lon = 2.0 },
]
node = [
    { id = 1, region = "a", addr = "127.0.0.1:11" },
    { id = 2, region = "b", addr = "127.0.0.1:12" },
    { id = 3, region = "c", addr = "127.0.0.1:13" },
]
gateway = [
    { region = "a", addr = "127.0.0.1:21" },
    { region = "b", addr = "127.0.0.1:22" },
]
[rtt]
source = "made up"
[rtt.ms]
a = { b = 20.0, c = 20.0 }
b = { a = 20.0, c = 20.0 }
c = { a = 20.0, b = 20.0 }
"#;

    fn topology() -> Topology {
        Topology::parse(FILE).unwrap()
    }

    fn region(text: &str) -> RegionId {
        RegionId::new(text).unwrap()
    }

    fn found(of: &str, ports: Range<u16>) -> FoundGateways {
        let addrs = ports.map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        FoundGateways::from([(region(of), addrs.collect())])
    }

    fn text(all: &[(RegionId, String)]) -> Vec<String> {
        let line = |(region, addr): &(RegionId, String)| format!("{region} {addr}");
        all.iter().map(line).collect()
    }

    #[test]
    fn what_was_found_goes_before_the_file_and_the_file_before_nothing() {
        let (topology, own) = (topology(), region("a"));
        let only_file = Gateways::new(None);
        let expected = ["b 127.0.0.1:22"];
        assert_eq!(text(&only_file.elsewhere(&topology, &own)), expected);
        let of_file = only_file.known(&topology);
        assert!(!of_file.contains_key(&region("c")), "it has none");

        let known = laid_over(&topology, &found("c", 80..81));
        let expected = ["b 127.0.0.1:22", "c 192.0.2.1:80"];
        assert_eq!(text(&in_turns(known, &own)), expected, "it has one by name");

        let known = laid_over(&topology, &found("b", 81..83));
        let expected = ["b 192.0.2.1:81", "b 192.0.2.1:82"];
        assert_eq!(text(&in_turns(known, &own)), expected);

        let known = laid_over(&topology, &found("mars", 83..84));
        assert!(!known.contains_key(&region("mars")), "no such region");
    }

    #[test]
    fn a_region_with_many_leaves_no_other_unasked() {
        let known = laid_over(&topology(), &found("a", 1..1_000));
        let asked = in_turns(known, &region("c"));
        assert_eq!(asked.len(), GATEWAYS_MAX);
        assert!(text(&asked).contains(&"b 127.0.0.1:22".to_owned()));
    }
}
