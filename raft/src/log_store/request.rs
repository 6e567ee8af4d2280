//! What a group asks of the committer, and the bounded queue between them.
//!
//! Owns: the queue's two bounds, count and bytes. Must never: accept a request that nobody will answer.

use std::sync::Arc;

use openraft::storage::IOFlushed;
use tokio::sync::mpsc::{self, OwnedPermit, WeakSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::disk::Change;
use super::failure::LogError;
use super::group::GroupCell;
use super::limits::{QUEUE_BYTES_MAX, QUEUE_REQUESTS_MAX};
use crate::types::TypeConfig;

/// Changes of one group, to become durable together, and whom to tell.
pub(super) struct Request {
    pub(super) group: u64,
    pub(super) work: Work,
    /// Bytes of entries, for the bounds.
    pub(super) bytes: usize,
    pub(super) done: Done,
    /// Returns the bytes to the queue's budget when the request ends.
    pub(super) _budget: Option<OwnedSemaphorePermit>,
}

/// What to write.
pub(super) enum Work {
    /// These changes, with a sync. None at all: whoever asks waits for what was asked for before.
    Durably(Vec<Change>),
    /// The group's newest committed log id, whenever something is written anyway; no sync of its own.
    NoteCommitted(Arc<GroupCell>),
}

/// Whom to tell.
pub(super) enum Done {
    /// Nobody waits.
    Nobody,
    /// A caller awaits the outcome.
    Waiter(oneshot::Sender<Result<(), LogError>>),
    /// Entries of a group: its tail may let go of them, and consensus is told.
    Appended {
        /// The group.
        cell: Arc<GroupCell>,
        /// Number of the write within the group.
        write_no: u64,
        /// How many entries.
        entries: usize,
        /// Consensus' callback.
        callback: IOFlushed<TypeConfig>,
    },
}

impl Done {
    /// Tells that the changes are durable, or why not.
    pub(super) fn complete(self, outcome: Result<(), LogError>) {
        match self {
            Self::Nobody => {}
            // The caller may have gone away; the change is on disk all the same.
            Self::Waiter(waiter) => drop(waiter.send(outcome)),
            Self::Appended {
                cell,
                write_no,
                callback,
                ..
            } => {
                if outcome.is_ok() {
                    cell.durable_up_to(write_no);
                }
                callback.io_completed(outcome.map_err(std::io::Error::from));
            }
        }
    }

    /// How many entries this is about.
    pub(super) fn entries(&self) -> usize {
        match self {
            Self::Appended { entries, .. } => *entries,
            Self::Nobody | Self::Waiter(_) => 0,
        }
    }
}

/// A group's end of the queue. It does not keep the queue open: closing the log closes it for every group.
#[derive(Clone)]
pub(super) struct Submitter {
    queue: WeakSender<Request>,
    bytes: Arc<Semaphore>,
}

/// A place in the queue, which makes sending immediate: a group's state and the queue change together or not at all.
pub(super) struct Slot {
    permit: OwnedPermit<Request>,
    budget: Option<OwnedSemaphorePermit>,
}

impl Submitter {
    /// The queue: the end that keeps it open, a group's end, and the committer's.
    pub(super) fn queue() -> (mpsc::Sender<Request>, Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let bytes = Arc::new(Semaphore::new(QUEUE_BYTES_MAX as usize));
        let submitter = Self {
            queue: sender.downgrade(),
            bytes,
        };
        (sender, submitter, receiver)
    }

    /// Waits for room for a request with `bytes` of entries.
    pub(super) async fn slot(&self, bytes: usize) -> Result<Slot, LogError> {
        let sender = self.queue.upgrade().ok_or(LogError::Closed)?;
        let budget = if bytes == 0 {
            None
        } else {
            // One oversized request takes the whole budget rather than none.
            let wanted = u32::try_from(bytes)
                .unwrap_or(u32::MAX)
                .min(QUEUE_BYTES_MAX);
            let budget = Arc::clone(&self.bytes).acquire_many_owned(wanted);
            Some(budget.await.map_err(|_| LogError::Closed)?)
        };
        let permit = sender.reserve_owned().await.map_err(|_| LogError::Closed)?;
        Ok(Slot { permit, budget })
    }

    /// Room for a small request if there is some right now.
    pub(super) fn slot_now(&self) -> Option<Slot> {
        let permit = self.queue.upgrade()?.try_reserve_owned().ok()?;
        Some(Slot {
            permit,
            budget: None,
        })
    }
}

impl Slot {
    /// Sends. Never waits.
    pub(super) fn send(self, group: u64, work: Work, bytes: usize, done: Done) {
        let request = Request {
            group,
            work,
            bytes,
            done,
            _budget: self.budget,
        };
        drop(self.permit.send(request));
    }
}
