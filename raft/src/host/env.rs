//! What a host runs on: a network and a data directory.
//!
//! Owns: the two things that differ between a node and a simulated one. Must never: hold anything that consensus decides by.

use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::disk::faults::{DiskFaults, FaultyDisk};
use crate::disk::{DataDisk, DirDisk, EndlessDisk};
use crate::log_store::{LogEngine, LogOptions, NodeIdentity, OpenError};
use crate::snapshot_store::{SnapshotError, SnapshotStore};
use crate::transport::dial::Dial;
use crate::transport::grpc::GrpcDial;

/// What a host runs on; by default gRPC and real disks.
pub(crate) struct HostEnv {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) stores: Arc<dyn OpenStores>,
    /// This machine's wall clock, told to the others.
    pub(crate) clock: Arc<dyn Clock>,
    /// Tells this process from the one that ran here before.
    pub(crate) incarnation: u64,
}

impl Default for HostEnv {
    fn default() -> Self {
        Self {
            dial: Arc::new(GrpcDial),
            stores: Arc::new(RealDisks),
            clock: Arc::new(SystemClock),
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

/// The snapshots, and by `open_log` a log that keeps what only they have.
fn with_log(
    snapshots: Result<SnapshotStore, SnapshotError>,
    identity: NodeIdentity,
    open_log: impl FnOnce(LogOptions) -> Result<LogEngine, OpenError>,
) -> Result<(SnapshotStore, LogEngine), String> {
    let snapshots = snapshots.map_err(|e| e.to_string())?;
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
        let snapshots = SnapshotStore::open(dir);
        with_log(snapshots, identity, |options| LogEngine::open(dir, options))
    }

    fn disk(&self, dir: &Path) -> Arc<dyn DataDisk> {
        Arc::new(DirDisk::new(dir))
    }
}

/// The same with trouble when told to.
pub(crate) struct FaultyDisks(pub(crate) Arc<DiskFaults>);

impl OpenStores for FaultyDisks {
    fn open(
        &self,
        dir: &Path,
        identity: NodeIdentity,
    ) -> Result<(SnapshotStore, LogEngine), String> {
        let faults = || Arc::clone(&self.0);
        let snapshots = SnapshotStore::open_faulty(dir, faults());
        with_log(snapshots, identity, |options| {
            LogEngine::open_faulty(dir, options, faults())
        })
    }

    fn disk(&self, dir: &Path) -> Arc<dyn DataDisk> {
        Arc::new(FaultyDisk::new(dir, Arc::clone(&self.0)))
    }
}

#[cfg(test)]
pub(crate) mod lone;
