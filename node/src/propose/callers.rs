//! From which regions a show's commands come.
//!
//! Owns: the counts since they were last taken. Must never: cost more than one addition per turn of a stream, or remember a caller.

use std::sync::atomic::{AtomicU64, Ordering};

/// Regions that are told apart; a topology with more has its later ones counted for nobody.
const REGIONS_MAX: usize = 32;

/// Commands by the caller's region, as numbered by the topology.
#[derive(Debug, Default)]
pub(super) struct Callers {
    by_region: [AtomicU64; REGIONS_MAX],
}

impl Callers {
    pub(super) fn count(&self, region: usize, commands: usize) {
        if let Some(counter) = self.by_region.get(region) {
            counter.fetch_add(commands as u64, Ordering::Relaxed);
        }
    }

    /// What came since this was last asked; regions from which nothing came are left out.
    pub(super) fn take(&self) -> Vec<(usize, u64)> {
        let counters = self.by_region.iter().enumerate();
        counters
            .map(|(region, counter)| (region, counter.swap(0, Ordering::Relaxed)))
            .filter(|(_, commands)| *commands > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_taken_once() {
        let callers = Callers::default();
        callers.count(1, 4);
        callers.count(1, 2);
        callers.count(REGIONS_MAX, 9);
        assert_eq!(callers.take(), [(1, 6)]);
        assert_eq!(callers.take(), []);
    }
}
