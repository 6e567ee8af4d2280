//! The one writer of the node's log: gathers what all groups want durable, writes it as one batch, syncs once, then
//! tells them in order.
//!
//! Owns: the order of writes and the promise that nobody is told "durable" before the sync returned. Must never: go on
//! after a failed write; what the disk then holds is unknown, so every request from there on is refused.
//!
//! What a crash may lose: batches that were not acknowledged, whole. A batch is one checksummed record of the engine;
//! a torn one is cut off when the log is opened.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as WakeReceiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::Receiver;

use super::disk::{Change, DiskBatch, LogDisk, Mark};
use super::failure::{HealthFlag, LogError};
use super::limits::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX};
use super::request::{Done, Request, Work};
use super::stats::{Counters, add};

/// What the two threads of a log share.
#[derive(Clone)]
pub(super) struct LogParts {
    pub(super) disk: Arc<dyn LogDisk>,
    pub(super) health: Arc<HealthFlag>,
    pub(super) counters: Arc<Counters>,
}

/// The running threads; they end when the queue closes.
pub(super) struct CommitterThreads {
    committer: JoinHandle<()>,
    janitor: JoinHandle<()>,
}

impl CommitterThreads {
    /// Starts the committer on `queue`, and the janitor that frees old files after every `janitor_every_bytes` written.
    pub(super) fn start(
        parts: &LogParts,
        queue: Receiver<Request>,
        janitor_every_bytes: usize,
    ) -> std::io::Result<Self> {
        let (wake, wakes) = sync_channel(1);
        let janitor_parts = parts.clone();
        let janitor = thread::Builder::new()
            .name("log-janitor".to_owned())
            .spawn(move || free_old_files(&janitor_parts, &wakes))?;
        let committer = Committer {
            parts: parts.clone(),
            wake,
            janitor_every_bytes,
            since_janitor_bytes: 0,
        };
        let committer = thread::Builder::new()
            .name("log-committer".to_owned())
            .spawn(move || committer.run(queue))?;
        Ok(Self { committer, janitor })
    }

    /// Waits until both have ended. The queue must be closed, or this waits for ever.
    pub(super) fn join(self) {
        for thread in [self.committer, self.janitor] {
            if thread.join().is_err() {
                tracing::error!("a log thread panicked");
            }
        }
    }
}

struct Committer {
    parts: LogParts,
    wake: SyncSender<()>,
    janitor_every_bytes: usize,
    since_janitor_bytes: usize,
}

impl Committer {
    fn run(mut self, mut queue: Receiver<Request>) {
        let mut gathered = Vec::with_capacity(BATCH_REQUESTS_MAX);
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes;
            gathered.push(first);
            while bytes < BATCH_BYTES_MAX && gathered.len() < BATCH_REQUESTS_MAX {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.bytes;
                gathered.push(next);
            }
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
        if self.since_janitor_bytes >= self.janitor_every_bytes {
            self.since_janitor_bytes = 0;
            // Full means that a run is already due.
            let _ = self.wake.try_send(());
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
        let mut outcome = Ok(());
        for request in gathered.drain(..) {
            waiting.push(request.done);
            budgets.extend(request._budget);
            let changes = match request.work {
                Work::Durably(changes) => {
                    sync = true;
                    changes
                }
                Work::NoteCommitted(cell) => {
                    vec![Change::Mark(Mark::Committed, cell.take_committed_note())]
                }
            };
            for change in changes {
                outcome = outcome.and_then(|()| batch.add(request.group, change));
            }
        }
        let written = outcome.and_then(|()| parts.disk.write(batch, sync));
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(error) => return Err(parts.health.fail(&reason_of(&error))),
        };
        // The janitor may have found the disk broken meanwhile; then this batch is as doubtful as any other.
        parts.health.check()?;
        self.since_janitor_bytes += bytes;
        add(&parts.counters.batches, 1);
        add(&parts.counters.syncs, usize::from(sync));
        add(&parts.counters.written_bytes, bytes);
        Ok(())
    }
}

/// Frees old log files each time it is woken. On a thread of its own because moving what is alive in them takes longer
/// than a vote may wait.
fn free_old_files(parts: &LogParts, wakes: &WakeReceiver<()>) {
    while wakes.recv().is_ok() {
        if parts.health.check().is_err() {
            continue;
        }
        match parts.disk.free_old_files() {
            Ok(pinning) => {
                add(&parts.counters.purge_runs, 1);
                let gauge = &parts.counters.pinning_groups;
                gauge.store(pinning as u64, std::sync::atomic::Ordering::Relaxed);
            }
            Err(error) => drop(parts.health.fail(&reason_of(&error))),
        }
    }
}

/// The disk's own words, without the prefix that [`LogError`] puts before them.
fn reason_of(error: &LogError) -> String {
    match error {
        LogError::Failed { reason } => reason.to_string(),
        other => other.to_string(),
    }
}
