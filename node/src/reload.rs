//! Reads the topology file again while the node runs.
//!
//! Owns: when (an operator asks, or SIGHUP) and what is said about it. Must never: take a file that does not check: the
//! topology before it stays in force.

use std::sync::Arc;

use holdfast_node_api::discovery::TopologySource;
use holdfast_raft::{Host, ReloadError};
use holdfast_region_config::{TopologyChange, TopologyError};
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
}

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
    let mut occasions = match source.occasions() {
        Ok(occasions) => occasions,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be followed, the topology is read again only on request");
            return;
        }
    };
    while stop.run_until_cancelled(occasions.next()).await.is_some() {
        if let Err(error) = topology(&host, &source).await {
            tracing::error!(%error, "topology not read again, the one before stays in force");
        }
    }
}
