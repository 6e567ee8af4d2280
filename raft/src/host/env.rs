//! What a host runs on: a network and a data directory.
//!
//! Owns: the two things that differ between a node and a simulated one. Must never: hold anything that consensus decides by.

use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock as _, SystemClock};
use crate::disk::{DataDisk, DirDisk, EndlessDisk};
use crate::log_store::{LogEngine, LogOptions, NodeIdentity};
use crate::snapshot_store::SnapshotStore;
use crate::transport::dial::Dial;
use crate::transport::grpc::GrpcDial;

/// What a host runs on; by default gRPC and real disks.
pub(crate) struct HostEnv {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) stores: Arc<dyn OpenStores>,
    /// Tells this process from the one that ran here before.
    pub(crate) incarnation: u64,
}

impl Default for HostEnv {
    fn default() -> Self {
        Self {
            dial: Arc::new(GrpcDial),
            stores: Arc::new(RealDisks),
            incarnation: SystemClock.now_ms(),
        }
    }
}

/// Opens the stores of a data directory. Blocks on the disk.
pub(crate) trait OpenStores: Send + Sync + 'static {
    /// Both stores; an error is for people.
    fn open(
        &self,
        dir: &Path,
        identity: NodeIdentity,
    ) -> Result<(SnapshotStore, LogEngine), String>;

    /// The file system that the data directory is on.
    fn disk(&self, _dir: &Path) -> Arc<dyn DataDisk> {
        Arc::new(EndlessDisk)
    }
}

/// Opens the snapshots, and by `open_log` a log that keeps what only they have.
pub(crate) fn open_stores<E: ToString>(
    dir: &Path,
    identity: NodeIdentity,
    open_log: impl FnOnce(LogOptions) -> Result<LogEngine, E>,
) -> Result<(SnapshotStore, LogEngine), String> {
    let snapshots = SnapshotStore::open(dir).map_err(|e| e.to_string())?;
    let mut options = LogOptions::new(identity);
    options.purge_floor = Some(Arc::new(snapshots.clone()));
    let log = open_log(options).map_err(|e| e.to_string())?;
    Ok((snapshots, log))
}

struct RealDisks;

impl OpenStores for RealDisks {
    fn open(
        &self,
        dir: &Path,
        identity: NodeIdentity,
    ) -> Result<(SnapshotStore, LogEngine), String> {
        open_stores(dir, identity, |options| LogEngine::open(dir, options))
    }

    fn disk(&self, dir: &Path) -> Arc<dyn DataDisk> {
        Arc::new(DirDisk::new(dir))
    }
}
