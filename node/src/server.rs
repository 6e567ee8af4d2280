//! One node, put together.
//!
//! ```text
//!  start:  topology · listeners · groups (holdfast-raft) · proposers · HTTP · gRPC · workers, leaders, announcement
//!  stop:   unready · leaderships handed over · announcement, workers · groups closed · proposers · gRPC · HTTP
//! ```
//!
//! Listeners come first, so that a taken port is found before anything touches the disk. On the way down everything goes on
//! working while leaderships are handed over: a node serves its last show until another leads it, and then says who does. Owns: that order. Must never: leave a task behind.

mod announce;
mod listeners;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use announce::announce;
use holdfast_node_api::discovery::TopologySource;
use holdfast_node_api::v1::{
    buyer_indexes_server::BuyerIndexesServer, cluster_server::ClusterServer,
    directory_server::DirectoryServer, inventory_server::InventoryServer,
    leaders_server::LeadersServer, operator_server::OperatorServer,
    waiting_rooms_server::WaitingRoomsServer,
};
use holdfast_raft::directory::DirectoryRejection;
use holdfast_raft::{
    CONNECTION_WINDOW_BYTES, Clock, DiskFaults, Host, HostOptions, IdleOptions,
    STREAM_WINDOW_BYTES, SnapshotOptions, StartError, SystemClock,
};
use holdfast_region_config::{Topology, TopologyError};
pub use listeners::Listeners;
use listeners::{serve_grpc, serve_http};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use crate::{
    buyer_index::BuyerIndexes,
    config::{Config, Limits},
    debug::{self, DebugState},
    directory_client::DirectoryDesk,
    grpc::{
        BuyerIndexesService, ClusterService, DirectoryService, InventoryService, LeadersService,
        OperatorService, WaitingRoomsService,
    },
    leader_scope::{self, WorkerContext},
    leaders::{Leaders, fleet::HostFleet},
    metrics::Metrics,
    plan,
    propose::ProposerContext,
    proposers::Proposers,
    reload,
    room::reports::Reports,
    workers::{
        outbox::{AcceptingSink, NoticeSink},
        payment::{PaymentProvider, TestProvider},
    },
};

/// Largest message that the Inventory service reads: the longest list of seats in one command, with room.
const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Largest message that the Directory service reads: one plan, with room.
const PLAN_MESSAGE_BYTES_MAX: usize = plan::PLAN_BYTES_MAX + 64 * 1024;
/// A silent connection is pinged this often, and closed when a ping is not answered for as long.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What differs between a node in service and one in a test.
pub struct Surroundings {
    /// This machine's wall clock. Entries are stamped by it within what the other nodes' clocks bear out.
    pub clock: Arc<dyn Clock>,
    /// Moves money.
    pub payments: Arc<dyn PaymentProvider>,
    /// Takes notices.
    pub notices: Arc<dyn NoticeSink>,
    /// Trouble that the disk is told to have; `None` is a disk of its own.
    pub disk_faults: Option<Arc<DiskFaults>>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            payments: Arc::new(TestProvider),
            notices: Arc::new(AcceptingSink),
            disk_faults: None,
        }
    }
}

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The topology is missing or wrong.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A listener's address cannot be used.
    #[error("{field}: cannot listen on {address}: {source}")]
    Listen {
        /// The configuration field.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The groups cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Two metrics have one name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running node. Call [`Server::stop`]; dropping it leaves its tasks to the runtime.
pub struct Server {
    /// Where gRPC listens.
    pub grpc_addr: SocketAddr,
    /// Where HTTP listens.
    pub http_addr: SocketAddr,
    host: Host,
    proposers: Proposers,
    draining: Arc<AtomicBool>,
    leaders: Leaders,
    /// Ends workers and the announcement.
    stop_workers: CancellationToken,
    workers: Vec<JoinHandle<()>>,
    /// Ends the listeners.
    stop_listeners: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
    drain_max: Duration,
    /// Why the cluster does not want this node.
    refused: watch::Sender<Option<String>>,
}

impl Server {
    /// Starts everything, in the order at the head of this file.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running then.
    pub async fn start(config: Config, around: Surroundings) -> Result<Self, ServerError> {
        let listeners = Listeners::bind(&config).await?;
        Self::start_on(listeners, config, around).await
    }

    /// Starts everything on listeners that are bound already: whoever needs to know the ports before the topology is
    /// written binds them first.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running then.
    pub async fn start_on(
        sockets: Listeners,
        config: Config,
        around: Surroundings,
    ) -> Result<Self, ServerError> {
        let source = config.topology_source();
        let topology = known_topology(&config, &source).await?;
        let metrics = Metrics::new()?;
        let host = start_host(&config, &topology, &around).await?;
        let limits = Arc::new(config.limits.clone());
        let proposers = proposers(&host, &limits, &metrics);
        // The topology was checked to name this node.
        let placed = topology.node(config.node_id).cloned();
        let placed = placed.ok_or(StartError::UnknownNode {
            node: config.node_id,
        })?;
        let draining = Arc::new(AtomicBool::new(false));
        let stop_listeners = CancellationToken::new();
        let indexes = BuyerIndexes::new(host.clone(), DirectoryDesk::new(host.clone()));
        let debug = debug::router(DebugState {
            host: host.clone(),
            clock: Arc::clone(&around.clock),
            metrics: metrics.clone(),
            indexes: indexes.clone(),
            draining: Arc::clone(&draining),
        });
        let reports = Reports::default();
        let deadline = millis(limits.deadline_default_ms);
        let stop = &stop_listeners;
        let (router, operator) =
            grpc_router(&source, &proposers, &reports, &indexes, deadline, stop);
        let listeners = vec![
            tokio::spawn(serve_http(sockets.http, debug, stop_listeners.clone())),
            tokio::spawn(serve_grpc(sockets.grpc, router, stop_listeners.clone())),
        ];
        let stop_workers = CancellationToken::new();
        let fleet = HostFleet::new(host.clone(), proposers.clone());
        let refused = watch::Sender::new(None);
        let context = worker_context(&proposers, reports, indexes, around, &limits, &metrics);
        let stop = || stop_workers.clone();
        let leaders = Leaders::new();
        let workers = vec![
            tokio::spawn(leader_scope::run(context, stop())),
            tokio::spawn(leaders.clone().run(fleet, metrics, stop())),
            tokio::spawn(announce(
                host.clone(),
                placed,
                operator,
                refused.clone(),
                stop(),
            )),
            tokio::spawn(reload::on_hangup(host.clone(), source, stop())),
        ];
        Ok(Self {
            grpc_addr: sockets.grpc_addr,
            http_addr: sockets.http_addr,
            host,
            proposers,
            draining,
            leaders,
            stop_workers,
            workers,
            stop_listeners,
            listeners,
            drain_max: millis(limits.drain_ms_max),
            refused,
        })
    }

    /// Waits until the cluster refuses this node for good, and returns why: its number stands for another disk, or for a
    /// node that was removed. Such a node must end.
    pub async fn refused(&self) -> String {
        let mut refused = self.refused.subscribe();
        let mut by_peers = self.host.refused();
        let node = self.host.node();
        tokio::select! {
            // Both senders live as long as this does.
            reason = refused.wait_for(Option::is_some) => {
                reason.map_or_else(|_| String::new(), |reason| reason.clone().unwrap_or_default())
            }
            _ = by_peers.wait_for(Option::is_some) => {
                DirectoryRejection::DiskChanged { node }.to_string()
            }
        }
    }

    /// Stops everything, in the order at the head of this file.
    pub async fn stop(self) {
        self.draining.store(true, Ordering::Relaxed);
        // Without its log a node can hand nothing over.
        if self.host.disk_failure().is_none() && !self.leaders.leave(self.drain_max).await {
            tracing::warn!("not every leadership was handed over in time");
        }
        self.stop_workers.cancel();
        for worker in self.workers {
            join("worker", worker).await;
        }
        self.host.shutdown().await;
        if tokio::time::timeout(self.drain_max, self.proposers.stop())
            .await
            .is_err()
        {
            tracing::warn!("commands in flight were not answered in time");
        }
        self.stop_listeners.cancel();
        for listener in self.listeners {
            join("listener", listener).await;
        }
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

/// The topology, once it is sure to name this node: before the data directory is touched, because that would be marked
/// as the other node's for good.
async fn known_topology(
    config: &Config,
    source: &TopologySource,
) -> Result<Arc<Topology>, ServerError> {
    let topology = source.load().await?;
    let node = config.node_id;
    if topology.node(node).is_none() {
        return Err(StartError::UnknownNode { node }.into());
    }
    Ok(Arc::new(topology))
}

fn proposers(host: &Host, limits: &Arc<Limits>, metrics: &Metrics) -> Proposers {
    let context = ProposerContext {
        clock: host.clock(),
        limits: Arc::clone(limits),
        metrics: metrics.clone(),
        stop: CancellationToken::new(),
    };
    Proposers::new(host.clone(), context)
}

fn worker_context(
    proposers: &Proposers,
    reports: Reports,
    indexes: BuyerIndexes,
    around: Surroundings,
    limits: &Limits,
    metrics: &Metrics,
) -> WorkerContext {
    WorkerContext {
        host: indexes.host().clone(),
        proposers: proposers.clone(),
        clock: indexes.host().clock(),
        payments: around.payments,
        payment_timeout: millis(limits.payment_timeout_ms),
        notices: around.notices,
        indexes,
        reports,
        metrics: metrics.clone(),
    }
}

async fn start_host(
    config: &Config,
    topology: &Arc<Topology>,
    around: &Surroundings,
) -> Result<Host, StartError> {
    let options = host_options(config, Arc::clone(topology));
    let (clock, faults) = (Arc::clone(&around.clock), around.disk_faults.clone());
    Host::start_with(options, clock, faults).await
}

fn host_options(config: &Config, topology: Arc<Topology>) -> HostOptions {
    HostOptions {
        node: config.node_id,
        topology,
        data_dir: config.data_dir.clone(),
        snapshots: SnapshotOptions {
            every_entries: u64::from(config.limits.snapshot_every_entries),
            keep_entries: u64::from(config.limits.snapshot_keep_entries),
        },
        disk_reserve_bytes: u64::from(config.limits.disk_reserve_mib) << 20,
        idle: IdleOptions {
            hibernate_after: Duration::from_millis(config.limits.hibernate_after_ms.into()),
            unload_after: Duration::from_millis(config.limits.unload_after_ms.into()),
            ..IdleOptions::default()
        },
        replace_after: Duration::from_secs(config.limits.replace_after_s.into()),
    }
}

/// Everything that is served on the gRPC port, and the operator's service for this node's own use.
fn grpc_router(
    source: &TopologySource,
    proposers: &Proposers,
    reports: &Reports,
    indexes: &BuyerIndexes,
    deadline_default: Duration,
    stop: &CancellationToken,
) -> (Router, OperatorService) {
    let (host, desk) = (indexes.host(), indexes.desk().clone());
    let operator = OperatorService::new(host.clone(), desk.clone());
    let cluster = ClusterService::new(host.clone(), source.clone(), desk.clone());
    let directory = DirectoryService::new(host.clone(), desk, stop.clone());
    let inventory = InventoryService::new(
        host.clone(),
        proposers.clone(),
        deadline_default,
        stop.clone(),
    );
    let fleet = HostFleet::new(host.clone(), proposers.clone());
    let leaders = LeadersService::new(host.clone(), fleet);
    let rooms = WaitingRoomsService::new(host.clone(), reports.clone());
    let indexes = BuyerIndexesService::new(host.clone(), indexes.clone());
    let router = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_routes(host.peer_service())
        .add_service(InventoryServer::new(inventory).max_decoding_message_size(COMMAND_BYTES_MAX))
        .add_service(
            DirectoryServer::new(directory).max_decoding_message_size(PLAN_MESSAGE_BYTES_MAX),
        )
        .add_service(OperatorServer::new(operator.clone()))
        .add_service(ClusterServer::new(cluster))
        .add_service(LeadersServer::new(leaders))
        .add_service(WaitingRoomsServer::new(rooms))
        .add_service(BuyerIndexesServer::new(indexes).max_decoding_message_size(COMMAND_BYTES_MAX));
    (router, operator)
}

async fn join(what: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(what, %error, "task ended badly");
    }
}
