//! A cluster that grows and shrinks: the topology files change while processes run.
//!
//! Owns: which places the files name. Must never: tell a process that they changed, start one or end one: an operator does
//! that, in the order that the cluster under test asks for.

use holdfast_region_config::NodeId;

use super::{Cluster, ClusterError};

impl Cluster {
    /// Has the topology files name these nodes of all that there are places for, and their regions, from now on.
    ///
    /// # Errors
    /// [`ClusterError::Topology`] when nothing is left, [`ClusterError::File`] when a file cannot be written.
    pub fn name_nodes(&mut self, named: impl Fn(NodeId) -> bool) -> Result<(), ClusterError> {
        let topology = self.places.with_nodes(named)?;
        self.files
            .write_topologies(&self.places, &topology, self.wan.as_ref(), &self.options)?;
        self.topology = topology;
        Ok(())
    }
}
