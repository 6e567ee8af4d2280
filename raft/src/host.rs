//! All groups of one node: opened, found, started from the directory, closed.
//!
//! Owns: the table of open groups and the order of start and stop. Must never: decide what a group commits, or keep a group
//! open that the directory does not give this node.
//!
//! ```text
//!  start:  snapshots → log → links → directory (group 0) → reconcile loop → the groups it names
//!  stop:   reconcile loop → leaders handed over → groups → links → log
//! ```

mod compaction;
mod current_topology;
pub(crate) mod directory_slot;
mod disk_guard;
pub(crate) mod env;
mod founding;
mod hibernation;
mod leaders;
mod open;
mod reconcile;
mod slots;
mod stopping;
mod succession;
mod trials;
mod view;
pub(crate) mod wakes;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use holdfast_region_config::{GroupId, NodeId, Topology, place_directory};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use self::current_topology::CurrentTopology;
use self::directory_slot::DirectorySlot;
use self::env::{FaultyDisks, HostEnv, OpenStores};
use self::slots::{Placement, Table};
use self::succession::{Candidacies, NewlyLed};
use self::trials::Trials;
use self::view::Counters;
pub use self::view::{LogCounters, ReplicaCounters, ReplicaSummary};
use self::wakes::Wakes;
pub use self::wakes::{WakeCause, WakeTotals};
use crate::blocking;
use crate::clock::Clock;
use crate::directory::DiskId;
use crate::disk::GuardedDisk;
use crate::disk::faults::DiskFaults;
use crate::error::StartError;
use crate::fabric::Fabric;
use crate::fabric::board::Board;
use crate::fabric::liveness::SILENCE_FLOOR;
use crate::fabric::wall_clocks::BoundedClock;
use crate::group::GroupCore;
use crate::handles::DirectoryGroup;
use crate::log_store::{LogEngine, NodeIdentity};
use crate::membership::drive::Driven;
use crate::membership::report::Reports;
use crate::snapshot_store::SnapshotStore;
use crate::transport::server::{Groups, PeerServer};
use crate::transport::{Pulses, SNAPSHOTS_ARRIVING_MAX, grpc};

/// Two ping intervals, and as much for a busy machine.
const ANSWER_SLACK: Duration = Duration::from_millis(400);

/// Replicas read from disk at a time: each decodes a state, which is work for a core.
const OPENING_MAX: u32 = 32;

/// Flow-control window of one HTTP/2 stream, bytes: what the node's server must grant so that a far peer is not slowed.
pub const STREAM_WINDOW_BYTES: u32 = crate::transport::STREAM_WINDOW_BYTES;
/// Flow-control window of one HTTP/2 connection, bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = crate::transport::CONNECTION_WINDOW_BYTES;

/// What a node's groups are started from.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// This node.
    pub node: NodeId,
    /// Where everything is, with addresses as this process dials them.
    pub topology: Arc<Topology>,
    /// This node's own directory; another node's, or a newer release's, is refused.
    pub data_dir: PathBuf,
    /// When state is written out and the log behind it dropped.
    pub snapshots: SnapshotOptions,
    /// When idle groups sleep and leave memory.
    pub idle: IdleOptions,
    /// A node silent for this long is taken for lost and its replicas are placed elsewhere; zero = never by itself.
    pub replace_after: Duration,
    /// Room on the file system of the data directory, bytes, below which the node takes no new work; usually
    /// [`DISK_RESERVE_BYTES_DEFAULT`](crate::DISK_RESERVE_BYTES_DEFAULT). 0 = never.
    pub disk_reserve_bytes: u64,
}

/// When idle groups sleep and leave memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleOptions {
    /// A group without writes for this long stops its heartbeats and timers on every replica.
    pub hibernate_after: Duration,
    /// A sleeping replica that nobody reads for this long leaves memory; it is opened again on demand.
    pub unload_after: Duration,
    /// Silence of a node shorter than this is never taken for its death.
    pub silence_floor: Duration,
}

impl Default for IdleOptions {
    fn default() -> Self {
        Self {
            hibernate_after: Duration::from_secs(10),
            unload_after: Duration::from_secs(60),
            silence_floor: SILENCE_FLOOR,
        }
    }
}

/// When a group's state is written out and the log behind it dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// A snapshot after this many entries; at least 1.
    pub every_entries: u64,
    /// Entries kept behind a snapshot, so that a follower that missed a moment gets entries and not a snapshot.
    pub keep_entries: u64,
}

impl Default for SnapshotOptions {
    /// An entry is a batch of up to some hundred commands, so 2,000 of them are up to a million holds; replaying them
    /// takes well under a second.
    fn default() -> Self {
        Self {
            every_entries: 2_000,
            keep_entries: 500,
        }
    }
}

impl Groups for Host {
    fn loaded(&self, group: GroupId) -> Option<Arc<GroupCore>> {
        self.inner.table.loaded(group)
    }

    fn is_here(&self, group: GroupId) -> bool {
        self.inner.table.is_here(group)
    }

    fn open(&self, group: GroupId) -> BoxFuture<'static, Option<Arc<GroupCore>>> {
        let host = self.clone();
        Box::pin(async move { host.open_group(group, WakeCause::Peer).await.ok() })
    }
}

pub(crate) struct Inner {
    pub(crate) node: NodeId,
    pub(crate) topology: CurrentTopology,
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) log: LogEngine,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) disk: GuardedDisk,
    pub(crate) table: Arc<Table>,
    /// Set by start.
    pub(crate) directory: OnceLock<Arc<DirectorySlot>>,
    pub(crate) groups_changed: watch::Sender<u64>,
    pub(crate) snapshot_options: SnapshotOptions,
    pub(crate) idle: IdleOptions,
    pub(crate) replace_after: Duration,
    pub(crate) started: Instant,
    pub(crate) candidacies: Candidacies,
    pub(crate) newly_led: NewlyLed,
    pub(crate) driven: Driven,
    pub(crate) reports: Reports,
    pub(crate) counters: Counters,
    pub(crate) wakes: Arc<Wakes>,
    /// Which nodes were seen to write quickly enough to lead.
    pub(crate) trials: Trials,
    /// Shows that have nowhere to go from nodes that are out; counted where the directory is led.
    pub(crate) stuck_shows: AtomicU64,
    /// Replicas that are read from disk at a time.
    pub(crate) opening: Semaphore,
    /// What belongs to one group and ends with it or by itself.
    pub(crate) group_tasks: TaskTracker,
    /// Ends the loops that open and tend groups.
    pub(crate) stop_duties: CancellationToken,
    /// Ends everything else.
    stop: CancellationToken,
    /// Everything spawned here; taken once, by shutdown.
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

/// All groups of this node; clones share them.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
}

impl Host {
    /// Opens the data directory, the links and the directory group, and begins to open what the directory names.
    ///
    /// # Errors
    /// [`StartError`], which names the field or the group at fault; nothing is left running then.
    pub async fn start(options: HostOptions) -> Result<Self, StartError> {
        Self::start_in(options, HostEnv::default()).await
    }

    /// [`Host::start`] with another clock, and on disks that have trouble when they are told to.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_with(
        options: HostOptions,
        clock: Arc<dyn Clock>,
        disk_faults: Option<Arc<DiskFaults>>,
    ) -> Result<Self, StartError> {
        let mut env = HostEnv {
            clock,
            ..HostEnv::default()
        };
        if let Some(faults) = disk_faults {
            env.stores = Arc::new(FaultyDisks(faults));
        }
        Self::start_in(options, env).await
    }

    /// This node's clock within what the other nodes' bear out: what every entry is stamped with.
    #[must_use]
    pub fn clock(&self) -> Arc<BoundedClock> {
        self.inner.fabric.board.wall_clock()
    }

    /// [`Host::start`] on another network and other disks.
    pub(crate) async fn start_in(options: HostOptions, env: HostEnv) -> Result<Self, StartError> {
        let HostOptions {
            node,
            topology,
            data_dir,
            snapshots: snapshot_options,
            idle,
            replace_after,
            disk_reserve_bytes,
        } = options;
        // Before anything is written: a new data directory is claimed for the node that opens it.
        if topology.region_of(node).is_none() {
            return Err(StartError::UnknownNode { node });
        }
        let disk = GuardedDisk::new(env.stores.disk(&data_dir), disk_reserve_bytes);
        let (snapshots, log) = open_stores(env.stores, &topology, node, &data_dir).await?;
        let stop = CancellationToken::new();
        let floor = silence_floor(&topology, idle.silence_floor);
        let board = Board::new(node, env.incarnation, floor, env.clock);
        board.disks.set_own(log.disk_id());
        let fabric = Fabric::start(&topology, board, node, env.dial, &stop)?;
        let (groups_changed, _) = watch::channel(0);
        let inner = Arc::new(Inner {
            node,
            topology: CurrentTopology::new(topology),
            fabric,
            log,
            snapshots,
            disk,
            table: Arc::new(Table::default()),
            directory: OnceLock::new(),
            groups_changed,
            snapshot_options,
            idle,
            replace_after,
            started: Instant::now(),
            candidacies: Candidacies::default(),
            newly_led: NewlyLed::default(),
            driven: Driven::default(),
            reports: Reports::default(),
            counters: Counters::default(),
            wakes: Arc::default(),
            trials: Trials::default(),
            stuck_shows: AtomicU64::new(0),
            opening: Semaphore::new(OPENING_MAX as usize),
            group_tasks: TaskTracker::new(),
            stop_duties: stop.child_token(),
            stop,
            tasks: Mutex::default(),
        });
        let host = Self { inner };
        host.place_directory_at_first();
        host.open_directory().await?;
        host.spawn(host.clone().reconcile_until_stopped());
        host.spawn(host.clone().succeed_until_stopped());
        host.spawn(host.clone().hibernate_until_stopped());
        host.spawn(host.clone().compact_until_stopped());
        host.spawn(host.clone().guard_disk_until_stopped());
        host.spawn(host.clone().drive_until_stopped());
        host.spawn(host.clone().report_until_stopped());
        host.spawn(host.clone().retire_until_stopped());
        host.spawn(host.clone().keep_placed_until_stopped());
        let disk = host.inner.disk.clone();
        host.spawn(disk.watch(host.inner.log.clone(), host.inner.stop.clone()));
        Ok(host)
    }

    /// Where the directory is according to the topology file: what a node goes by until it has read the directory itself.
    fn place_directory_at_first(&self) {
        let placement = place_directory(&self.inner.topology.now());
        let directory = Placement {
            first_voters: placement.voters.clone(),
            order: placement.voters,
            outgoing: Vec::new(),
            learners: placement.learners,
        };
        self.inner.table.place(GroupId::DIRECTORY, directory);
    }

    /// Opens the directory's replica, at the start and after the disk came back. It never sleeps: everything else is found
    /// through it.
    pub(crate) async fn open_directory(&self) -> Result<(), StartError> {
        let group = GroupId::DIRECTORY;
        let core = self
            .open_group(group, WakeCause::Request)
            .await
            .map_err(|e| StartError::Group {
                group,
                reason: e.to_string(),
            })?;
        core.unpark();
        let fresh = || Arc::new(DirectorySlot::new(Arc::clone(&core)));
        let slot = Arc::clone(self.inner.directory.get_or_init(fresh));
        slot.replace(core);
        self.inner
            .group_tasks
            .spawn(async move { slot.follow().await });
        self.inner.fabric.board.want_leader(group);
        Ok(())
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(task);
    }

    /// The peer protocol, to be served on this node's gRPC port.
    #[must_use]
    pub fn peer_service(&self) -> Routes {
        Routes::new(grpc::service(self.peer_server()))
    }

    /// What serves the peers, whatever network carries them.
    pub(crate) fn peer_server(&self) -> PeerServer {
        PeerServer {
            cluster: Arc::from(self.inner.topology.now().cluster.as_str()),
            node: self.inner.node,
            groups: Arc::new(self.clone()),
            pulses: Arc::clone(&self.inner.fabric.board) as Arc<dyn Pulses>,
            stop: self.inner.stop.clone(),
            arriving: Arc::new(Semaphore::new(SNAPSHOTS_ARRIVING_MAX)),
        }
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// Follows whether the others refuse this node because its number stands for another disk: by whom. Such a node must end.
    #[must_use]
    pub fn refused(&self) -> watch::Receiver<Option<NodeId>> {
        self.inner.fabric.board.disks.refusals()
    }

    /// The topology as this process reads it now.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.inner.topology.now()
    }

    /// Follows the topology as this process reads it.
    #[must_use]
    pub fn topology_changed(&self) -> watch::Receiver<Arc<Topology>> {
        self.inner.topology.changed()
    }

    /// The disk that this node runs on.
    #[must_use]
    pub fn disk_id(&self) -> DiskId {
        self.inner.log.disk_id()
    }

    /// The directory group.
    ///
    /// # Panics
    /// Never after a successful [`Host::start`], which opens it first.
    #[must_use]
    pub fn directory(&self) -> DirectoryGroup {
        let slot = self
            .inner
            .directory
            .get()
            .expect("start opens the directory before it returns");
        DirectoryGroup {
            slot: Arc::clone(slot),
        }
    }
}

/// Silence that may be a death: as configured, but never so short that an answer could still be on its way. All nodes have the
/// same topology, so all come to the same answer, on which the promise between them rests.
fn silence_floor(topology: &Topology, configured: Duration) -> Duration {
    let regions = topology.regions.iter().map(|region| &region.id);
    configured.max(topology.rtt.longest(regions) + ANSWER_SLACK)
}

/// Opens both stores of a data directory, off the async threads: they read their files.
async fn open_stores(
    stores: Arc<dyn OpenStores>,
    topology: &Topology,
    node: NodeId,
    data_dir: &Path,
) -> Result<(SnapshotStore, LogEngine), StartError> {
    let identity = NodeIdentity {
        cluster: topology.cluster.clone(),
        node: node.get(),
    };
    let dir = data_dir.to_owned();
    let opening = blocking::run(move || stores.open(&dir, identity));
    let opened = opening.await.map_err(|e| StartError::DataDir {
        reason: e.to_string(),
    })?;
    opened.map_err(|reason| StartError::DataDir { reason })
}
