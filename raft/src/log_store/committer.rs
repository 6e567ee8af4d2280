//! The one writer of the node's log: gathers what all groups want durable, writes it as one batch, syncs once, then
//! tells them in order.
//!
//! Owns: the order of writes and the promise that nobody is told "durable" before the sync returned. Must never: go on
//! after a failed write; what the disk then holds is unknown, so every request from there on is refused.
//!
//! What a crash may lose: batches that were not acknowledged, whole. A batch is one checksummed record of the engine;
//! a torn one is cut off when the log is opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use holdfast_region_config::GroupId;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::disk::{Change, DiskBatch, Mark};
use super::failure::{HealthFlag, LogError};
use super::ledger::Ledger;
use super::limits::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX};
use super::opened::SharedDisk;
use super::request::{Done, Request, Work};
use super::stats::{Counters, add};

/// What outlives one opening of the log.
#[derive(Clone)]
pub(super) struct LastingParts {
    pub(super) health: Arc<HealthFlag>,
    pub(super) counters: Arc<Counters>,
    /// The groups that pinned old files when such were last looked for.
    pub(super) pinning: Arc<watch::Sender<Arc<[GroupId]>>>,
    /// What the groups were told, once the log has failed.
    pub(super) ledger: Arc<Ledger>,
}

impl Default for LastingParts {
    fn default() -> Self {
        Self {
            health: Arc::new(HealthFlag::new()),
            counters: Arc::default(),
            pinning: Arc::new(watch::Sender::new(Arc::default())),
            ledger: Arc::default(),
        }
    }
}

impl LastingParts {
    /// With a disk.
    pub(super) fn around(&self, disk: Arc<SharedDisk>) -> LogParts {
        let Self {
            health,
            counters,
            pinning,
            ledger,
        } = self.clone();
        LogParts {
            disk,
            health,
            counters,
            pinning,
            ledger,
        }
    }
}

/// What the committer and the groups share.
#[derive(Clone)]
pub(super) struct LogParts {
    pub(super) disk: Arc<SharedDisk>,
    pub(super) health: Arc<HealthFlag>,
    pub(super) counters: Arc<Counters>,
    pub(super) pinning: Arc<watch::Sender<Arc<[GroupId]>>>,
    pub(super) ledger: Arc<Ledger>,
}

/// Where the committer runs.
#[derive(Clone, Default)]
pub(crate) enum CommitterPlace {
    /// On a thread of its own.
    #[default]
    Thread,
    /// As a task of the runtime that opens the log, so that a simulation has one thread; the disk takes its simulated time.
    #[cfg(feature = "simulation")]
    Task(Arc<dyn DiskTime>),
}

/// How long a simulated disk takes for one group commit.
#[cfg(feature = "simulation")]
pub(crate) trait DiskTime: Send + Sync {
    /// The time of the next one.
    fn next_commit(&self) -> std::time::Duration;
}

/// The running committer; it ends when the queue closes.
pub(super) struct RunningCommitter {
    /// `None` = a task, which nobody needs to wait for.
    thread: Option<JoinHandle<()>>,
}

impl RunningCommitter {
    /// Starts the committer on `queue`. It frees old files after every `free_every_bytes` written.
    pub(super) fn start(
        parts: &LogParts,
        queue: Receiver<Request>,
        free_every_bytes: usize,
        place: CommitterPlace,
    ) -> std::io::Result<Self> {
        let committer = Committer {
            parts: parts.clone(),
            free_every_bytes,
            since_freed_bytes: 0,
        };
        let thread = match place {
            CommitterPlace::Thread => {
                let thread = thread::Builder::new().name("log-committer".to_owned());
                Some(thread.spawn(move || committer.run(queue))?)
            }
            #[cfg(feature = "simulation")]
            CommitterPlace::Task(time) => {
                tokio::spawn(committer.run_as_task(queue, time));
                None
            }
        };
        Ok(Self { thread })
    }

    /// Waits until it has ended. The queue must be closed, or this waits for ever.
    pub(super) fn join(self) {
        if self.thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the log committer panicked");
        }
    }
}

struct Committer {
    parts: LogParts,
    free_every_bytes: usize,
    since_freed_bytes: usize,
}

impl Drop for Committer {
    fn drop(&mut self) {
        if thread::panicking() {
            // Callbacks that wait are lost with the panic; everybody else must hear of it.
            self.parts.health.fail("the log committer panicked");
        }
    }
}

impl Committer {
    fn run(mut self, mut queue: Receiver<Request>) {
        let mut gathered = Vec::with_capacity(BATCH_REQUESTS_MAX);
        while let Some(first) = queue.blocking_recv() {
            gather(first, &mut queue, &mut gathered);
            self.commit(&mut gathered);
        }
    }

    #[cfg(feature = "simulation")]
    async fn run_as_task(mut self, mut queue: Receiver<Request>, time: Arc<dyn DiskTime>) {
        let mut gathered = Vec::new();
        while let Some(first) = queue.recv().await {
            gather(first, &mut queue, &mut gathered);
            tokio::time::sleep(time.next_commit()).await;
            self.commit(&mut gathered);
        }
    }

    /// Writes and completes everything in `gathered`, leaving it empty.
    fn commit(&mut self, gathered: &mut Vec<Request>) {
        let mut waiting: Vec<Done> = Vec::with_capacity(gathered.len());
        // Keeps the queue's byte budget taken until the bytes are durable.
        let mut budgets = Vec::new();
        let written = self.write(gathered, &mut waiting, &mut budgets);
        // A write that failed half-way through gathering leaves requests behind; they fail with it.
        waiting.extend(gathered.drain(..).map(|request| request.done));
        let counters = &self.parts.counters;
        if written.is_ok() {
            add(&counters.requests, waiting.len());
            add(&counters.entries, waiting.iter().map(Done::entries).sum());
        }
        for done in waiting {
            done.complete(written.clone());
        }
        drop(budgets);
        if self.since_freed_bytes >= self.free_every_bytes {
            self.since_freed_bytes = 0;
            self.free_old_files();
        }
    }

    fn write(
        &mut self,
        gathered: &mut Vec<Request>,
        waiting: &mut Vec<Done>,
        budgets: &mut Vec<tokio::sync::OwnedSemaphorePermit>,
    ) -> Result<(), LogError> {
        let parts = self.parts.clone();
        parts.health.check()?;
        let mut batch = DiskBatch::default();
        let mut sync = false;
        for request in gathered.drain(..) {
            waiting.push(request.done);
            budgets.extend(request._budget);
            let changes = match request.work {
                Work::Durably(changes) => {
                    sync |= !changes.is_empty();
                    changes
                }
                Work::NoteCommitted(cell) => {
                    vec![Change::Mark(Mark::Committed, cell.take_committed_note())]
                }
            };
            for change in changes {
                batch.add(request.group, change);
            }
        }
        // Somebody only waits for what was written before.
        if batch.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "simulation")]
        let sync =
            sync && !crate::simulation::sabotaged(crate::simulation::Sabotage::AckBeforeFsync);
        let began = Instant::now();
        let bytes = match parts.disk.write(batch, sync) {
            Ok(bytes) => bytes,
            Err(error) => return Err(parts.health.fail(&reason_of(&error))),
        };
        self.since_freed_bytes += bytes;
        add(&parts.counters.batches, 1);
        if sync {
            let took_us = usize::try_from(began.elapsed().as_micros()).unwrap_or(usize::MAX);
            add(&parts.counters.syncs, 1);
            add(&parts.counters.sync_us, took_us);
        }
        add(&parts.counters.written_bytes, bytes);
        Ok(())
    }

    /// Frees old log files. On this thread, between two batches: the engine moves what is alive in those files, and it
    /// asserts that no append cuts entries off meanwhile.
    fn free_old_files(&self) {
        let LogParts {
            disk,
            health,
            counters,
            pinning,
            ..
        } = &self.parts;
        if health.check().is_err() {
            return;
        }
        match disk.free_old_files() {
            Ok(groups) => {
                add(&counters.purge_runs, 1);
                let count = groups.len() as u64;
                counters.pinning_groups.store(count, Ordering::Relaxed);
                // Most runs find none, and nobody need hear of that twice.
                if count > 0 || !pinning.borrow().is_empty() {
                    pinning.send_replace(groups.into_iter().map(GroupId::new).collect());
                }
            }
            Err(error) => drop(health.fail(&reason_of(&error))),
        }
    }
}

/// Takes what waits behind `first`, up to a batch.
fn gather(first: Request, queue: &mut Receiver<Request>, gathered: &mut Vec<Request>) {
    let mut bytes = first.bytes;
    gathered.push(first);
    while bytes < BATCH_BYTES_MAX && gathered.len() < BATCH_REQUESTS_MAX {
        let Ok(next) = queue.try_recv() else { break };
        bytes += next.bytes;
        gathered.push(next);
    }
}

/// The disk's own words, without the prefix that [`LogError`] puts before them.
fn reason_of(error: &LogError) -> String {
    match error {
        LogError::Failed { reason } => reason.to_string(),
        other => other.to_string(),
    }
}
