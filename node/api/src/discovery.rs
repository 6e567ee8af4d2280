//! Finding nodes by SRV records instead of static addresses.
//!
//! ```text
//!   _holdfast-node._tcp.ZONE ─SRV─► n7.nodes.ZONE:7400 ─A, AAAA─► 192.0.2.7 ─► node 7 is dialled at 192.0.2.7:7400
//! ```
//!
//! A target's first label says which node it is: `n7`. Names of any DNS server will do; a gateway's own zone has them
//! (`docs/dns.md`), and those of the gateways beside them ([`GatewayFinder`]). Owns: asking, the tries, and reading targets. Must
//! never: make up a node, or wait without end.

mod gateways;
mod source;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType, rdata::SRV};
use hickory_resolver::{Resolver, TokioResolver};
use serde::Deserialize;

pub use self::gateways::{FoundGateways, GatewayFinder};
pub use self::source::{Occasions, TopologySource};

/// Tries before it is given up the first time; with the pauses between them about ten seconds.
const TRIES: u32 = 6;
/// First pause between two tries; doubles.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// One question, with its repeats.
const QUESTION_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Nodes that are looked up.
const TARGETS_MAX: usize = 256;

/// Where to ask. `discovery = { srv = "_holdfast-node._tcp.holdfast.example", resolver = "127.0.0.1:5353" }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// The name that has the SRV records.
    pub srv: String,
    /// The name server, UDP and TCP: a resolver, or a gateway that answers DNS.
    pub resolver: SocketAddr,
}

/// Nobody was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It is not a name.
    #[error("discovery.srv: {srv:?} is not a name: {reason}")]
    Name {
        /// As configured.
        srv: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer, or one that says no.
    #[error("{resolver} does not tell who {srv} is: {source}")]
    Lookup {
        /// Who was asked.
        resolver: SocketAddr,
        /// What was asked.
        srv: String,
        /// What came of it.
        source: Box<NetError>,
    },
    /// An answer in which no target is a node.
    #[error("{srv} at {resolver} names no node: the first label of a target must be like n7")]
    NoNodes {
        /// Who was asked.
        resolver: SocketAddr,
        /// What was asked.
        srv: String,
    },
    /// An answer in which no target has an address.
    #[error("{srv} at {resolver} names no gateway that has an address")]
    NoGateways {
        /// Who was asked.
        resolver: SocketAddr,
        /// What was asked.
        srv: String,
    },
}

/// Node number → address.
pub type Found = BTreeMap<u64, SocketAddr>;

/// Asks, and remembers what it was told.
#[derive(Debug)]
pub struct Finder {
    discovery: Discovery,
    /// `None` = nobody was asked yet. Never held over an await.
    last: Mutex<Option<Found>>,
}

impl Finder {
    /// Has asked nobody yet.
    #[must_use]
    pub fn new(discovery: Discovery) -> Self {
        Self {
            discovery,
            last: Mutex::default(),
        }
    }

    /// Where nodes are: as told now, else as told last. The first time it tries for about ten seconds, later once.
    pub async fn addresses(&self) -> Found {
        let last = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let tries = if last.is_none() { TRIES } else { 1 };
        let found = self.discovery.find(tries).await.unwrap_or_else(|error| {
            let last = last.unwrap_or_default();
            tracing::warn!(%error, known = last.len(), "nodes are dialled where they were");
            last
        });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        found
    }
}

impl Discovery {
    /// Node number → address, of every node that is named and has an address.
    ///
    /// # Errors
    /// [`DiscoveryError`], as the last of `tries` had it.
    pub async fn find(&self, tries: u32) -> Result<Found, DiscoveryError> {
        let name = absolute(&self.srv)?;
        let resolver = self.resolver()?;
        tried(tries, || self.once(&resolver, &name)).await
    }

    fn resolver(&self) -> Result<TokioResolver, DiscoveryError> {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = self.resolver.port();
        }
        let server = NameServerConfig::new(self.resolver.ip(), true, connections);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = QUESTION_TIMEOUT;
        options.attempts = 1;
        builder.build().map_err(|source| self.lookup(source))
    }

    fn lookup(&self, source: NetError) -> DiscoveryError {
        DiscoveryError::Lookup {
            resolver: self.resolver,
            srv: self.srv.clone(),
            source: Box::new(source),
        }
    }

    async fn once(&self, resolver: &TokioResolver, name: &Name) -> Result<Found, DiscoveryError> {
        let found = services(resolver, name).await;
        let found = found.map_err(|error| self.lookup(error))?;
        let targets = found
            .into_iter()
            .filter_map(|service| Some((node_of(&service)?, service)));
        let mut nodes = BTreeMap::new();
        for (node, service) in targets.take(TARGETS_MAX) {
            let addr = address(resolver, &service).await;
            if let Some(addr) = addr.map_err(|error| self.lookup(error))? {
                nodes.insert(node, addr);
            }
        }
        if nodes.is_empty() {
            return Err(DiscoveryError::NoNodes {
                resolver: self.resolver,
                srv: self.srv.clone(),
            });
        }
        Ok(nodes)
    }
}

/// The name as it stands, also without the dot at its end: nothing is searched for.
fn absolute(srv: &str) -> Result<Name, DiscoveryError> {
    let mut name = Name::from_ascii(srv).map_err(|error| DiscoveryError::Name {
        srv: srv.to_owned(),
        reason: error.to_string(),
    })?;
    name.set_fqdn(true);
    Ok(name)
}

/// Asks until there is an answer, `tries` times at most.
async fn tried<T, F, Fut>(tries: u32, once: F) -> Result<T, DiscoveryError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, DiscoveryError>>,
{
    let mut pause = PAUSE_MIN;
    for _ in 1..tries {
        match once().await {
            Ok(found) => return Ok(found),
            Err(error) => tracing::debug!(%error, "not found yet"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    once().await
}

/// The SRV records of `name`.
async fn services(resolver: &TokioResolver, name: &Name) -> Result<Vec<SRV>, NetError> {
    let found = resolver.lookup(name.clone(), RecordType::SRV).await?;
    let records = found.answers().iter();
    let services = records.filter_map(|record| match &record.data {
        RData::SRV(service) => Some(service.clone()),
        _ => None,
    });
    Ok(services.collect())
}

/// The first address of a service's target.
async fn address(resolver: &TokioResolver, service: &SRV) -> Result<Option<SocketAddr>, NetError> {
    let addrs = resolver.lookup_ip(service.target.clone()).await?;
    let first = addrs.iter().next();
    Ok(first.map(|addr| SocketAddr::new(addr, service.port)))
}

/// `n7.nodes.example.` is node 7.
fn node_of(service: &SRV) -> Option<u64> {
    let label = service.target.iter().next()?;
    let digits = std::str::from_utf8(label).ok()?.strip_prefix(['n', 'N'])?;
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn a_targets_first_label_says_which_node_it_is() {
        let node = |target: &str| node_of(&SRV::new(0, 0, 7_400, Name::from_str(target).unwrap()));
        assert_eq!(node("n7.nodes.holdfast.example."), Some(7));
        assert_eq!(node("N12.dc.example."), Some(12));
        for other in [
            "node7.example.",
            "n.example.",
            "n0.example.",
            "n7a.example.",
            ".",
        ] {
            assert_eq!(node(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_given_up_by_name() {
        // Bound and never read: questions are lost there.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let discovery = Discovery {
            srv: "_holdfast-node._tcp.holdfast.example".to_owned(),
            resolver: silent.local_addr().unwrap(),
        };
        let error = discovery.find(1).await.unwrap_err().to_string();
        assert!(error.contains("_holdfast-node"), "{error}");
    }
}
