//! Where a process's topology comes from: a file, and names that tell where nodes are.
//!
//! Owns: laying what DNS says over the file's addresses, and when both are read again. Must never: need DNS; without an
//! answer the file's addresses hold.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_region_config::topology::{Topology, TopologyError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Finder;

/// How often names are asked again where nodes are.
const NAMES_INTERVAL: Duration = Duration::from_secs(30);

/// See the module's head.
#[derive(Debug, Clone)]
pub struct TopologySource {
    file: PathBuf,
    finder: Option<Arc<Finder>>,
}

impl TopologySource {
    /// The file, and who is asked where the nodes are; without `finder` the file says it.
    #[must_use]
    pub fn new(file: PathBuf, finder: Option<Finder>) -> Self {
        Self {
            file,
            finder: finder.map(Arc::new),
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

    /// When to load it again.
    ///
    /// # Errors
    /// When this system has no SIGHUP to follow.
    pub fn occasions(&self) -> io::Result<Occasions> {
        Ok(Occasions {
            hangup: signal(SignalKind::hangup())?,
            is_named: self.finder.is_some(),
        })
    }
}

/// When a topology is to be read again: at each SIGHUP, and now and then where names say where nodes are.
#[derive(Debug)]
pub struct Occasions {
    hangup: Signal,
    is_named: bool,
}

impl Occasions {
    /// Waits for the next one; dropped before that, none is lost.
    pub async fn next(&mut self) {
        let names = async {
            if self.is_named {
                tokio::time::sleep(NAMES_INTERVAL).await;
            } else {
                std::future::pending().await
            }
        };
        let hangup = async {
            if self.hangup.recv().await.is_none() {
                // Nothing can be heard any more.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = hangup => {}
            () = names => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_names_the_file_says_it_and_a_bad_file_is_named() {
        let source = TopologySource::new(PathBuf::from("no/such.toml"), None);
        let error = source.load().await.unwrap_err().to_string();
        assert!(error.contains("no/such.toml"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_asked_again_and_a_file_only_when_somebody_says_so() {
        let waits = async |is_named| {
            let hangup = signal(SignalKind::hangup()).unwrap();
            let mut occasions = Occasions { hangup, is_named };
            let next = tokio::time::timeout(2 * NAMES_INTERVAL, occasions.next());
            next.await.is_err()
        };
        assert!(!waits(true).await);
        assert!(waits(false).await);
    }
}
