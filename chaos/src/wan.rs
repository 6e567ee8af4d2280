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

pub mod control;
mod link;
mod metrics;
mod pump;
pub mod shape;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::RegionId;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use link::CONNECTIONS_MAX;
pub use shape::{Direction, Partitions, Toxic};

use self::link::Link;
use self::metrics::Metrics;

/// One way to be emulated.
#[derive(Debug)]
pub struct LinkSpec {
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
    #[error("there is no proxy {name}")]
    UnknownLink {
        /// The name asked for.
        name: String,
    },
    /// No link touches this region.
    #[error("there is no region {region} in this network")]
    UnknownRegion {
        /// The region asked for.
        region: String,
    },
    /// A toxic of this name is there already.
    #[error("proxy {link} already has a toxic {toxic}")]
    ToxicExists {
        /// Which link.
        link: String,
        /// The toxic's name.
        toxic: String,
    },
    /// The link has no such toxic.
    #[error("proxy {link} has no toxic {toxic}")]
    UnknownToxic {
        /// Which link.
        link: String,
        /// The toxic's name.
        toxic: String,
    },
}

/// The running network. Clones share it; it ends when [`Wan::shut_down`] is called or the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Wan {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    links: BTreeMap<String, Arc<Link>>,
    /// What is cut. Never held over an await.
    partitions: Mutex<Partitions>,
    /// Accept loops; dropping them closes every connection. Never held over an await.
    tasks: Mutex<JoinSet<()>>,
    metrics: Metrics,
}

impl Wan {
    /// Starts a proxy for every spec. `seed` fixes the jitter of every connection. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`WanError::Socket`] when the system refuses.
    pub fn start(specs: Vec<LinkSpec>, seed: u64) -> Result<Self, WanError> {
        let metrics = Metrics::new();
        let mut links = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for spec in specs {
            let (link, listener) = Link::new(spec, seed, &metrics)?;
            let link = Arc::new(link);
            links.insert(link.name.clone(), Arc::clone(&link));
            tasks.spawn(link.accept_loop(listener));
        }
        let shared = Shared {
            links,
            partitions: Mutex::new(Partitions::default()),
            tasks: Mutex::new(tasks),
            metrics,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Where `viewer` dials `server` of another region; `None` when there is no such link.
    #[must_use]
    pub fn address(&self, viewer: &RegionId, server: &str) -> Option<SocketAddr> {
        self.shared
            .links
            .get(&link_name(viewer, server))
            .map(|link| link.listen)
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
        let mut regions: Vec<RegionId> = self
            .shared
            .links
            .values()
            .flat_map(|link| [link.viewer.clone(), link.target.clone()])
            .collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// Enables or disables one proxy. A disabled one closes its connections and every new one at once.
    ///
    /// # Errors
    /// [`WanError::UnknownLink`].
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<(), WanError> {
        self.link(name)?.change(|shape| shape.enabled = enabled);
        Ok(())
    }

    /// Heals everything, enables every proxy, removes every toxic.
    pub fn reset(&self) {
        self.heal_all();
        for link in self.shared.links.values() {
            link.change(|shape| {
                shape.enabled = true;
                shape.toxics.clear();
            });
        }
    }

    /// Ends every connection and frees every port.
    pub async fn shut_down(&self) {
        let mut tasks = std::mem::take(
            &mut *self
                .shared
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        tasks.shutdown().await;
    }

    /// Pieces and bytes that have arrived over all links, both ways: what regions say to each other.
    #[must_use]
    pub fn carried(&self) -> (u64, u64) {
        let metrics = &self.shared.metrics;
        let bytes = self.links().map(|link| link.carried_bytes()).sum();
        (metrics.pieces.get(), bytes)
    }

    fn link(&self, name: &str) -> Result<&Arc<Link>, WanError> {
        let unknown = || WanError::UnknownLink {
            name: name.to_owned(),
        };
        self.shared.links.get(name).ok_or_else(unknown)
    }

    fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.shared.links.values()
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
        for link in self.shared.links.values() {
            let up = partitions.is_cut(&link.viewer, &link.target);
            let down = partitions.is_cut(&link.target, &link.viewer);
            link.change(|shape| {
                shape.upstream_cut = up;
                shape.downstream_cut = down;
            });
        }
    }
}

/// `eastus->n2`.
#[must_use]
pub fn link_name(viewer: &RegionId, server: &str) -> String {
    format!("{viewer}->{server}")
}
