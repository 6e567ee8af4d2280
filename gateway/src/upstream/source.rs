//! Where this gateway's topology comes from: a file, and names that tell where nodes are.
//!
//! Owns: laying what DNS says over the file's addresses. Must never: need DNS; without an answer the file's addresses hold.

use std::path::PathBuf;

use holdfast_node_api::discovery::Finder;
use holdfast_region_config::topology::{Topology, TopologyError};

use crate::config::Config;

/// See the module's head.
#[derive(Debug)]
pub struct TopologySource {
    file: PathBuf,
    finder: Option<Finder>,
}

impl TopologySource {
    /// As `config` has it.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            file: config.topology.clone(),
            finder: config.discovery.clone().map(Finder::new),
        }
    }

    /// Reads the file, and asks where the nodes are.
    ///
    /// # Errors
    /// When the file cannot be read or does not check.
    pub async fn load(&self) -> Result<Topology, TopologyError> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || Topology::load(&file)).await;
        let topology = match read {
            Ok(topology) => topology?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let Some(finder) = &self.finder else {
            return Ok(topology);
        };
        let found = finder.addresses().await;
        let named = topology.with_found_nodes(|id| found.get(&id.get()).map(ToString::to_string));
        Ok(named.unwrap_or_else(|error| {
            tracing::warn!(%error, "two nodes have one name: they are dialled as the file has them");
            topology
        }))
    }
}
