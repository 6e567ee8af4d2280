//! Why a group went where it went.
//!
//! Owns: the words for criteria and refusals. Must never: decide anything; it shows what `choice` decided, by the same ranks.

use std::fmt;
use std::time::Duration;

use super::choice::{self, Contender};
use super::floors::{RegionLoss, region_losses};
use super::neighbourhood::{self, Floors, Neighbourhood};
use super::terrain::Terrain;
use super::{Placement, PlacementError, PlacementRequest, Replicas, choose};
use crate::ids::RegionId;
use crate::labels::Jurisdiction;
use crate::topology::Topology;

/// What neighbourhoods are compared by, the weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Only for a group that has replicas already: how many of its voters stay.
    VotersKept,
    /// Only for a group that has replicas already: how many voters have to come.
    VotersAdded,
    /// Only while nothing at home can be used: how far from home the leader stands.
    NearHome,
    /// The least time in which the leader can commit.
    Floor,
    /// The same after the worst loss beside the leader.
    FloorAfterLoss,
    /// Whether a successor stands in the leader's own region.
    Successor,
    /// The floor after the worst loss of one node.
    FloorAfterNodeLoss,
    /// The floor after the loss of the leader's region.
    FloorAfterLeaderLoss,
    /// Equal in everything: the group's number decides, so that load spreads.
    Turn,
}

impl Criterion {
    /// A short name, for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VotersKept => "voters_kept",
            Self::VotersAdded => "voters_added",
            Self::NearHome => "near_home",
            Self::Floor => "floor",
            Self::FloorAfterLoss => "floor_after_loss",
            Self::Successor => "successor",
            Self::FloorAfterNodeLoss => "floor_after_node_loss",
            Self::FloorAfterLeaderLoss => "floor_after_leader_loss",
            Self::Turn => "turn",
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::VotersKept => "keeps fewer of the present voters",
            Self::VotersAdded => "needs more new voters",
            Self::NearHome => "is led from farther away",
            Self::Floor => "commits more slowly",
            Self::FloorAfterLoss => "commits more slowly after a loss",
            Self::Successor => "has no successor beside the leader",
            Self::FloorAfterNodeLoss => "commits more slowly after a node's loss",
            Self::FloorAfterLeaderLoss => "commits more slowly after the leader's loss",
            Self::Turn => "is as good; it is another group's turn",
        })
    }
}

/// Why a region may not vote as a neighbourhood wants it to, or may not even follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Replicas of the group must not be there.
    OutsideJurisdiction {
        /// The region.
        region: RegionId,
        /// The jurisdiction that it names, if any.
        stands_in: Option<Jurisdiction>,
    },
    /// The topology keeps voters out of it.
    NotVoting {
        /// The region.
        region: RegionId,
    },
    /// It has too few nodes that can be used.
    TooFewNodes {
        /// The region.
        region: RegionId,
        /// Nodes that it takes.
        needed: usize,
        /// Nodes that can be used.
        usable: usize,
        /// Nodes that the request takes away.
        unavailable: usize,
    },
    /// Its nodes stand in too few zones.
    TooFewZones {
        /// The region.
        region: RegionId,
        /// Zones that it takes.
        needed: usize,
        /// Zones that there are.
        zones: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideJurisdiction {
                region,
                stands_in: Some(law),
            } => write!(f, "{region} is in {law}"),
            Self::OutsideJurisdiction {
                region,
                stands_in: None,
            } => write!(f, "{region} names no jurisdiction"),
            Self::NotVoting { region } => write!(f, "{region} does not vote"),
            Self::TooFewNodes {
                region,
                needed,
                usable,
                unavailable,
            } => {
                let nodes = if *usable == 1 { "node" } else { "nodes" };
                write!(f, "{region} has {usable} usable {nodes}, {needed} needed")?;
                if *unavailable > 0 {
                    write!(f, " ({unavailable} unavailable)")?;
                }
                Ok(())
            }
            Self::TooFewZones {
                region,
                needed,
                zones,
            } => {
                let word = if *zones == 1 { "zone" } else { "zones" };
                write!(f, "{region} has {zones} {word}, {needed} needed")
            }
        }
    }
}

/// A region and how many voters it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VotingShare {
    /// The region.
    pub region: RegionId,
    /// 1 to [`super::VOTERS_MAX`].
    pub voters: usize,
}

/// What became of a neighbourhood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the placement.
    Chosen,
    /// It meets the goal, but another one is better.
    Beaten {
        /// The first criterion by which it is worse than the chosen one.
        by: Criterion,
    },
    /// It must not be used.
    Refused {
        /// Everything that is in the way; at least one.
        reasons: Vec<Refusal>,
    },
}

/// One neighbourhood that was considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The voting regions, the leader's first.
    pub shares: Vec<VotingShare>,
    /// The least time in which the leader could commit.
    pub commit_floor: Duration,
    /// The same after the worst loss beside the leader (of a region for goal region, else of a voter); `None`: not at all.
    pub floor_after_loss: Option<Duration>,
    /// The floor after the worst loss of one voter (the leader only where another one stands beside it); `None`: not at all.
    pub floor_after_node_loss: Option<Duration>,
    /// The floor of the successor after the loss of the leader's region (goal region) or of the leader; `None`: not at all.
    pub floor_after_leader_loss: Option<Duration>,
    /// What became of it.
    pub verdict: Verdict,
}

impl Candidate {
    /// `2-2-1`.
    #[must_use]
    pub fn shape(&self) -> String {
        let counts: Vec<String> = self.shares.iter().map(|s| s.voters.to_string()).collect();
        counts.join("-")
    }
}

/// Everything about one placement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked.
    pub request: PlacementRequest,
    /// Every neighbourhood led from home (or from elsewhere, while nothing at home can be used): the chosen one, the beaten
    /// ones from better to worse, the refused ones by floor. Empty when the home itself is at fault.
    pub candidates: Vec<Candidate>,
    /// The answer.
    pub outcome: Result<Placement, PlacementError>,
    /// What the loss of each voting region would mean.
    pub losses: Vec<RegionLoss>,
    /// Regions that get no replica at all, and why.
    pub bare_regions: Vec<Refusal>,
}

/// Explains what [`super::place_for`] answers.
#[must_use]
pub fn explain(topology: &Topology, request: &PlacementRequest) -> Explanation {
    explain_with(topology, request, None)
}

/// Explains what [`super::replace`] answers for a group that is here now.
#[must_use]
pub fn explain_replacement(
    topology: &Topology,
    request: &PlacementRequest,
    current: Replicas<'_>,
) -> Explanation {
    explain_with(topology, request, Some(current))
}

fn explain_with(
    topology: &Topology,
    request: &PlacementRequest,
    current: Option<Replicas<'_>>,
) -> Explanation {
    let outcome = choose(topology, request, current);
    let losses = outcome
        .as_ref()
        .map(|placement| region_losses(topology, placement))
        .unwrap_or_default();
    let (candidates, bare_regions) = match Terrain::survey(topology, request) {
        Ok(terrain) => (considered(&terrain, current), bare(&terrain)),
        Err(_) => (Vec::new(), Vec::new()),
    };
    Explanation {
        request: request.clone(),
        candidates,
        outcome,
        losses,
        bare_regions,
    }
}

fn considered(terrain: &Terrain<'_>, current: Option<Replicas<'_>>) -> Vec<Candidate> {
    let mut fitting = choice::contenders(terrain, current);
    fitting.sort_by(|a, b| a.rank.cmp(&b.rank));
    let verdict_on = |contender: &Contender| match fitting.first() {
        Some(winner) if winner.rank < contender.rank => Verdict::Beaten {
            by: contender.rank.lost_by(&winner.rank),
        },
        _ => Verdict::Chosen,
    };
    let mut candidates: Vec<Candidate> = fitting
        .iter()
        .map(|one| candidate(terrain, &one.neighbourhood, one.floors, verdict_on(one)))
        .collect();
    // Those that would have been led from the same place; without a winner, from home.
    let lead = fitting
        .first()
        .map_or(terrain.home, |winner| winner.neighbourhood.lead());
    let mut refused: Vec<Candidate> = refused(terrain, lead);
    refused.sort_by_key(|one| (one.commit_floor, one.floor_after_loss));
    candidates.append(&mut refused);
    candidates
}

fn refused(terrain: &Terrain<'_>, lead: usize) -> Vec<Candidate> {
    let everywhere: Vec<usize> = (0..terrain.sites.len()).collect();
    neighbourhood::all(terrain, &[lead], &everywhere)
        .into_iter()
        .filter_map(|one| {
            let reasons = one.refusals(terrain);
            let floors = one.floors(terrain);
            (!reasons.is_empty())
                .then(|| candidate(terrain, &one, floors, Verdict::Refused { reasons }))
        })
        .collect()
}

fn candidate(
    terrain: &Terrain<'_>,
    one: &Neighbourhood,
    floors: Floors,
    verdict: Verdict,
) -> Candidate {
    let possible = |floor: Duration| (floor < Duration::MAX).then_some(floor);
    let share = |share: &neighbourhood::Share| VotingShare {
        region: terrain.sites[share.site].region.id.clone(),
        voters: share.voters,
    };
    Candidate {
        shares: one.0.iter().map(share).collect(),
        commit_floor: floors.whole,
        floor_after_loss: possible(floors.after_loss),
        floor_after_node_loss: possible(floors.after_node_loss),
        floor_after_leader_loss: possible(floors.after_leader_loss),
        verdict,
    }
}

fn bare(terrain: &Terrain<'_>) -> Vec<Refusal> {
    let reason = |site: &super::terrain::Site<'_>| {
        let region = site.region.id.clone();
        if !site.allowed {
            let stands_in = site.region.jurisdiction.clone();
            Some(Refusal::OutsideJurisdiction { region, stands_in })
        } else if site.nodes.is_empty() {
            let unavailable = site.unavailable;
            Some(Refusal::TooFewNodes {
                region,
                needed: 1,
                usable: 0,
                unavailable,
            })
        } else {
            None
        }
    };
    terrain.sites.iter().filter_map(reason).collect()
}
