//! Start order and stop order of the process, and the loop that accepts connections.
//!
//! ```text
//! start: topology → session key → dns sockets → upstream → listen → catalogue task → dns answers → accept
//! stop:  not ready → stop accepting → finish requests in work (bounded) → close idle connections → end tasks
//! ```
//!
//! Owns: sockets and their limits. Must never: look into a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use holdfast_node_api::discovery::TopologySource;
use holdfast_region_config::topology::TopologyError;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::client_address::Socket;
use crate::config::Config;
use crate::dns::service::{DnsError, DnsService};
use crate::geo::Geo;
use crate::geo::database::DatabaseError;
use crate::geo::exchange;
use crate::metrics::Metrics;
use crate::queue::rooms;
use crate::rates::Rates;
use crate::rates::office::{OfficeKeys, OfficeKeysError};
use crate::session::{KeyError, Sessions};
use crate::upstream::{Upstream, UpstreamSetupError, survey};
use crate::{catalogue, gateways, http, limits, observatory};

/// Pause after the system refused to accept a connection, such as when file handles ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology cannot be used.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The configured region is not one of the topology's.
    #[error("configuration key region: {region} is not a region of topology {topology}")]
    Region {
        /// As configured.
        region: String,
        /// The file.
        topology: String,
    },
    /// The session key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys of box offices cannot be used.
    #[error("configuration key rates.office_keys_file: {0}")]
    Office(#[from] OfficeKeysError),
    /// The geography database cannot be used.
    #[error("configuration key geo.database: {0}")]
    Geo(#[from] DatabaseError),
    /// A node of the topology cannot be dialled.
    #[error(transparent)]
    Upstream(#[from] UpstreamSetupError),
    /// The address cannot be listened on.
    #[error("configuration key http_listen: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The DNS server cannot be had.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// Two metrics have one name.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl StartError {
    /// Whether an operator must change a file, rather than free an address or look at the machine.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Topology(_)
            | Self::Region { .. }
            | Self::Key(_)
            | Self::Geo(_)
            | Self::Office(_)
            | Self::Upstream(_) => true,
            Self::Dns(error) => matches!(error, DnsError::Config(_)),
            Self::Listen { .. } | Self::Metrics(_) => false,
        }
    }
}

/// A gateway that listens and does not serve yet.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    address: SocketAddr,
    dns: Option<DnsService>,
}

impl Server {
    /// Checks the configuration against the topology and takes the listening address.
    ///
    /// # Errors
    /// [`StartError`] names the file or key at fault.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let topology = config.topology_source().load().await?;
        if topology.region(&config.region).is_none() {
            return Err(StartError::Region {
                region: config.region.to_string(),
                topology: config.topology.display().to_string(),
            });
        }
        let sessions = Sessions::from_key_file(&config.session_key_file, limits::GUEST_LIFETIME)?;
        let rates = rates(&config, &sessions)?;
        let geo = Geo::open(config.region.clone(), &config.geo)?;
        let metrics = Arc::new(Metrics::new()?);
        let dns = match &config.dns {
            Some(dns) => Some(DnsService::bind(dns, &topology).await?),
            None => None,
        };
        let upstream = Upstream::new(topology, &config, Arc::clone(&metrics))?;
        let listen = |source| StartError::Listen {
            address: config.http_listen,
            source,
        };
        let listener = TcpListener::bind(config.http_listen)
            .await
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let app = Arc::new(App::new(
            config,
            sessions,
            rates,
            geo,
            Arc::new(upstream),
            metrics,
        ));
        Ok(Self {
            app,
            listener,
            address,
            dns,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that it answers DNS on, when it does.
    #[must_use]
    pub fn dns_address(&self) -> Option<SocketAddr> {
        self.dns.as_ref().map(DnsService::address)
    }

    /// Serves until `stop`, then finishes what is in work and returns.
    ///
    /// # Errors
    /// When DNS is configured and cannot start. Trouble with one connection ends that connection.
    pub async fn run(self, stop: CancellationToken) -> std::io::Result<()> {
        let app = self.app;
        let tasks = TaskTracker::new();
        tasks.spawn(catalogue::keep_fresh(Arc::clone(&app), stop.child_token()));
        tasks.spawn(observatory::keep_watching(
            Arc::clone(&app),
            stop.child_token(),
        ));
        tasks.spawn(gateways::keep_found(
            Arc::clone(&app),
            app.config.topology_source(),
            stop.child_token(),
        ));
        tasks.spawn(exchange::keep_exchanging(
            Arc::clone(&app),
            stop.child_token(),
        ));
        tasks.spawn(Arc::clone(&app.upstream).keep_streams_open(stop.child_token()));
        tasks.spawn(rooms::keep_visiting(Arc::clone(&app), stop.child_token()));
        tasks.spawn(survey::keep_surveyed(Arc::clone(&app), stop.child_token()));
        tasks.spawn(keep_topology(
            Arc::clone(&app.upstream),
            app.config.topology_source(),
            stop.child_token(),
        ));
        if let (Some(dns), Some(config)) = (self.dns, &app.config.dns) {
            let started = dns.start(&app, config, &tasks, &stop.child_token());
            started.map_err(std::io::Error::other)?;
        }
        let router = http::router(Arc::clone(&app));
        tracing::info!(address = %self.address, region = %app.config.region, "gateway listens");

        accept_until(&app, &self.listener, &router, &tasks, &stop).await;

        app.start_draining();
        drop(self.listener);
        tasks.close();
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(open = tasks.len(), "stopped with requests still in work");
        }
        tracing::info!("gateway stopped");
        Ok(())
    }
}

fn rates(config: &Config, sessions: &Sessions) -> Result<Rates, OfficeKeysError> {
    let secret = sessions.derive("office");
    let office = match &config.rates.office_keys_file {
        Some(file) => OfficeKeys::load(file, secret)?,
        None => OfficeKeys::none(secret),
    };
    let (region, key) = (config.region.as_str(), sessions.derive("challenge"));
    Ok(Rates::new(&config.rates, office, region, key))
}

/// Reads the topology again whenever there is reason to, until `stop`.
async fn keep_topology(upstream: Arc<Upstream>, source: TopologySource, stop: CancellationToken) {
    let mut occasions = match source.occasions() {
        Ok(occasions) => occasions,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be followed");
            return;
        }
    };
    while stop.run_until_cancelled(occasions.next()).await.is_some() {
        upstream.read_topology_again().await;
    }
}

async fn accept_until(
    app: &Arc<App>,
    listener: &TcpListener,
    router: &Router,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(app.config.limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let connection = serve(
                    Arc::clone(app),
                    stream,
                    WithSocket {
                        router: TowerToHyperService::new(router.clone()),
                        socket: Socket(peer),
                    },
                    stop.child_token(),
                    place,
                );
                tasks.spawn(connection);
            }
            // Closing at once tells a balancer more than a connection that waits.
            Err(_) => app
                .metrics
                .door
                .refused
                .with_label_values(&["connections"])
                .inc(),
        }
    }
}

/// Tells each request who is at the other end of its connection.
struct WithSocket {
    router: TowerToHyperService<Router>,
    socket: Socket,
}

impl Service<Request<Incoming>> for WithSocket {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.socket);
        self.router.call(request)
    }
}

async fn serve(
    app: Arc<App>,
    stream: TcpStream,
    service: WithSocket,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    let _place = place;
    // Answers are small and whole; waiting to fill a packet only adds delay.
    let _ = stream.set_nodelay(true);
    app.metrics.connections.inc();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(app.config.limits.header_timeout_ms))
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Errors here are the client's: a reset, a head that is not HTTP or came too slowly.
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    app.metrics.connections.dec();
}
