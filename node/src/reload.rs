//! Reads the topology file again while the node runs.
//!
//! Owns: when (an operator asks, or SIGHUP) and what is said about it. Must never: take a file that does not check: the
//! topology before it stays in force.

use std::sync::Arc;
use std::time::Duration;

use holdfast_raft::{Host, ReloadError};
use holdfast_region_config::{TopologyChange, TopologyError};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::topology_source::TopologySource;

/// Why the topology is what it was.
#[derive(Debug, Error)]
pub enum Refused {
    /// The file cannot be read or does not check.
    #[error(transparent)]
    File(#[from] TopologyError),
    /// It checks, and a running cluster cannot change like that.
    #[error(transparent)]
    Change(#[from] ReloadError),
}

/// How often names are asked again where nodes are.
const NAMES_INTERVAL: Duration = Duration::from_secs(30);

/// Reads `source` and has `host` follow it.
///
/// # Errors
/// [`Refused`]; everything is as before then.
pub async fn topology(host: &Host, source: &TopologySource) -> Result<TopologyChange, Refused> {
    let topology = source.load().await?;
    Ok(host.reload_topology(Arc::new(topology))?)
}

/// Reads it again at each SIGHUP until `stop`, and now and then where names say where nodes are.
pub async fn on_hangup(host: Host, source: TopologySource, stop: CancellationToken) {
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
            () = tokio::time::sleep(NAMES_INTERVAL), if source.is_named() => {}
        }
        if let Err(error) = topology(&host, &source).await {
            tracing::error!(%error, "topology not read again, the one before stays in force");
        }
    }
}
