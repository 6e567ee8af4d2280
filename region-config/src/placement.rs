//! Which nodes carry a group: a pure function of topology, home region and group.
//!
//! Owns: voters, learners, leader preference and the commit floor. Must never: know what is up or down right now,
//! or answer differently on two nodes that read the same topology.
//!
//! The goal is *region*: any one region may go and every show stays writable. So each voting region carries one
//! voter, and their number is odd. More than [`VOTERS_MAX`] voters buy nothing but slower commits.

use std::cmp::Reverse;
use std::time::Duration;

use crate::ids::{GroupId, NodeId, RegionId};
use crate::topology::{Region, Topology};

/// Most voters of a group: survives two regions at once; each further pair of voters costs commit time.
pub const VOTERS_MAX: usize = 5;

const _: () = assert!(
    VOTERS_MAX % 2 == 1,
    "an even number of voters tolerates no more than one less"
);

/// Where a group's replicas go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The replicas that vote, in leader preference order.
    pub voters: Vec<NodeId>,
    /// The replicas that only follow and serve reads, in id order.
    pub learners: Vec<NodeId>,
    /// All voters, best leader first: those at home, then by the commit floor they would have.
    pub leader_preference: Vec<NodeId>,
    /// The least time in which the preferred leader can commit.
    pub commit_floor: Duration,
}

/// Why a group cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The topology has no such region.
    #[error("there is no region {region}")]
    UnknownHome {
        /// The region asked for.
        region: RegionId,
    },
    /// The region may not carry voters, so no leader can live there.
    #[error("region {region} is not a voting region, so no leader can live there")]
    HomeNotVoting {
        /// The region asked for.
        region: RegionId,
    },
}

/// Places a show's group. Every region gets one replica: voters in the home region and those nearest to it, learners
/// in the rest. Among several nodes of a region the group number chooses, so that consecutive groups spread evenly.
///
/// # Errors
/// Both kinds of [`PlacementError`].
pub fn place(
    topology: &Topology,
    home: &RegionId,
    group: GroupId,
) -> Result<Placement, PlacementError> {
    let region = topology
        .region(home)
        .ok_or_else(|| PlacementError::UnknownHome {
            region: home.clone(),
        })?;
    if !region.voting {
        return Err(PlacementError::HomeNotVoting {
            region: home.clone(),
        });
    }
    let voting = nearest_voting_regions(topology, home);
    let voters = voting_nodes(topology, &voting, home, group);
    let learners = topology
        .regions
        .iter()
        .filter(|region| !voting.contains(&&region.id))
        .filter_map(|region| replica_in(topology, &region.id, group, 0))
        .collect();
    Ok(arrange(topology, home, voters, learners))
}

/// Places the directory (group 0): voters as for a show, and a learner on every other node, so that each node knows
/// catalogue and placement from its own memory. Its home is the voting region that commits fastest.
#[must_use]
pub fn place_directory(topology: &Topology) -> Placement {
    let candidates = topology.regions.iter().filter(|region| region.voting);
    let placements = candidates.filter_map(|Region { id, .. }| {
        place(topology, id, GroupId::DIRECTORY)
            .ok()
            .map(|placement| (id, placement))
    });
    let (home, best) = placements
        .min_by_key(|(_, placement)| placement.commit_floor)
        .expect("a valid topology has a voting region with a node");
    let learners = topology.nodes.iter().map(|node| node.id);
    let learners = learners.filter(|id| !best.voters.contains(id)).collect();
    arrange(topology, home, best.voters, learners)
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

/// The home region and the regions nearest to it: an odd number, at most [`VOTERS_MAX`]. Nearest means that a
/// write and its answer get there and back first, which is what a commit waits for.
fn nearest_voting_regions<'a>(topology: &'a Topology, home: &RegionId) -> Vec<&'a RegionId> {
    let mut regions: Vec<&RegionId> = topology
        .regions
        .iter()
        .filter(|region| region.voting)
        .map(|region| &region.id)
        .collect();
    regions.sort_by_key(|&id| (id != home, topology.rtt.between(home, id), id));
    let count = regions.len().min(VOTERS_MAX);
    // Two regions are a case of their own: see `voting_nodes`.
    let odd = if count == 2 {
        2
    } else {
        count - usize::from(count.is_multiple_of(2))
    };
    regions.truncate(odd);
    regions
}

/// One node in each region. With two regions a second one at home makes the number odd, where there is one, so that
/// at least the smaller half may be lost. Where there is none both must agree: better slow than forgetful.
fn voting_nodes(
    topology: &Topology,
    regions: &[&RegionId],
    home: &RegionId,
    group: GroupId,
) -> Vec<NodeId> {
    let mut voters: Vec<NodeId> = regions
        .iter()
        .filter_map(|region| replica_in(topology, region, group, 0))
        .collect();
    if regions.len() == 2 {
        voters.extend(replica_in(topology, home, group, 1).filter(|id| !voters.contains(id)));
    }
    voters
}

/// The node of `region` whose turn it is for this group, `skip` further round.
fn replica_in(topology: &Topology, region: &RegionId, group: GroupId, skip: u64) -> Option<NodeId> {
    let mut nodes: Vec<NodeId> = topology.nodes_in(region).map(|node| node.id).collect();
    nodes.sort_unstable();
    let count = u64::try_from(nodes.len()).ok()?;
    let turn = (group.get() % count.max(1))
        .checked_add(skip)?
        .checked_rem(count)?;
    nodes.get(usize::try_from(turn).ok()?).copied()
}

/// Sorts voters by preference and works out the floor.
fn arrange(
    topology: &Topology,
    home: &RegionId,
    mut voters: Vec<NodeId>,
    mut learners: Vec<NodeId>,
) -> Placement {
    let all = voters.clone();
    voters.sort_by_cached_key(|&id| {
        let at_home = topology.region_of(id) == Some(home);
        let from_home = topology
            .region_of(id)
            .map(|at| topology.rtt.between(home, at));
        // Of two at home the one whose turn it is stays first: `all` has it first.
        let turn = all.iter().position(|other| *other == id);
        (
            Reverse(at_home),
            commit_floor(topology, id, &all),
            from_home,
            turn,
        )
    });
    learners.sort_unstable();
    let floor = voters.first().map_or(Duration::ZERO, |&leader| {
        commit_floor(topology, leader, &all)
    });
    Placement {
        leader_preference: voters.clone(),
        voters,
        learners,
        commit_floor: floor,
    }
}
