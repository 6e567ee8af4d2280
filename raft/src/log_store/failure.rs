//! What can go wrong with the log, and whether it has gone wrong for good.
//!
//! Owns: the error types of the log store and the node-wide health flag. Must never: turn from failed back to healthy by
//! itself; after a failed write nobody knows what the disk holds, so only opening the directory again can tell.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::bytes::DecodeError;

/// Whether the node's log can still make entries durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogHealth {
    /// Writes work.
    Healthy,
    /// Writes work, but the file system has less room than is kept in reserve: the node must not take on new work, and
    /// give away what it leads, before writes fail.
    Full {
        /// Room for this process, bytes.
        free_bytes: u64,
    },
    /// A write failed. Nothing was acknowledged since, and nothing will be: the node must stop leading and voting.
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
}

/// Why a log request was not carried out. None of them passes by itself: the log has to be opened again, or an operator is
/// needed. Only after [`LogError::Failed`] may the change nevertheless be found on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogError {
    /// The log failed, now or earlier. The request may or may not be on disk.
    #[error("the log of this node has failed and has to be opened again: {reason}")]
    Failed {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The log is being closed. The request was not started.
    #[error("the log of this node is closed")]
    Closed,
    /// Another handle to this group was taken since; only the newest one writes. The request was not started.
    #[error("group {group}: this handle to the log is not the newest")]
    Superseded {
        /// The group.
        group: u64,
    },
    /// Entries that do not continue the log.
    #[error("entries from index {found} on do not continue a log that ends before {expected}")]
    Hole {
        /// First index offered.
        found: u64,
        /// The index that was due.
        expected: u64,
    },
    /// Bytes on disk that do not decode although the engine's checksum holds.
    #[error("group {group}: {source}")]
    Undecodable {
        /// The group.
        group: u64,
        /// What is wrong with them.
        source: DecodeError,
    },
    /// The disk could not be read.
    #[error("group {group}: {reason}")]
    Unreadable {
        /// The group.
        group: u64,
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The log lacks an entry between two others.
    #[error("group {group}: entry {index} is missing from the log")]
    Missing {
        /// The group.
        group: u64,
        /// The absent index.
        index: u64,
    },
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Undecodable { .. } | LogError::Missing { .. } => io::ErrorKind::InvalidData,
            LogError::Hole { .. } => io::ErrorKind::InvalidInput,
            LogError::Failed { .. }
            | LogError::Closed
            | LogError::Superseded { .. }
            | LogError::Unreadable { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Why a data directory could not be opened. Only [`OpenError::InUse`] may pass without anybody doing something about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// A file or directory operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the directory open.
    #[error("data directory {} is in use by another process", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory belongs to somebody else.
    #[error("{}: {field} is {found}, but this node was started with {expected}", path.display())]
    NotOurs {
        /// The identity file.
        path: PathBuf,
        /// The field that differs.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What this process was told to be.
        expected: String,
    },
    /// The directory was written by a newer program.
    #[error("{}: format is {found}, this program knows formats up to {newest}", path.display())]
    NewerFormat {
        /// The identity file.
        path: PathBuf,
        /// The format in the file.
        found: u64,
        /// The newest format known here.
        newest: u64,
    },
    /// The identity file cannot be understood.
    #[error("{}: {problem}", path.display())]
    BadIdentity {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The directory under a running node became another one.
    #[error("data directory {} was replaced while the node ran: stop the node and start it again as on a new disk", dir.display())]
    Replaced {
        /// The directory.
        dir: PathBuf,
    },
    /// There is a log but no identity beside it.
    #[error("{} holds a log but no IDENTITY file: it was removed or only half copied", dir.display())]
    IdentityMissing {
        /// The directory.
        dir: PathBuf,
    },
    /// A log file is damaged before its end, so votes and entries behind the damage are lost.
    #[error(
        "log file {} is damaged ({reason}): do not delete or edit it, a node that forgets its votes breaks consensus; \
         stop this node, set the data directory aside, and have the cluster replace the node (remove it, then add it with an \
         empty directory): the other replicas have everything that was acknowledged",
        file.display()
    )]
    DamagedFile {
        /// The file, or the log's directory when the engine does not say which one it is.
        file: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The log engine refused the directory for another reason, for example because it may not read it.
    #[error("cannot open the log in {}: {reason}", dir.display())]
    Engine {
        /// The directory.
        dir: PathBuf,
        /// What the engine said.
        reason: String,
    },
}

impl OpenError {
    /// Shorthand for a failed file operation.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// The node-wide flag: set once by whoever meets the first failed write, watched by the node.
pub(crate) struct HealthFlag {
    state: watch::Sender<LogHealth>,
}

impl HealthFlag {
    /// A healthy flag.
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(LogHealth::Healthy),
        }
    }

    /// Marks the log failed and says so once; later failures are consequences of the first.
    pub(crate) fn fail(&self, reason: &str) -> LogError {
        let mut first: Arc<str> = reason.into();
        self.state.send_if_modified(|state| match state {
            LogHealth::Failed { reason } => {
                first = Arc::clone(reason);
                false
            }
            LogHealth::Healthy | LogHealth::Full { .. } => {
                tracing::error!(
                    reason,
                    "raft log write failed, this node acknowledges nothing until the log was opened again"
                );
                *state = LogHealth::Failed {
                    reason: Arc::clone(&first),
                };
                true
            }
        });
        LogError::Failed { reason: first }
    }

    /// Says how much room there is: `short` when that is too little. A log that has failed stays failed.
    pub(crate) fn note_room(&self, free_bytes: u64, short: bool) {
        self.state.send_if_modified(|state| match state {
            LogHealth::Healthy if short => {
                tracing::error!(
                    free_bytes,
                    "disk almost full, this node takes no new work until there is room"
                );
                *state = LogHealth::Full { free_bytes };
                true
            }
            LogHealth::Full { .. } if !short => {
                tracing::info!(free_bytes, "disk has room again");
                *state = LogHealth::Healthy;
                true
            }
            LogHealth::Healthy | LogHealth::Full { .. } | LogHealth::Failed { .. } => false,
        });
    }

    /// The log was opened again and holds what it had acknowledged.
    pub(crate) fn opened_again(&self) {
        self.state.send_replace(LogHealth::Healthy);
    }

    /// An error when the log has failed.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match &*self.state.borrow() {
            LogHealth::Healthy | LogHealth::Full { .. } => Ok(()),
            LogHealth::Failed { reason } => Err(LogError::Failed {
                reason: Arc::clone(reason),
            }),
        }
    }

    /// The state now and every change of it.
    pub(crate) fn subscribe(&self) -> watch::Receiver<LogHealth> {
        self.state.subscribe()
    }
}
