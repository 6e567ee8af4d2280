//! One simulated machine: a process that runs a real host, on a disk that outlives it.
//!
//! Owns: start, stand-still, kill. A process is a single-threaded runtime with a clock of its own that the world moves; dropping the
//! runtime is the kill: nothing of the process runs on, and its disk is cut off first. Must never: let a dead process write.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_region_config::{NodeId, Topology};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::disk::Disk;
use super::disk::files::SimulatedFileSystem;
use super::disk::pairs::SimulatedPairs;
use super::network::{Network, SimulatedDial};
use super::stage::Habits;
use super::witness;
use crate::host::env::{HostEnv, OpenStores};
use crate::log_store::{CommitterPlace, LogEngine, LogOptions, NodeIdentity};
use crate::snapshot_store::SnapshotStore;
use crate::{Host, HostOptions, ManualClock, SnapshotOptions};

/// Small files and early purges, so that rotation, freeing and recycling happen within a run.
const LOG_FILE_BYTES: u64 = 32 << 10;
const LOG_PURGE_THRESHOLD_BYTES: u64 = 128 << 10;

/// Snapshots often enough that purging and catching up by snapshot happen within a run.
const SNAPSHOTS: SnapshotOptions = SnapshotOptions {
    every_entries: 60,
    keep_entries: 10,
};

type Starting = Arc<Mutex<Option<Result<Host, String>>>>;

struct Process {
    runtime: Runtime,
    /// The runtime's clock when it began, and the world's.
    began: (Instant, u64),
    starting: Starting,
    host: Option<Host>,
}

/// See the module's head.
pub(super) struct Machine {
    pub(super) node: NodeId,
    pub(super) disk: Arc<Disk>,
    topology: Arc<Topology>,
    network: Network,
    pub(super) base: PathBuf,
    seed: u64,
    habits: Habits,
    lives: u64,
    process: Option<Process>,
    /// The process gets no CPU until this time, ms.
    pub(super) stalled_until_ms: u64,
}

struct SimulatedStores {
    disk: Arc<Disk>,
    generation: u64,
}

impl OpenStores for SimulatedStores {
    fn open(
        &self,
        dir: &Path,
        identity: NodeIdentity,
    ) -> Result<(SnapshotStore, LogEngine), String> {
        let pairs = SimulatedPairs::new(Arc::clone(&self.disk), self.generation);
        let snapshots = SnapshotStore::on(dir.join("state"), Box::new(pairs));
        let options = LogOptions {
            purge_floor: Some(Arc::new(snapshots.clone())),
            file_bytes: LOG_FILE_BYTES,
            purge_threshold_bytes: LOG_PURGE_THRESHOLD_BYTES,
            committer: CommitterPlace::Task(Arc::clone(&self.disk) as _),
            ..LogOptions::new(identity)
        };
        let files = SimulatedFileSystem::new(Arc::clone(&self.disk), self.generation);
        let log = LogEngine::open_with_file_system(dir, options, Arc::new(files))
            .map_err(|e| e.to_string())?;
        Ok((snapshots, log))
    }
}

impl Machine {
    pub(super) fn new(
        node: NodeId,
        topology: Arc<Topology>,
        network: Network,
        base: &Path,
        seed: u64,
        habits: Habits,
    ) -> Self {
        Self {
            node,
            disk: Disk::new(seed ^ node.get()),
            topology,
            network,
            base: base.join(format!("n{}", node.get())),
            seed,
            habits,
            lives: 0,
            process: None,
            stalled_until_ms: 0,
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The host, once it has started.
    pub(super) fn host(&self) -> Option<&Host> {
        self.process.as_ref()?.host.as_ref()
    }

    /// Starts a process. Its directory holds the identity and, as the log engine lists them itself, the names of its files.
    pub(super) fn start(&mut self, now_ms: u64) -> Result<(), String> {
        witness::started(self.node);
        let before = self.base.join(format!("life{}", self.lives));
        self.lives += 1;
        let dir = self.base.join(format!("life{}", self.lives));
        make_directory(&before, &dir, &self.disk).map_err(|e| format!("{}: {e}", dir.display()))?;
        let runtime = new_runtime(self.seed ^ (self.node.get() << 32) ^ self.lives)
            .map_err(|e| e.to_string())?;
        let options = HostOptions {
            node: self.node,
            topology: Arc::clone(&self.topology),
            data_dir: dir,
            snapshots: SNAPSHOTS,
            idle: self.habits.idle,
            replace_after: self.habits.replace_after,
            disk_reserve_bytes: 0,
        };
        let env = HostEnv {
            dial: Arc::new(SimulatedDial::new(self.network.clone(), self.node)),
            stores: Arc::new(SimulatedStores {
                disk: Arc::clone(&self.disk),
                generation: self.disk.mount(),
            }),
            // Shows no time: entries are stamped by the simulated clients.
            clock: Arc::new(ManualClock::default()),
            incarnation: self.lives,
        };
        let starting = Starting::default();
        let slot = Arc::clone(&starting);
        runtime.spawn(async move {
            let started = Host::start_in(options, env).await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(started.map_err(|e| e.to_string()));
        });
        let began = runtime.block_on(async { Instant::now() });
        self.stalled_until_ms = 0;
        self.process = Some(Process {
            runtime,
            began: (began, now_ms),
            starting,
            host: None,
        });
        Ok(())
    }

    /// Runs the process up to `now_ms`. An error is why it could not start.
    pub(super) fn run_until(&mut self, now_ms: u64) -> Result<(), String> {
        if now_ms < self.stalled_until_ms {
            return Ok(());
        }
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        witness::on_machine(self.node);
        let (began, began_ms) = process.began;
        let until = began + Duration::from_millis(now_ms - began_ms);
        if std::mem::take(&mut self.stalled_until_ms) > 0 {
            // It stood still: its clock jumps, and what was due meanwhile is due at once.
            process.runtime.block_on(async {
                let behind = until.saturating_duration_since(Instant::now());
                tokio::time::advance(behind).await;
            });
        }
        process
            .runtime
            .block_on(async { tokio::time::sleep_until(until).await });
        if process.host.is_none() {
            let started = process
                .starting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            match started {
                None => {}
                Some(Ok(host)) => {
                    self.network.listen(
                        self.node,
                        host.peer_server(),
                        process.runtime.handle().clone(),
                    );
                    process.host = Some(host);
                }
                Some(Err(reason)) => return Err(reason),
            }
        }
        Ok(())
    }

    /// Runs `task` in the process, if there is one.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(process) = &self.process {
            process.runtime.spawn(task);
        }
    }

    /// Runs `look` in the process' time, if its host has started.
    pub(super) fn inside<T>(&self, look: impl FnOnce(&Host) -> T) -> Option<T> {
        let process = self.process.as_ref()?;
        let host = process.host.as_ref()?;
        witness::on_machine(self.node);
        let _inside = process.runtime.enter();
        Some(look(host))
    }

    /// Whether the process gets no CPU now.
    pub(super) fn is_stalled(&self, now_ms: u64) -> bool {
        now_ms < self.stalled_until_ms
    }

    /// The process dies at once; its disk keeps what was synced. `loud` = its peers' connections are reset.
    pub(super) fn kill(&mut self, loud: bool) {
        let Some(process) = self.process.take() else {
            return;
        };
        witness::on_machine(self.node);
        self.disk.crash();
        self.network.unplug(self.node, loud);
        let Process { runtime, host, .. } = process;
        let inside = runtime.enter();
        drop(host);
        drop(inside);
        drop(runtime);
    }
}

fn make_directory(before: &Path, dir: &Path, disk: &Disk) -> std::io::Result<()> {
    let log_dir = LogEngine::log_dir(dir);
    std::fs::create_dir_all(&log_dir)?;
    let identity = before.join("IDENTITY");
    if identity.try_exists()? {
        std::fs::copy(identity, dir.join("IDENTITY"))?;
    }
    for name in disk.file_names() {
        std::fs::File::create(log_dir.join(name))?;
    }
    if before.try_exists()? {
        std::fs::remove_dir_all(before)?;
    }
    Ok(())
}

#[cfg_attr(
    not(tokio_unstable),
    expect(unused_variables, reason = "only that build of tokio can be seeded")
)]
fn new_runtime(seed: u64) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    builder.build()
}
