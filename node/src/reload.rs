//! Reads the topology file again while the node runs.
//!
//! Owns: when (an operator asks, or SIGHUP) and what is said about it. Must never: take a file that does not check: the
//! topology before it stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_raft::{Host, ReloadError};
use holdfast_region_config::{Topology, TopologyChange, TopologyError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// Why the topology is what it was.
#[derive(Debug, Error)]
pub enum Refused {
    /// The file cannot be read or does not check.
    #[error(transparent)]
    File(#[from] TopologyError),
    /// It checks, and a running cluster cannot change like that.
    #[error(transparent)]
    Change(#[from] ReloadError),
    /// Reading it panicked.
    #[error("reading the topology failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Reads `file` and has `host` follow it.
///
/// # Errors
/// [`Refused`]; everything is as before then.
pub async fn topology(host: &Host, file: &Path) -> Result<TopologyChange, Refused> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || Topology::load(&file));
    let topology = read.await??;
    Ok(host.reload_topology(Arc::new(topology))?)
}

/// Reads the file again at each SIGHUP until `stop`.
pub async fn on_hangup(host: Host, file: PathBuf, stop: CancellationToken) {
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
    let mut hangup = match hangup {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be followed, the topology is read again only on request");
            return;
        }
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            asked = hangup.recv() => if asked.is_none() { return },
        }
        if let Err(error) = topology(&host, &file).await {
            tracing::error!(%error, "topology not read again, the one before stays in force");
        }
    }
}
