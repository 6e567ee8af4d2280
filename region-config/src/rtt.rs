//! Round-trip times between regions, and the least time a commit can take.
//!
//! Owns: the matrix and the arithmetic on it. Must never: guess a missing pair; validation refuses those.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::RegionId;

/// Round trip inside one region when a topology does not say, ms: neighbouring zones of one region.
pub const LOCAL_RTT_DEFAULT_MS: f64 = 1.0;

/// Directed round-trip times. Measured tables are not symmetric: the way there may differ from the way back.
#[derive(Debug, Clone, PartialEq)]
pub struct RttMatrix {
    source: String,
    local: Duration,
    pairs: BTreeMap<RegionId, BTreeMap<RegionId, Duration>>,
}

impl RttMatrix {
    /// A matrix from its rows; `local` is the round trip inside a region, `source` says where the figures come from.
    #[must_use]
    pub fn new(
        source: impl Into<String>,
        local: Duration,
        mut pairs: BTreeMap<RegionId, BTreeMap<RegionId, Duration>>,
    ) -> Self {
        // An empty row says nothing; without it equal matrices are equal.
        pairs.retain(|_, row| !row.is_empty());
        Self {
            source: source.into(),
            local,
            pairs,
        }
    }

    /// Where the figures come from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Round trip inside one region.
    #[must_use]
    pub const fn local(&self) -> Duration {
        self.local
    }

    /// Round trip seen by `from` when it asks `to`; `None` when the matrix does not know the pair.
    #[must_use]
    pub fn get(&self, from: &RegionId, to: &RegionId) -> Option<Duration> {
        if from == to {
            return Some(self.local);
        }
        self.pairs.get(from)?.get(to).copied()
    }

    /// Like [`Self::get`], for regions of one validated topology, where every pair is known. An unknown pair counts
    /// as endlessly far, so that nothing is placed there by mistake.
    #[must_use]
    pub fn between(&self, from: &RegionId, to: &RegionId) -> Duration {
        self.get(from, to).unwrap_or(Duration::MAX)
    }

    /// Every known pair of different regions with its round trip, in id order.
    pub fn pairs(&self) -> impl Iterator<Item = (&RegionId, &RegionId, Duration)> {
        self.pairs
            .iter()
            .flat_map(|(from, row)| row.iter().map(move |(to, rtt)| (from, to, *rtt)))
    }

    /// The least time in which a leader in `leader` can commit: with n voters, the ⌊n/2⌋-th smallest round trip to
    /// the other voters. `others` are the regions of those other voters, one entry each. Zero when there are none.
    #[must_use]
    pub fn commit_floor<'a>(
        &self,
        leader: &RegionId,
        others: impl IntoIterator<Item = &'a RegionId>,
    ) -> Duration {
        let mut trips: Vec<Duration> = others
            .into_iter()
            .map(|other| self.between(leader, other))
            .collect();
        trips.sort_unstable();
        // n voters with the leader; n / 2 acknowledgements besides its own make a majority.
        let acknowledgements = trips.len().div_ceil(2);
        acknowledgements
            .checked_sub(1)
            .map_or(Duration::ZERO, |slowest| trips[slowest])
    }

    /// The longest round trip, in either direction, between any two of `regions`. A region named twice counts as
    /// two nodes in it. Zero for fewer than two.
    #[must_use]
    pub fn longest<'a>(&self, regions: impl IntoIterator<Item = &'a RegionId>) -> Duration {
        let regions: Vec<&RegionId> = regions.into_iter().collect();
        let mut longest = Duration::ZERO;
        for (at, a) in regions.iter().enumerate() {
            for b in &regions[at + 1..] {
                longest = longest.max(self.between(a, b)).max(self.between(b, a));
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;

    fn region(id: &str) -> RegionId {
        RegionId::new(id).unwrap()
    }

    #[test]
    fn floors_of_the_real_trio_are_the_published_ones() {
        let topology = Topology::preset("three-regions").unwrap();
        let all = ["eastus", "westeurope", "southeastasia"];
        let floor = |leader: &str| {
            let others: Vec<RegionId> = all
                .iter()
                .filter(|id| **id != leader)
                .map(|id| region(id))
                .collect();
            topology
                .rtt
                .commit_floor(&region(leader), &others)
                .as_millis()
        };
        assert_eq!(
            [floor("eastus"), floor("westeurope"), floor("southeastasia")],
            [89, 91, 181]
        );
    }

    #[test]
    fn a_single_voter_commits_without_asking_anyone() {
        let topology = Topology::preset("local").unwrap();
        let alone = topology.regions[0].id.clone();
        assert_eq!(topology.rtt.commit_floor(&alone, []), Duration::ZERO);
    }

    #[test]
    fn two_voters_and_four_voters_need_the_majority_of_an_even_number() {
        let topology = Topology::preset("five-regions").unwrap();
        let rtt = &topology.rtt;
        let floor = |others: &[&str]| {
            let others: Vec<RegionId> = others.iter().map(|id| region(id)).collect();
            rtt.commit_floor(&region("eastus"), &others).as_millis()
        };
        assert_eq!(floor(&["southeastasia"]), 229);
        // Four voters: three must agree, so the second nearest of the others counts.
        assert_eq!(floor(&["southeastasia", "westeurope", "brazilsouth"]), 119);
        assert_eq!(
            floor(&[
                "southeastasia",
                "westeurope",
                "brazilsouth",
                "australiaeast"
            ]),
            119
        );
    }

    #[test]
    fn the_longest_way_counts_both_directions() {
        let topology = Topology::preset("three-regions").unwrap();
        let pair = [region("eastus"), region("westeurope")];
        assert_eq!(topology.rtt.longest(&pair).as_millis(), 91);
        assert_eq!(topology.rtt.longest(&pair[..1]), Duration::ZERO);
    }
}
