//! Finding the gateways of each region by the SRV records beside those of the nodes.
//!
//! ```text
//!   discovery.srv = _holdfast-node._tcp.ZONE
//!   ─► _holdfast-gateway._tcp.REGION.ZONE ─SRV─► g2.gateways.ZONE:8080 ─A, AAAA─► 192.0.2.20
//! ```
//!
//! Owns: the names that are asked, and what holds while nobody answers. Must never: take silence for "there is none".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::Name;
use holdfast_region_config::ids::RegionId;

use super::{Discovery, DiscoveryError, TRIES, absolute, address, services, tried};

/// What the nodes' name begins with, where the zone behind it is one of ours.
const NODES: &str = "_holdfast-node._tcp.";
/// What a region's gateways have in its place.
const GATEWAYS: &str = "_holdfast-gateway._tcp";
/// Gateways of one region that are looked up; nobody asks that many of one region what it sees.
const REGION_GATEWAYS_MAX: usize = 16;

/// Region → addresses of its gateways. A region that has none by name is not in it.
pub type FoundGateways = BTreeMap<RegionId, Vec<SocketAddr>>;

/// Asks where the gateways of regions are, and remembers what it was told.
#[derive(Debug)]
pub struct GatewayFinder {
    discovery: Discovery,
    zone: String,
    /// `None` = nobody was asked yet. Never held over an await.
    last: Mutex<Option<FoundGateways>>,
}

impl GatewayFinder {
    /// Has asked nobody yet. `None` when the nodes are looked for under a name that is not `_holdfast-node._tcp.ZONE`: it does
    /// not say what the gateways' names are.
    #[must_use]
    pub fn new(discovery: &Discovery) -> Option<Self> {
        let srv = discovery.srv.to_ascii_lowercase();
        let zone = srv.strip_prefix(NODES)?.trim_end_matches('.');
        (!zone.is_empty()).then(|| Self {
            discovery: discovery.clone(),
            zone: zone.to_owned(),
            last: Mutex::default(),
        })
    }

    fn last(&self) -> MutexGuard<'_, Option<FoundGateways>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where gateways are, as told last.
    #[must_use]
    pub fn addresses(&self) -> FoundGateways {
        self.last().clone().unwrap_or_default()
    }

    /// Asks for the gateways of all of `regions` at once; others are forgotten. The first time it tries for about ten seconds,
    /// later once. For a region about which nobody answers, what was told last holds.
    pub async fn look(&self, regions: &[RegionId]) {
        let before = self.last().clone();
        let tries = if before.is_none() { TRIES } else { 1 };
        let resolver = match self.discovery.resolver() {
            Ok(resolver) => resolver,
            Err(error) => {
                tracing::warn!(%error, "gateways are asked where they were");
                return;
            }
        };
        let asking = regions
            .iter()
            .map(|region| self.ask(&resolver, region, tries));
        let mut silence = None;
        let told = join_all(asking).await.into_iter().map(|told| match told {
            Ok(addrs) => Some(addrs),
            Err(error) => {
                silence = Some(error);
                None
            }
        });
        let before = before.unwrap_or_default();
        let now = now_holds(&before, regions.iter().cloned().zip(told));
        if let Some(error) = silence {
            tracing::warn!(%error, known = now.len(), "gateways are asked where they were");
        }
        if now != before {
            tracing::info!(gateways = ?now, "gateways are found by name");
        }
        *self.last() = Some(now);
    }

    async fn ask(
        &self,
        resolver: &TokioResolver,
        region: &RegionId,
        tries: u32,
    ) -> Result<Vec<SocketAddr>, DiscoveryError> {
        let name = absolute(&format!("{GATEWAYS}.{region}.{}", self.zone))?;
        tried(tries, || self.once(resolver, &name)).await
    }

    /// None, when the answer is that there is no such record.
    async fn once(
        &self,
        resolver: &TokioResolver,
        name: &Name,
    ) -> Result<Vec<SocketAddr>, DiscoveryError> {
        let asked = self.discovery.resolver;
        let failed = |source: NetError| DiscoveryError::Lookup {
            resolver: asked,
            srv: name.to_string(),
            source: Box::new(source),
        };
        let found = match services(resolver, name).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut addrs = Vec::new();
        for service in found.iter().take(REGION_GATEWAYS_MAX) {
            match address(resolver, service).await {
                Ok(Some(addr)) if !addrs.contains(&addr) => addrs.push(addr),
                Ok(_) => {}
                Err(error) if error.is_no_records_found() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if addrs.is_empty() {
            return Err(DiscoveryError::NoGateways {
                resolver: asked,
                srv: name.to_string(),
            });
        }
        Ok(addrs)
    }
}

/// What holds after `told`, in which `None` is silence.
fn now_holds(
    before: &FoundGateways,
    told: impl Iterator<Item = (RegionId, Option<Vec<SocketAddr>>)>,
) -> FoundGateways {
    let now = told.map(|(region, addrs)| {
        let addrs = addrs.or_else(|| before.get(&region).cloned());
        (region, addrs.unwrap_or_default())
    });
    now.filter(|(_, addrs)| !addrs.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(srv: &str) -> Option<GatewayFinder> {
        GatewayFinder::new(&Discovery {
            srv: srv.to_owned(),
            resolver: "127.0.0.1:53".parse().unwrap(),
        })
    }

    fn region(text: &str) -> RegionId {
        RegionId::new(text).unwrap()
    }

    fn addrs(port: u16) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([127, 0, 0, 1], port))]
    }

    #[test]
    fn the_zone_is_what_stands_behind_the_nodes_service() {
        let zone = |srv: &str| finder(srv).map(|finder| finder.zone);
        let expected = Some("holdfast.example".to_owned());
        assert_eq!(zone("_holdfast-node._tcp.holdfast.example"), expected);
        assert_eq!(zone("_Holdfast-Node._TCP.holdfast.example."), expected);
        for other in ["_nodes._tcp.dc.example", "_holdfast-node._tcp.", "", "."] {
            assert_eq!(zone(other), None, "{other:?}");
        }
    }

    #[test]
    fn silence_changes_nothing_and_a_no_does() {
        let before = FoundGateways::from([
            (region("a"), addrs(1)),
            (region("b"), addrs(2)),
            (region("c"), addrs(3)),
            (region("gone"), addrs(4)),
        ]);
        let told = [
            (region("a"), None),
            (region("b"), Some(vec![])),
            (region("c"), Some(addrs(5))),
            (region("new"), None),
        ];
        let now = now_holds(&before, told.into_iter());
        let expected = FoundGateways::from([(region("a"), addrs(1)), (region("c"), addrs(5))]);
        assert_eq!(now, expected);
    }
}
