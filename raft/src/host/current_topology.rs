//! The topology as this process reads it now.
//!
//! Owns: the one current copy and that followers hear of another. Must never: hold one that was not checked.

use std::sync::Arc;

use holdfast_region_config::Topology;
use tokio::sync::watch;

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
