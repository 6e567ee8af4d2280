//! The snapshots' pairs in memory, as sled would keep them: a crash loses changes from the newest on.
//!
//! Owns: what was made durable and what was not yet. Must never: lose an older change and keep a newer one.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Disk, Health, Tear};
use crate::snapshot_store::pairs::{Change, Pairs, PairsError, Shelf};

type Map = BTreeMap<(Shelf, Vec<u8>), Vec<u8>>;

/// The pairs of a disk.
#[derive(Default)]
pub(super) struct PairsState {
    now: Map,
    durable: Map,
    /// Not yet durable, oldest first.
    pending: Vec<(Shelf, Vec<Change>)>,
}

fn carry_out(map: &mut Map, shelf: Shelf, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(map.insert((shelf, key.clone()), value.clone())),
            None => drop(map.remove(&(shelf, key.clone()))),
        }
    }
}

impl PairsState {
    pub(super) fn crash(&mut self, tear: Tear, random: &mut StdRng) {
        let pending = std::mem::take(&mut self.pending);
        let kept = match tear {
            Tear::LoseAll => 0,
            Tear::KeepAll => pending.len(),
            Tear::Prefix | Tear::Sectors => random.random_range(0..=pending.len()),
        };
        for (shelf, changes) in pending.iter().take(kept) {
            carry_out(&mut self.durable, *shelf, changes);
        }
        self.now.clone_from(&self.durable);
    }
}

/// The pairs as one process sees them.
pub(crate) struct SimulatedPairs {
    disk: Arc<Disk>,
    generation: u64,
}

impl SimulatedPairs {
    pub(crate) fn new(disk: Arc<Disk>, generation: u64) -> Self {
        Self { disk, generation }
    }

    fn check_space(&self) -> Result<(), PairsError> {
        if self.disk.health() == Health::Full {
            return Err(PairsError {
                reason: "no space left on the simulated disk".to_owned(),
            });
        }
        Ok(())
    }
}

impl Pairs for SimulatedPairs {
    fn change(&self, shelf: Shelf, changes: Vec<Change>) -> Result<(), PairsError> {
        self.check_space()?;
        if self.disk.is_current(self.generation) {
            let mut state = self.disk.state();
            carry_out(&mut state.pairs.now, shelf, &changes);
            state.pairs.pending.push((shelf, changes));
        }
        Ok(())
    }

    fn get(&self, shelf: Shelf, key: &[u8]) -> Result<Option<Vec<u8>>, PairsError> {
        let state = self.disk.state();
        Ok(state.pairs.now.get(&(shelf, key.to_vec())).cloned())
    }

    fn keys(&self, shelf: Shelf, prefix: &[u8]) -> Result<Vec<Vec<u8>>, PairsError> {
        let state = self.disk.state();
        let from = (shelf, prefix.to_vec());
        let range = state.pairs.now.range(from..);
        let matching = range.take_while(|((at, key), _)| *at == shelf && key.starts_with(prefix));
        Ok(matching.map(|((_, key), _)| key.clone()).collect())
    }

    fn make_durable(&self) -> Result<(), PairsError> {
        self.check_space()?;
        if self.disk.is_current(self.generation) {
            let mut state = self.disk.state();
            let pending = std::mem::take(&mut state.pairs.pending);
            for (shelf, changes) in &pending {
                carry_out(&mut state.pairs.durable, *shelf, changes);
            }
        }
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}
