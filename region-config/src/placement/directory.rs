//! Where the directory goes (group 0).
//!
//! A voter in every voting region when their number is odd, so that any region's loss leaves a majority and every region's
//! reads are near a voter. When it is even (or beyond [`DIRECTORY_VOTERS_MAX`]) one region less votes, chosen for speed: every
//! region in turn is taken as home, together with the regions that answer it first, and the home with the least commit floor
//! wins; ties go to the set with the shortest longest way, then to the first id. With fewer than three voting regions it is placed like a
//! show, for the strongest goal there is. Every other node is a learner: it knows catalogue and placement from its own
//! memory, also when cut off.
//!
//! Owns: that rule. Must never: depend on anything but the topology and the nodes that are out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    Placement, PlacementRequest, Replicas, SurvivalGoal, commit_floor, place, preference, replace,
    turn,
};
use crate::ids::{GroupId, NodeId, RegionId};
use crate::topology::Topology;

/// Voters of the directory at most. Nine survive the loss of four regions; more would only vote longer.
pub const DIRECTORY_VOTERS_MAX: usize = 9;

const _: () = assert!(
    DIRECTORY_VOTERS_MAX % 2 == 1,
    "an even number of voters tolerates no more than one less"
);

/// Places the directory on the whole topology.
#[must_use]
pub fn place_directory(topology: &Topology) -> Placement {
    place_directory_without(topology, &BTreeSet::new())
}

/// Places the directory without these nodes. A voter moves to another node of its region. A region of which every node is out votes
/// no more, as long as three others do; with fewer its voter stays, for nobody else could vote in its place. Nodes that are
/// out get no learner.
#[must_use]
pub fn place_directory_without(topology: &Topology, unavailable: &BTreeSet<NodeId>) -> Placement {
    let voting = topology.regions.iter().filter(|region| region.voting);
    let voting: Vec<&RegionId> = voting.map(|region| &region.id).collect();
    let is_out = |region: &RegionId| {
        let mut nodes = topology.nodes_in(region);
        nodes.all(|node| unavailable.contains(&node.id))
    };
    let kept: Vec<&RegionId> = voting.iter().copied().filter(|id| !is_out(id)).collect();
    let voting = if kept.len() < 3 { voting } else { kept };
    let (home, voters, goal) = if voting.len() < 3 {
        like_a_show(topology, &voting, unavailable)
    } else {
        let (home, regions) = fastest(topology, &voting);
        let voters = regions
            .into_iter()
            .filter_map(|region| voter_in(topology, region, unavailable))
            .collect();
        (home, voters, SurvivalGoal::Region)
    };
    let learners = topology.nodes.iter().map(|node| node.id);
    let mut learners: Vec<NodeId> = learners
        .filter(|id| !voters.contains(id) && !unavailable.contains(id))
        .collect();
    learners.sort_unstable();
    let leader_preference = preference(topology, home, GroupId::DIRECTORY, &voters);
    Placement {
        commit_floor: leader_preference.first().map_or(Duration::ZERO, |leader| {
            commit_floor(topology, *leader, &voters)
        }),
        voters: leader_preference.clone(),
        leader_preference,
        learners,
        goal,
    }
}

/// One or two voting regions. When the goal cannot be kept without the nodes that are out, they keep their votes.
fn like_a_show<'a>(
    topology: &Topology,
    voting: &[&'a RegionId],
    unavailable: &BTreeSet<NodeId>,
) -> (&'a RegionId, Vec<NodeId>, SurvivalGoal) {
    let placements = voting.iter().filter_map(|home| {
        let placement = place(topology, home, GroupId::DIRECTORY).ok()?;
        Some((*home, placement))
    });
    let (home, whole) = placements
        .min_by_key(|(home, placement)| (placement.goal, placement.commit_floor, *home))
        .expect("a valid topology has a voting region with a node");
    let request = PlacementRequest {
        goal: whole.goal,
        unavailable: unavailable.clone(),
        ..PlacementRequest::new(home.clone(), GroupId::DIRECTORY)
    };
    let current = Replicas {
        voters: &whole.voters,
        learners: &whole.learners,
    };
    let best = replace(topology, &request, current).unwrap_or(whole);
    (home, best.voters, best.goal)
}

/// The home and the regions that vote with it, home first.
fn fastest<'a>(topology: &Topology, voting: &[&'a RegionId]) -> (&'a RegionId, Vec<&'a RegionId>) {
    let count = voting.len().min(DIRECTORY_VOTERS_MAX);
    let odd = count - usize::from(count.is_multiple_of(2));
    let sets = voting.iter().map(|&home| {
        let mut regions = voting.to_vec();
        regions.sort_by_key(|&id| (id != home, topology.rtt.between(home, id), id));
        regions.truncate(odd);
        (home, regions)
    });
    sets.min_by_key(|(home, regions)| {
        let others = regions.iter().copied().filter(|id| id != home);
        (
            topology.rtt.commit_floor(home, others),
            topology.rtt.longest(regions.iter().copied()),
            *home,
        )
    })
    .expect("there are at least three voting regions")
}

/// The node of `region` whose turn it is, another one if that is out, and the same one if all are.
fn voter_in(
    topology: &Topology,
    region: &RegionId,
    unavailable: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let nodes = topology.nodes_in(region).map(|node| node.id);
    nodes.max_by_key(|id| {
        (
            !unavailable.contains(id),
            turn::of_node(GroupId::DIRECTORY, *id),
        )
    })
}
