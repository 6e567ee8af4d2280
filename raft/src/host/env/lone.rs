//! A host without peers, for tests of what a host does by itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::{NodeId, Topology};

use super::{FaultyDisks, HostEnv};
use crate::disk::faults::DiskFaults;
use crate::host::{Host, HostOptions, IdleOptions, SnapshotOptions};

/// Starts it in `dir`, with a disk that has whatever trouble `faults` says.
pub(crate) async fn lone_host(dir: &Path, faults: &Arc<DiskFaults>) -> Host {
    let text = "cluster = \"test\"\n\
        [[region]]\nid = \"r1\"\nname = \"r1\"\nlat = 0.0\nlon = 0.0\n\
        [[node]]\nid = 1\nregion = \"r1\"\naddr = \"127.0.0.1:1\"\n\
        [rtt]\nsource = \"one machine\"\nlocal_ms = 1.0\n";
    let options = HostOptions {
        node: NodeId::new(1),
        topology: Arc::new(Topology::parse(text).unwrap()),
        data_dir: dir.to_owned(),
        snapshots: SnapshotOptions::default(),
        idle: IdleOptions::default(),
        replace_after: Duration::ZERO,
        disk_reserve_bytes: 0,
    };
    let env = HostEnv {
        stores: Arc::new(FaultyDisks(Arc::clone(faults))),
        ..HostEnv::default()
    };
    Host::start_in(options, env).await.unwrap()
}
