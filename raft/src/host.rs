//! All groups of one node: opened, found, started from the directory, closed.
//!
//! Owns: the table of open groups and the order of start and stop. Must never: decide what a group commits, or keep a group
//! open that the directory does not give this node.
//!
//! ```text
//!  start:  snapshots → log → links → directory (group 0) → reconcile loop → the groups it names
//!  stop:   reconcile loop → leaders handed over → groups → links → log
//! ```

mod duties;
pub(crate) mod env;
mod open;
mod reconcile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId, Topology, place_directory};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use self::env::{HostEnv, OpenStores};
use crate::blocking;
use crate::directory::DiskId;
use crate::error::StartError;
use crate::fabric::{Fabric, PeerStatus};
use crate::group::GroupCore;
use crate::handles::{DirectoryGroup, ShowGroup};
use crate::log_store::{LogEngine, LogHealth, LogStats, NodeIdentity};
use crate::snapshot_store::{SnapshotStats, SnapshotStore};
use crate::transport::server::{Groups, OpenGroup, PeerServer};
use crate::transport::{SNAPSHOTS_ARRIVING_MAX, grpc};

/// How long a stopping node waits for its leaderships to be taken over.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(5);

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

/// What the log has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Group commits that ended with an fdatasync.
    pub syncs: u64,
    /// Group commits.
    pub batches: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Bytes written to log files.
    pub written_bytes: u64,
    /// Requests waiting now.
    pub queue_depth: u64,
    /// Size of the log files now.
    pub used_bytes: u64,
}

/// The open groups; peers and this node's own parts look them up here.
#[derive(Default)]
pub(crate) struct Table {
    /// Guards the map; held for a lookup or an insert, never across an await.
    groups: RwLock<BTreeMap<GroupId, Arc<GroupCore>>>,
}

impl Table {
    pub(crate) fn get(&self, group: GroupId) -> Option<Arc<GroupCore>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&group)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<GroupCore>> {
        self.groups
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    fn insert(&self, core: Arc<GroupCore>) {
        self.groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(core.group, core);
    }
}

impl Groups for Table {
    fn open_group(&self, group: GroupId) -> Option<OpenGroup> {
        let core = self.get(group)?;
        Some(OpenGroup {
            raft: core.raft.clone(),
            contact: Arc::clone(&core.contact),
        })
    }
}

pub(crate) struct Inner {
    pub(crate) node: NodeId,
    pub(crate) topology: Arc<Topology>,
    pub(crate) fabric: Arc<Fabric>,
    pub(crate) log: LogEngine,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) table: Arc<Table>,
    pub(crate) groups_changed: watch::Sender<u64>,
    pub(crate) snapshot_options: SnapshotOptions,
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

    /// [`Host::start`] on another network and other disks.
    pub(crate) async fn start_in(options: HostOptions, env: HostEnv) -> Result<Self, StartError> {
        let HostOptions {
            node,
            topology,
            data_dir,
            snapshots: snapshot_options,
        } = options;
        // Before anything is written: a new data directory is claimed for the node that opens it.
        if topology.region_of(node).is_none() {
            return Err(StartError::UnknownNode { node });
        }
        let (snapshots, log) = open_stores(env.stores, &topology, node, &data_dir).await?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let fabric = Fabric::start(&topology, node, env.dial.as_ref(), &stop, &mut tasks)?;
        let (groups_changed, _) = watch::channel(0);
        let inner = Arc::new(Inner {
            node,
            topology,
            fabric,
            log,
            snapshots,
            table: Arc::new(Table::default()),
            groups_changed,
            snapshot_options,
            stop_duties: stop.child_token(),
            stop,
            tasks: Mutex::new(tasks),
        });
        let host = Self { inner };
        let placement = place_directory(&host.inner.topology);
        host.open_group(GroupId::DIRECTORY, &placement.voters, &placement.voters)
            .await?;
        host.spawn(host.clone().reconcile_until_stopped());
        host.spawn(host.clone().tend_led_groups());
        Ok(host)
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
            cluster: Arc::from(self.inner.topology.cluster.as_str()),
            node: self.inner.node,
            groups: Arc::clone(&self.inner.table) as Arc<dyn Groups>,
            stop: self.inner.stop.clone(),
            arriving: Arc::new(Semaphore::new(SNAPSHOTS_ARRIVING_MAX)),
        }
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.node
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
        let core = self
            .inner
            .table
            .get(GroupId::DIRECTORY)
            .expect("start opens the directory before it returns");
        DirectoryGroup { core }
    }

    /// This node's replica of a show; `None` when it has none or has not opened it yet.
    #[must_use]
    pub fn show_group(&self, show: ShowId) -> Option<ShowGroup> {
        let group = GroupId::new(show.get());
        if group.is_directory() {
            return None;
        }
        self.inner.table.get(group).map(|core| ShowGroup { core })
    }

    /// All open shows.
    #[must_use]
    pub fn show_groups(&self) -> Vec<ShowGroup> {
        let shows = self
            .inner
            .table
            .all()
            .into_iter()
            .filter(|core| !core.group.is_directory());
        shows.map(|core| ShowGroup { core }).collect()
    }

    /// Changes whenever a group was opened.
    #[must_use]
    pub fn groups_changed(&self) -> watch::Receiver<u64> {
        self.inner.groups_changed.subscribe()
    }

    /// The other nodes as this one sees them.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.inner.fabric.status()
    }

    /// What the log has done.
    #[must_use]
    pub fn log_counters(&self) -> LogCounters {
        let LogStats {
            syncs,
            batches,
            entries,
            written_bytes,
            queue_depth,
            used_bytes,
            ..
        } = self.inner.log.stats();
        LogCounters {
            syncs,
            batches,
            entries,
            written_bytes,
            queue_depth,
            used_bytes,
        }
    }

    /// What the snapshot store has done.
    #[must_use]
    pub fn snapshot_stats(&self) -> SnapshotStats {
        self.inner.snapshots.stats()
    }

    /// Why the disk failed; `None` while it works. A failed log stops every group of this node.
    #[must_use]
    pub fn disk_failure(&self) -> Option<String> {
        match &*self.inner.log.health().borrow() {
            LogHealth::Healthy => None,
            LogHealth::Failed { reason } => Some(reason.to_string()),
        }
    }

    /// Hands leaderships over, stops the groups, closes links and stores. Idempotent.
    pub async fn shutdown(&self) {
        self.inner.stop_duties.cancel();
        self.hand_over_leaderships().await;
        for core in self.inner.table.all() {
            if core.raft.shutdown().await.is_err() {
                tracing::warn!(group = %core.group, "group had already stopped");
            }
        }
        self.inner.stop.cancel();
        let tasks = std::mem::take(
            &mut *self
                .inner
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        tasks.join_all().await;
        let log = self.inner.log.clone();
        if blocking::run(move || log.close()).await.is_err() {
            tracing::error!("closing the log panicked");
        }
    }

    /// Gives every leadership to a caught-up voter and waits until the others have taken them.
    async fn hand_over_leaderships(&self) {
        let mut waiting = JoinSet::new();
        for core in self.inner.table.all() {
            if !core.leadership.borrow().leads {
                continue;
            }
            waiting.spawn(async move {
                let voters = core.status().voters;
                for target in voters.into_iter().filter(|voter| *voter != core.node) {
                    if core.transfer_leader(target).await.is_ok() {
                        let mut leadership = core.leadership.clone();
                        // The group stopped meanwhile: nobody to wait for.
                        let _ = leadership
                            .wait_for(|l| !l.leads && l.leader.is_some())
                            .await;
                        return;
                    }
                }
            });
        }
        if tokio::time::timeout(HAND_OVER_LIMIT, waiting.join_all())
            .await
            .is_err()
        {
            tracing::warn!("not every leadership was taken over in time, the others will elect");
        }
    }
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
