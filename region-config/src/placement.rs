//! Which nodes carry a group: a pure function of topology and request.
//!
//! Owns: voters, learners, leader preference and the commit floor. Must never: find out by itself what is up or down
//! (that is part of the request), or answer differently on two nodes that read the same topology.
//!
//! A show lives in a *neighbourhood*: its home region and the regions that answer it first. Of all neighbourhoods that meet
//! the goal, the first by these criteria wins (see [`Criterion`]): the leader's commit floor; its floor after the worst loss
//! beside it; a successor in the leader's own region; the floor after a node's loss; the floor after the loss of the leader's
//! region; the group's turn.
//! Which nodes carry it inside a region is the group's turn too. [`explain`] shows all of it.
//!
//! Read in this order: `request`, `neighbourhood`, `choice`, `explain`; `terrain` and `turn` serve them.

mod choice;
mod directory;
mod explain;
mod floors;
mod neighbourhood;
mod request;
mod terrain;
mod turn;

use std::cmp::Reverse;
use std::time::Duration;

pub use directory::{DIRECTORY_VOTERS_MAX, place_directory, place_directory_without};
pub use explain::{
    Candidate, Criterion, Explanation, Refusal, Verdict, VotingShare, explain, explain_replacement,
};
pub use floors::{RegionLoss, commit_floor, floor_without, region_losses};
pub use neighbourhood::VOTERS_MAX;
pub use request::{GoalError, PlacementRequest, SurvivalGoal};

use crate::ids::{GroupId, NodeId, RegionId};
use crate::labels::Jurisdiction;
use crate::topology::Topology;
use floors::balanced_floor;
use neighbourhood::Neighbourhood;
use terrain::Terrain;

/// Where a group's replicas go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The replicas that vote, in leader preference order.
    pub voters: Vec<NodeId>,
    /// The replicas that only follow and serve reads, in id order.
    pub learners: Vec<NodeId>,
    /// All voters, best leader first: the leader, its secondary (beside it where there is one), then by the commit floor
    /// that they would have.
    pub leader_preference: Vec<NodeId>,
    /// The least time in which the preferred leader can commit.
    pub commit_floor: Duration,
    /// What may be lost while the group stays writable.
    pub goal: SurvivalGoal,
}

impl Placement {
    /// The preferred leader.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader_preference.first().copied()
    }

    /// Who leads when the leader is gone; in the leader's own region where two voters stand there.
    #[must_use]
    pub fn secondary(&self) -> Option<NodeId> {
        self.leader_preference.get(1).copied()
    }
}

/// Where a group's replicas are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas<'a> {
    /// Those that vote.
    pub voters: &'a [NodeId],
    /// Those that only follow.
    pub learners: &'a [NodeId],
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
    /// The home is outside the jurisdictions that the group must stay in.
    #[error(
        "region {region} is outside {}, where every replica must be",
        names(demanded)
    )]
    HomeOutsideJurisdiction {
        /// The region asked for.
        region: RegionId,
        /// Where replicas may be.
        demanded: Vec<Jurisdiction>,
    },
    /// There is too little to survive the loss that the goal names. Fewer voters would be a promise not kept.
    #[error(
        "goal {goal} needs {needed} {}{}, there {} {available}",
        unit(*goal), within(demanded), if *available == 1 { "is" } else { "are" }
    )]
    GoalOutOfReach {
        /// What was asked for.
        goal: SurvivalGoal,
        /// Voting regions (goal region), zones (goal zone) or nodes that it takes.
        needed: usize,
        /// How many of those can be used.
        available: usize,
        /// Where replicas may be; empty means anywhere.
        demanded: Vec<Jurisdiction>,
    },
}

const fn unit(goal: SurvivalGoal) -> &'static str {
    match goal {
        SurvivalGoal::Region => "voting regions with usable nodes",
        SurvivalGoal::Zone => "zones with usable nodes in voting regions",
        SurvivalGoal::Nothing => "usable nodes in voting regions",
    }
}

fn names(jurisdictions: &[Jurisdiction]) -> String {
    let names: Vec<&str> = jurisdictions.iter().map(Jurisdiction::as_str).collect();
    names.join(" and ")
}

fn within(demanded: &[Jurisdiction]) -> String {
    if demanded.is_empty() {
        String::new()
    } else {
        format!(" inside {}", names(demanded))
    }
}

/// Places a show's group anywhere, with every node, for the strongest goal that this topology can promise at all.
///
/// # Errors
/// [`PlacementError::UnknownHome`] and [`PlacementError::HomeNotVoting`].
pub fn place(
    topology: &Topology,
    home: &RegionId,
    group: GroupId,
) -> Result<Placement, PlacementError> {
    let request = PlacementRequest::new(home.clone(), group);
    let goal = strongest_goal(topology, &request)?;
    place_for(topology, &PlacementRequest { goal, ..request })
}

/// The strongest goal that can be promised under the request's jurisdictions, whatever goal the request names. Nodes that
/// are unavailable count: they come back or are replaced, and no promise should be weakened by a bad day.
///
/// # Errors
/// Every kind of [`PlacementError`] that is about the home; [`PlacementError::GoalOutOfReach`] when there is no node at all.
pub fn strongest_goal(
    topology: &Topology,
    request: &PlacementRequest,
) -> Result<SurvivalGoal, PlacementError> {
    let mut request = PlacementRequest {
        unavailable: std::collections::BTreeSet::new(),
        ..request.clone()
    };
    for goal in SurvivalGoal::ALL {
        request.goal = goal;
        match place_for(topology, &request) {
            Ok(_) => return Ok(goal),
            Err(PlacementError::GoalOutOfReach { .. }) if goal != SurvivalGoal::Nothing => {}
            Err(error) => return Err(error),
        }
    }
    Ok(SurvivalGoal::Nothing)
}

/// Places a group as the request says. While every node of the home region is unavailable, the nearest region leads.
///
/// # Errors
/// Every kind of [`PlacementError`].
pub fn place_for(
    topology: &Topology,
    request: &PlacementRequest,
) -> Result<Placement, PlacementError> {
    choose(topology, request, None)
}

/// Moves a group off the nodes that the request calls unavailable, and keeps every other voter that the goal and the
/// jurisdictions let stay: most voters kept first, then fewest added, then as [`place_for`]. A placement without fault
/// keeps its voters.
///
/// # Errors
/// Every kind of [`PlacementError`]; the group should then stay as it is, since fewer voters would promise less.
pub fn replace(
    topology: &Topology,
    request: &PlacementRequest,
    current: Replicas<'_>,
) -> Result<Placement, PlacementError> {
    choose(topology, request, Some(current))
}

fn choose(
    topology: &Topology,
    request: &PlacementRequest,
    current: Option<Replicas<'_>>,
) -> Result<Placement, PlacementError> {
    let terrain = Terrain::survey(topology, request)?;
    let best = choice::contenders(&terrain, current)
        .into_iter()
        .min_by(|a, b| a.rank.cmp(&b.rank))
        .ok_or_else(|| out_of_reach(&terrain))?;
    Ok(settle(&terrain, current, &best.neighbourhood))
}

fn out_of_reach(terrain: &Terrain<'_>) -> PlacementError {
    let goal = terrain.request.goal;
    let usable = terrain.sites.iter().filter(|site| site.takes_voters());
    let (needed, available) = match goal {
        SurvivalGoal::Region => (3, usable.count()),
        SurvivalGoal::Zone => (3, usable.map(|site| site.zones).sum()),
        SurvivalGoal::Nothing => (
            terrain.voters_without_goal(),
            usable.map(|site| site.nodes.len()).sum(),
        ),
    };
    PlacementError::GoalOutOfReach {
        goal,
        needed,
        available,
        demanded: terrain.request.jurisdictions.iter().cloned().collect(),
    }
}

/// Puts nodes into the neighbourhood and sorts them by preference.
fn settle(terrain: &Terrain<'_>, current: Option<Replicas<'_>>, one: &Neighbourhood) -> Placement {
    let topology = terrain.topology;
    let lead = &terrain.sites[one.lead()].region.id;
    let group = terrain.request.group;
    let voters = choice::voters_in(terrain, current, one);
    let voters: Vec<NodeId> = voters.into_iter().map(|node| node.id).collect();
    let leader_preference = preference(topology, lead, group, &voters);
    Placement {
        commit_floor: leader_preference.first().map_or(Duration::ZERO, |leader| {
            commit_floor(topology, *leader, &voters)
        }),
        voters: leader_preference.clone(),
        leader_preference,
        learners: choice::learners(terrain, current, one),
        goal: terrain.request.goal,
    }
}

/// The voters, best leader first: those in `lead`, then by the balanced floor that they would have, by their distance from `lead`,
/// region by region, and by turn.
fn preference(
    topology: &Topology,
    lead: &RegionId,
    group: GroupId,
    voters: &[NodeId],
) -> Vec<NodeId> {
    let mut order = voters.to_vec();
    order.sort_by_cached_key(|&id| {
        let region = topology.region_of(id);
        (
            region != Some(lead),
            balanced_floor(topology, id, voters),
            region.map(|at| topology.rtt.between(lead, at)),
            region,
            Reverse(turn::of_node(group, id)),
            id,
        )
    });
    order
}
