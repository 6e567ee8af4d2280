//! A wide-area network on one machine: a TCP proxy for each way from a region to a server in another region.
//!
//! ```text
//!   gateway in eastus ──► eastus->n2 ──(one way: half the round trip)──► node n2 in westeurope
//!                                    ◄─(and half of it back)───────────
//! ```
//!
//! Each process reads a topology whose addresses of far servers are those of its own region's proxies. Ways inside a
//! region are not proxied: the machine's own loopback is the local network.
//!
//! Owns: the links, what is cut, the control API. Must never: drop or reorder bytes of a connection that lives. A
//! partition stalls connections, as a real one does, and what was on the way arrives when it heals.

mod alarm;
pub mod control;
mod doom;
mod flow;
mod link;
mod metrics;
mod proxies;
mod proxy;
mod pump;
pub mod serve;
pub mod shape;
pub mod toxic;
mod toxiproxy;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use holdfast_region_config::RegionId;
use tokio::net::TcpListener;

pub use link::CONNECTIONS_MAX;
pub use shape::{Direction, Partitions};
pub use toxic::{Toxic, ToxicError, ToxicKind};

use self::alarm::Alarm;
use self::link::{Ends, Link, Places};
use self::metrics::Metrics;
use self::proxy::Proxy;
use self::shape::LinkShape;

/// One way to be emulated.
#[derive(Debug)]
pub struct LinkSpec {
    /// Who dials: a region, or one process of it.
    pub dialler: String,
    /// The region that looks.
    pub viewer: RegionId,
    /// The region that is looked at.
    pub target: RegionId,
    /// Which server there: `n2`, `gateway`.
    pub server: String,
    /// Where that server really listens.
    pub upstream: SocketAddr,
    /// Where the viewer dials; already bound, so that no other process can take the port in between.
    pub listener: TcpListener,
    /// Round trip as the viewer sees it.
    pub rtt: Duration,
}

/// Why the network or a part of it is not as asked.
#[derive(Debug, thiserror::Error)]
pub enum WanError {
    /// The system refused a socket.
    #[error("link {link}: {source}")]
    Socket {
        /// Which link.
        link: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No link has this name.
    #[error("proxy not found")]
    UnknownLink {
        /// The name asked for.
        name: String,
    },
    /// A link has this name already.
    #[error("proxy already exists")]
    LinkExists {
        /// The name asked for.
        name: String,
    },
    /// One more proxy than there may be.
    #[error("there are {} proxies, more are refused", proxies::PROXIES_MAX)]
    TooManyLinks,
    /// An address that cannot be listened on, or leads out of this machine.
    #[error(
        "bad request body: listen {listen}: only an address of this machine's loopback, with a port"
    )]
    Listen {
        /// The address asked for.
        listen: String,
    },
    /// No link touches this region.
    #[error("there is no region {region} in this network")]
    UnknownRegion {
        /// The region asked for.
        region: String,
    },
    /// No link belongs to this one process.
    #[error("there is no process {name} with links of its own in this network")]
    UnknownProcess {
        /// The process asked for.
        name: String,
    },
    /// A toxic of this name is there already.
    #[error("toxic already exists")]
    ToxicExists {
        /// Which link.
        link: String,
        /// The toxic's name.
        toxic: String,
    },
    /// One more toxic than there may be.
    #[error(
        "there are {} toxics on this proxy, more are refused",
        toxic::TOXICS_MAX
    )]
    TooManyToxics,
    /// The link has no such toxic.
    #[error("toxic not found")]
    UnknownToxic {
        /// Which link.
        link: String,
        /// The toxic's name.
        toxic: String,
    },
    /// The system gave no thread to keep the time.
    #[error("no thread for the emulated network's clock: {0}")]
    Thread(#[source] std::io::Error),
    /// A toxic that makes no sense.
    #[error(transparent)]
    Toxic(#[from] ToxicError),
}

/// The running network. Clones share it; it ends when [`Wan::shut_down`] is called or the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Wan {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Looked up and changed over the API. Never held over an await.
    proxies: RwLock<BTreeMap<String, Arc<Proxy>>>,
    /// What is cut. Never held over an await.
    partitions: Mutex<Partitions>,
    toxic_count: AtomicU64,
    seed: u64,
    metrics: Metrics,
    alarm: Alarm,
}

impl Wan {
    /// Starts a proxy for every spec. `seed` fixes what every connection draws. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`WanError::Socket`] and [`WanError::Thread`] when the system refuses.
    pub fn start(specs: Vec<LinkSpec>, seed: u64) -> Result<Self, WanError> {
        let metrics = Metrics::new();
        let alarm = Alarm::start()?;
        let mut proxies = BTreeMap::new();
        for spec in specs {
            let name = link_name(&spec.dialler, &spec.server);
            let listen = spec
                .listener
                .local_addr()
                .map_err(|source| WanError::Socket {
                    link: name.clone(),
                    source,
                })?;
            let ends = Ends {
                viewer: spec.viewer,
                target: spec.target,
                dialler: spec.dialler,
                server: spec.server,
            };
            let places = Places {
                listen,
                upstream: spec.upstream.to_string(),
            };
            let shape = LinkShape::new(spec.rtt);
            let link = Link::new(
                name.clone(),
                Some(ends),
                places,
                shape,
                seed,
                &metrics,
                &alarm,
            );
            let proxy = Proxy::running(Arc::new(link), spec.listener);
            proxies.insert(name, Arc::new(proxy));
        }
        let shared = Shared {
            proxies: RwLock::new(proxies),
            partitions: Mutex::new(Partitions::default()),
            toxic_count: AtomicU64::new(1),
            seed,
            metrics,
            alarm,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Where `dialler`, a region or a process with links of its own, dials `server`; `None` when there is no such link.
    #[must_use]
    pub fn address(&self, dialler: &str, server: &str) -> Option<SocketAddr> {
        let proxy = self.proxy(&link_name(dialler, server)).ok()?;
        Some(proxy.link.places().listen)
    }

    /// Cuts both ways between two regions: nothing arrives, nothing is refused.
    pub fn cut(&self, a: &RegionId, b: &RegionId) {
        self.change_partitions(|partitions| {
            partitions.cut(a, b);
            partitions.cut(b, a);
        });
    }

    /// Cuts one way only: `to` no longer hears `from`.
    pub fn cut_one_way(&self, from: &RegionId, to: &RegionId) {
        self.change_partitions(|partitions| partitions.cut(from, to));
    }

    /// Cuts a region from all others, both ways.
    pub fn isolate(&self, region: &RegionId) {
        let others: Vec<RegionId> = self.regions().into_iter().filter(|r| r != region).collect();
        self.change_partitions(|partitions| {
            for other in &others {
                partitions.cut(region, other);
                partitions.cut(other, region);
            }
        });
    }

    /// Heals both ways between two regions.
    pub fn heal(&self, a: &RegionId, b: &RegionId) {
        self.change_partitions(|partitions| {
            partitions.heal(a, b);
            partitions.heal(b, a);
        });
    }

    /// Heals one way only: `to` hears `from` again.
    pub fn heal_one_way(&self, from: &RegionId, to: &RegionId) {
        self.change_partitions(|partitions| partitions.heal(from, to));
    }

    /// Cuts one process from everybody, inside its region too.
    ///
    /// # Errors
    /// [`WanError::UnknownProcess`] when it shares its links with others of its region.
    pub fn isolate_process(&self, name: &str) -> Result<(), WanError> {
        let own = |link: &Arc<Link>| link.ends.as_ref().is_some_and(|ends| ends.dialler == name);
        if !self.links().iter().any(own) {
            let name = name.to_owned();
            return Err(WanError::UnknownProcess { name });
        }
        self.change_partitions(|partitions| partitions.isolate_process(name));
        Ok(())
    }

    /// Joins a process again that was cut from everybody.
    pub fn rejoin_process(&self, name: &str) {
        self.change_partitions(|partitions| partitions.rejoin_process(name));
    }

    /// Heals everything that was cut. What was stalled goes on.
    pub fn heal_all(&self) {
        self.change_partitions(Partitions::clear);
    }

    /// What is cut now, as ordered pairs.
    #[must_use]
    pub fn partitions(&self) -> Partitions {
        self.lock_partitions().clone()
    }

    /// Every region that a link touches.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionId> {
        let links = self.links();
        let ends = links.iter().filter_map(|link| link.ends.as_ref());
        let both = ends.flat_map(|ends| [ends.viewer.clone(), ends.target.clone()]);
        let mut regions: Vec<RegionId> = both.collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// Names of the links whose bytes to the server go from one region to another.
    #[must_use]
    pub fn link_names(&self, viewer: &RegionId, target: &RegionId) -> Vec<String> {
        let links = self.links();
        let between = links.iter().filter(|link| {
            let ends = link.ends.as_ref();
            ends.is_some_and(|ends| ends.viewer == *viewer && ends.target == *target)
        });
        between.map(|link| link.name.clone()).collect()
    }

    /// Ends every connection and frees every port.
    pub async fn shut_down(&self) {
        for proxy in self.all() {
            proxy.stop().await;
        }
    }

    /// Pieces and bytes that have arrived over all links, both ways: what regions say to each other.
    #[must_use]
    pub fn carried(&self) -> (u64, u64) {
        let metrics = &self.shared.metrics;
        let bytes = self.links().iter().map(|link| link.carried_bytes()).sum();
        (metrics.pieces.get(), bytes)
    }

    fn lock_partitions(&self) -> MutexGuard<'_, Partitions> {
        self.shared
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change_partitions(&self, change: impl FnOnce(&mut Partitions)) {
        let mut partitions = self.lock_partitions();
        change(&mut partitions);
        for link in self.links() {
            link.obey(&partitions);
        }
    }
}

/// `eastus->n2`.
#[must_use]
pub fn link_name(dialler: &(impl Display + ?Sized), server: &str) -> String {
    format!("{dialler}->{server}")
}
