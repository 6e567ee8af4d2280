//! A store of pairs on a disk that has trouble when it is told to.
//!
//! Owns: which calls count as a write and which as a sync. Must never: change what a call does once the trouble lets it through.

use std::sync::Arc;

use super::pairs::{Change, Pairs, PairsError, Shelf};
use crate::disk::faults::DiskFaults;

pub(super) struct FaultyPairs<P> {
    pairs: P,
    faults: Arc<DiskFaults>,
}

impl<P: Pairs> FaultyPairs<P> {
    pub(super) fn new(pairs: P, faults: Arc<DiskFaults>) -> Self {
        Self { pairs, faults }
    }
}

impl<P: Pairs> Pairs for FaultyPairs<P> {
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError> {
        self.faults.on_write()?;
        self.pairs.change(shelf, changes)
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError> {
        self.pairs.get(shelf, key)
    }

    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError> {
        self.pairs.keys(shelf, prefix)
    }

    fn remove_all(&self, shelf: Shelf, prefix: &[u8]) -> Result<(), PairsError> {
        self.pairs.remove_all(shelf, prefix)
    }

    fn make_durable(&self) -> Result<(), PairsError> {
        self.faults.on_sync()?;
        self.pairs.make_durable()
    }

    fn disk_bytes(&self) -> u64 {
        self.pairs.disk_bytes()
    }

    fn reopen(&self) -> Result<(), PairsError> {
        self.pairs.reopen()
    }
}
