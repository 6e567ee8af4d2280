//! Which disk each node is known by.
//!
//! Owns: that a node that comes back without its disk is not listened to: it has forgotten what it voted and what it
//! acknowledged. Must never: refuse a node that the directory does not know, or knows without a disk.

use std::collections::BTreeMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use holdfast_region_config::NodeId;
use tokio::sync::watch;

use crate::directory::DiskId;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Disks {
    /// This node's; set once, before anything is sent.
    own: OnceLock<DiskId>,
    /// By the directory as applied here. Guards the map only, never across an await.
    known: RwLock<BTreeMap<NodeId, DiskId>>,
    /// The peer that said that this node's number stands for another disk.
    refused_by: watch::Sender<Option<NodeId>>,
}

impl Default for Disks {
    fn default() -> Self {
        Self {
            own: OnceLock::new(),
            known: RwLock::default(),
            refused_by: watch::Sender::new(None),
        }
    }
}

impl Disks {
    /// This node runs on `disk`.
    pub(crate) fn set_own(&self, disk: DiskId) {
        // A second one would be a second host; the first stays.
        let _ = self.own.set(disk);
    }

    /// What the directory says now.
    pub(crate) fn learn(&self, known: BTreeMap<NodeId, DiskId>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// This node's disk for the wire; empty = not known.
    pub(super) fn own_bytes(&self) -> Bytes {
        self.own.get().map_or_else(Bytes::new, |disk| {
            Bytes::copy_from_slice(&disk.get().to_le_bytes())
        })
    }

    /// Whether `node` is known by another disk than the one it names.
    pub(super) fn is_wrong(&self, node: NodeId, named: &[u8]) -> bool {
        let Ok(named) = <[u8; 16]>::try_from(named) else {
            return false;
        };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(&node);
        known.is_some_and(|known| known.get() != u128::from_le_bytes(named))
    }

    /// `peer` says that this node's number stands for another disk.
    pub(super) fn refused(&self, peer: NodeId) {
        self.refused_by.send_if_modified(|by| {
            let first = by.is_none();
            if first {
                tracing::error!(%peer, "this node's number stands for another disk, the others do not listen to it");
                *by = Some(peer);
            }
            first
        });
    }

    /// Follows whether this node is refused.
    pub(crate) fn refusals(&self) -> watch::Receiver<Option<NodeId>> {
        self.refused_by.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_known_by_another_disk_is_refused() {
        let disk = |number| DiskId::new(number).expect("not zero");
        let named = |number: u128| number.to_le_bytes();
        let disks = Disks::default();
        let (one, two) = (NodeId::new(1), NodeId::new(2));
        assert!(!disks.is_wrong(one, &named(7)), "nobody is known yet");
        disks.learn([(one, disk(7))].into());
        assert!(!disks.is_wrong(one, &named(7)));
        assert!(disks.is_wrong(one, &named(8)));
        assert!(!disks.is_wrong(two, &named(8)));
        assert!(!disks.is_wrong(one, &[]), "an older release names none");
    }
}
