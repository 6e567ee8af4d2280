//! How fast given voters commit, whole and after a loss.
//!
//! Owns: the arithmetic on nodes. Must never: choose.

use std::time::Duration;

use super::Placement;
use crate::ids::{NodeId, RegionId};
use crate::topology::Topology;

/// What the loss of one region means for a placement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLoss {
    /// The region that is gone.
    pub lost: RegionId,
    /// Who leads then and how fast it commits; `None` when no majority is left and the show stands still.
    pub leads: Option<(NodeId, Duration)>,
}

/// The commit floor of a group with these voters when `leader` leads it.
#[must_use]
pub fn commit_floor(topology: &Topology, leader: NodeId, voters: &[NodeId]) -> Duration {
    let others = voters.iter().filter(|id| **id != leader);
    let others = others.filter_map(|id| topology.region_of(*id));
    topology
        .region_of(leader)
        .map_or(Duration::MAX, |at| topology.rtt.commit_floor(at, others))
}

/// [`commit_floor`] with each round trip as the mean of what its two ends measured. Which of two voters leads next must not hang on a
/// millisecond that only one end saw: as near as that, the one beside the leader is better, because it has the newest entries.
pub(super) fn balanced_floor(topology: &Topology, leader: NodeId, voters: &[NodeId]) -> Duration {
    let Some(at) = topology.region_of(leader) else {
        return Duration::MAX;
    };
    let others = voters.iter().filter(|id| **id != leader);
    let others = others.filter_map(|id| topology.region_of(*id));
    let rtt = &topology.rtt;
    let mut trips: Vec<Duration> = others
        .map(|to| (rtt.between(at, to).saturating_add(rtt.between(to, at))) / 2)
        .collect();
    trips.sort_unstable();
    let slowest = (voters.len() / 2).checked_sub(1);
    slowest.map_or(Duration::ZERO, |slowest| {
        trips.get(slowest).copied().unwrap_or(Duration::MAX)
    })
}

/// The first voter in `preference` that is not lost, with its commit floor; `None` when no majority is left. Lost voters
/// still count: a majority is one of all of them.
pub fn floor_without(
    topology: &Topology,
    preference: &[NodeId],
    lost: impl Fn(NodeId) -> bool,
) -> Option<(NodeId, Duration)> {
    let left: Vec<NodeId> = preference.iter().copied().filter(|id| !lost(*id)).collect();
    let leader = *left.first()?;
    let at = topology.region_of(leader)?;
    let others = left.iter().skip(1).filter_map(|id| topology.region_of(*id));
    let mut trips: Vec<Duration> = others.map(|to| topology.rtt.between(at, to)).collect();
    trips.sort_unstable();
    match (preference.len() / 2).checked_sub(1) {
        None => Some((leader, Duration::ZERO)),
        Some(slowest) => trips.get(slowest).map(|floor| (leader, *floor)),
    }
}

/// What each voting region's loss would mean, in leader preference order of the regions.
#[must_use]
pub fn region_losses(topology: &Topology, placement: &Placement) -> Vec<RegionLoss> {
    let mut regions: Vec<&RegionId> = Vec::new();
    for region in placement
        .leader_preference
        .iter()
        .filter_map(|id| topology.region_of(*id))
    {
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    regions
        .into_iter()
        .map(|region| RegionLoss {
            lost: region.clone(),
            leads: floor_without(topology, &placement.leader_preference, |id| {
                topology.region_of(id) == Some(region)
            }),
        })
        .collect()
}
