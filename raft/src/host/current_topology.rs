//! The topology as this process reads it now.
//!
//! Owns: the one current copy, that followers hear of another, and what must not change. Must never: hold one that was not
//! checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_region_config::{NodeId, Topology, TopologyChange};
use tokio::sync::watch;

use super::Host;
use crate::directory::NodeState;
use crate::error::ReloadError;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct CurrentTopology {
    now: watch::Sender<Arc<Topology>>,
}

impl CurrentTopology {
    pub(crate) fn new(topology: Arc<Topology>) -> Self {
        Self {
            now: watch::Sender::new(topology),
        }
    }

    /// The topology now.
    pub(crate) fn now(&self) -> Arc<Topology> {
        Arc::clone(&self.now.borrow())
    }

    /// Follows it.
    pub(crate) fn changed(&self) -> watch::Receiver<Arc<Topology>> {
        self.now.subscribe()
    }

    /// Another one from now on.
    pub(crate) fn replace(&self, topology: Arc<Topology>) {
        self.now.send_replace(topology);
    }
}

impl Host {
    /// Reads another version of the topology from now on: dials nodes that are new and forgets those that are gone. What it
    /// means for replicas is decided by the directory's leader, once it has read it too.
    ///
    /// # Errors
    /// [`ReloadError`]; everything is as before then.
    pub fn reload_topology(&self, topology: Arc<Topology>) -> Result<TopologyChange, ReloadError> {
        let before = self.inner.topology.now();
        let node = self.inner.node;
        if topology.region_of(node) != before.region_of(node) {
            return Err(ReloadError::OwnNode { node });
        }
        let change = before.diff(&topology);
        let (retired, in_use) = self.node_duties(&change.nodes_removed);
        let violations = before.validate_change(&topology, &retired);
        if !violations.is_empty() {
            return Err(ReloadError::NotAllowed { violations });
        }
        if let Some((node, shows)) = in_use {
            return Err(ReloadError::NodeInUse { node, shows });
        }
        self.inner
            .fabric
            .follow(&topology)
            .map_err(|error| ReloadError::Address {
                reason: error.to_string(),
            })?;
        tracing::info!(%change, "topology read again");
        self.inner.topology.replace(topology);
        Ok(change)
    }

    /// Nodes that were removed for good, and the first of `nodes` that still has replicas, with how many.
    fn node_duties(&self, nodes: &[NodeId]) -> (BTreeSet<NodeId>, Option<(NodeId, u64)>) {
        let (found, _) = self.directory().read(|directory| {
            let known = directory.nodes().iter();
            let removed = known.filter(|(_, record)| record.state == NodeState::Removed);
            let mut counts = nodes
                .iter()
                .map(|node| (*node, directory.shows_counting_on(*node)));
            (
                removed.map(|(node, _)| *node).collect(),
                counts.find(|(_, shows)| *shows > 0),
            )
        });
        found
    }
}
