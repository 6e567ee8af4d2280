//! The DNS server of a running gateway.
//!
//! ```text
//! start: names checked against the topology → sockets → answers
//! every second: nodes and gateways as they are now → zone · directory and observations → steering
//! ```
//!
//! Owns: what is answered from, and when it is replaced. Must never: stop answering because something behind it is away.

use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::Topology;
use holdfast_region_config::ids::RegionId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::DnsConfig;
use super::cookie::Cookies;
use super::geography::{Geography, Places};
use super::listen::Sockets;
use super::rate_limit::RateLimit;
use super::responder::{Live, Responder};
use super::steering::Steering;
use super::zone::{Endpoint, Zone};
use crate::app::App;
use crate::catalogue::Snapshot;
use crate::clock;
use crate::config::ConfigError;
use crate::upstream::Upstream;

/// How often what is answered from is made anew.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The DNS server, bound and not answering yet.
#[derive(Debug)]
pub struct DnsService {
    sockets: Sockets,
}

/// Why there is no DNS server.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The configuration does not fit the topology.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("configuration key dns.listen: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl DnsService {
    /// Checks `config` against `topology` and takes the address.
    ///
    /// # Errors
    /// [`DnsError`] names the key.
    pub async fn bind(config: &DnsConfig, topology: &Topology) -> Result<Self, DnsError> {
        Zone::build(config, topology, &[], 0)?;
        let listen = |source| DnsError::Listen {
            address: config.listen,
            source,
        };
        let sockets = Sockets::bind(config.listen).await.map_err(listen)?;
        Ok(Self { sockets })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> std::net::SocketAddr {
        self.sockets.address()
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    /// When the topology was changed to one that the configuration does not fit, between `bind` and now.
    pub fn start(
        self,
        app: &Arc<App>,
        config: &DnsConfig,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), DnsError> {
        let mut keeper = Keeper::new(config, app)?;
        let live = keeper.live(app)?;
        let secret = app.sessions.derive("dns cookies and buckets");
        let (cookie_key, bucket_key) = (half(&secret, 0), half(&secret, 16));
        let limit = RateLimit::new(
            config.limits.responses_per_second_max,
            bucket_key,
            clock::now(),
        );
        let metrics = app.metrics.dns.clone();
        let responder = Arc::new(Responder::new(
            live,
            Cookies::new(cookie_key),
            limit,
            metrics,
        ));
        let address = self.address();
        let connections_max = config.limits.tcp_connections_max;
        self.sockets.serve(&responder, connections_max, tasks, stop);
        let (app, stop) = (Arc::clone(app), stop.clone());
        tasks.spawn(async move {
            stop.run_until_cancelled(keep_current(keeper, &app, &responder))
                .await;
        });
        tracing::info!(%address, zone = %config.zone, "dns answers");
        Ok(())
    }
}

fn half(secret: &[u8; 32], from: usize) -> [u8; 16] {
    std::array::from_fn(|at| secret[from + at])
}

async fn keep_current(mut keeper: Keeper, app: &App, responder: &Responder) {
    let mut round = tokio::time::interval(LOOK_INTERVAL);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        match keeper.live(app) {
            Ok(live) => responder.replace(live),
            // Static stability: what was answered before is answered on.
            Err(error) => tracing::error!(%error, "dns answers stay as they were"),
        }
    }
}

/// Makes what is answered from, and remembers what it was made of.
struct Keeper {
    config: DnsConfig,
    topology: Arc<Topology>,
    nodes: Vec<Endpoint>,
    serial: u32,
    zone: Arc<Zone>,
    geography: Arc<dyn Geography>,
    steering: Arc<Steering>,
}

/// Who may be answered at `now_ms`, by the directory and by what all regions see.
#[must_use]
pub fn steering(app: &App, now_ms: u64) -> Steering {
    let seen = (app.observatory.down(), app.observatory.is_unsettled());
    // Without a catalogue there is nothing that the directory wants.
    match app.catalogue.current() {
        Some(known) => Steering::gather(evacuated(&known), &known.steering, seen, now_ms),
        None => Steering::gather(std::iter::empty(), &[], seen, now_ms),
    }
}

impl Keeper {
    fn new(config: &DnsConfig, app: &App) -> Result<Self, ConfigError> {
        let topology = app.upstream.topology();
        let nodes = nodes(&app.upstream);
        let serial = serial_after(0);
        Ok(Self {
            zone: Arc::new(Zone::build(config, &topology, &nodes, serial)?),
            geography: Arc::new(Places::new(Arc::clone(&app.geo), Arc::clone(&topology))),
            config: config.clone(),
            topology,
            nodes,
            serial,
            steering: Arc::default(),
        })
    }

    /// Who may be answered now; what changed is told once.
    fn steer(&mut self, app: &App) -> Arc<Steering> {
        let steering = steering(app, clock::unix_ms());
        if steering != *self.steering {
            let (down, drained) = (&steering.down, &steering.drained);
            let (pins, pin_all) = (&steering.pins, &steering.pin_all);
            tracing::info!(?down, ?drained, ?pins, ?pin_all, "dns steers anew");
            self.steering = Arc::new(steering);
        }
        let metrics = &app.metrics.dns;
        metrics.degraded.set(self.steering.is_degraded().into());
        for region in &self.topology.regions {
            let up = !self.steering.down.contains(&region.id);
            let gauge = metrics.region_up.with_label_values(&[region.id.as_str()]);
            gauge.set(up.into());
        }
        Arc::clone(&self.steering)
    }

    fn live(&mut self, app: &App) -> Result<Live, ConfigError> {
        let (topology, nodes) = (app.upstream.topology(), nodes(&app.upstream));
        if topology != self.topology || nodes != self.nodes {
            let serial = serial_after(self.serial);
            self.zone = Arc::new(Zone::build(&self.config, &topology, &nodes, serial)?);
            self.geography = Arc::new(Places::new(Arc::clone(&app.geo), Arc::clone(&topology)));
            self.serial = serial;
            self.topology = topology;
            self.nodes = nodes;
        }
        Ok(Live {
            zone: Arc::clone(&self.zone),
            steering: self.steer(app),
            geography: Arc::clone(&self.geography),
        })
    }
}

fn evacuated(snapshot: &Snapshot) -> impl Iterator<Item = RegionId> {
    let regions = snapshot.regions.values().filter(|region| region.evacuated);
    regions.filter_map(|region| RegionId::new(region.region.as_str()).ok())
}

fn nodes(upstream: &Upstream) -> Vec<Endpoint> {
    let peers = upstream.peers();
    let mut nodes: Vec<&_> = peers.iter().collect();
    nodes.sort_by_key(|peer| peer.id);
    nodes
        .into_iter()
        .map(|peer| Endpoint {
            label: format!("n{}", peer.id),
            region: peer.region.clone(),
            addr: peer.addr.clone(),
        })
        .collect()
}

/// Seconds since the epoch, and more than `before` in any case (RFC 1982 until 2106).
fn serial_after(before: u32) -> u32 {
    let now_s = u32::try_from(clock::unix_ms() / 1_000).unwrap_or(0);
    now_s.max(before.wrapping_add(1))
}
