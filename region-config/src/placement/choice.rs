//! Which neighbourhood wins, and which nodes in it.
//!
//! Owns: the order of the criteria, and the only place where they are compared. Must never: look at anything that two
//! nodes with the same topology could see differently.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use super::explain::Criterion;
use super::neighbourhood::{self, Floors, Neighbourhood, Share};
use super::request::SurvivalGoal;
use super::terrain::{Fate, Site, Terrain};
use super::{Replicas, turn};
use crate::ids::NodeId;
use crate::topology::Node;

/// How good a neighbourhood is; the least one wins. Fields in the order of their weight.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    kept: Reverse<usize>,
    added: usize,
    lead_distance: Duration,
    floor: Duration,
    after_loss: Duration,
    no_successor: bool,
    after_node_loss: Duration,
    after_leader_loss: Duration,
    turn: Reverse<u64>,
}

impl Rank {
    /// The first criterion by which `self` is worse than `winner`.
    pub(super) fn lost_by(&self, winner: &Self) -> Criterion {
        let steps = [
            (self.kept > winner.kept, Criterion::VotersKept),
            (self.added > winner.added, Criterion::VotersAdded),
            (
                self.lead_distance > winner.lead_distance,
                Criterion::NearHome,
            ),
            (self.floor > winner.floor, Criterion::Floor),
            (
                self.after_loss > winner.after_loss,
                Criterion::FloorAfterLoss,
            ),
            (
                self.no_successor && !winner.no_successor,
                Criterion::Successor,
            ),
            (
                self.after_node_loss > winner.after_node_loss,
                Criterion::FloorAfterNodeLoss,
            ),
            (
                self.after_leader_loss > winner.after_leader_loss,
                Criterion::FloorAfterLeaderLoss,
            ),
        ];
        let first = steps.into_iter().find(|(worse, _)| *worse);
        first.map_or(Criterion::Turn, |(_, criterion)| criterion)
    }
}

/// A neighbourhood that fits, with its figures.
pub(super) struct Contender {
    pub(super) neighbourhood: Neighbourhood,
    pub(super) floors: Floors,
    pub(super) rank: Rank,
}

/// Every neighbourhood that fits the request, unordered. With `current` the voters that it keeps weigh most.
pub(super) fn contenders(terrain: &Terrain<'_>, current: Option<Replicas<'_>>) -> Vec<Contender> {
    let sites: Vec<usize> = (0..terrain.sites.len())
        .filter(|at| terrain.sites[*at].takes_voters())
        .collect();
    neighbourhood::all(terrain, &terrain.leads(), &sites)
        .into_iter()
        .filter(|one| one.refusals(terrain).is_empty())
        .map(|one| judge(terrain, current, one))
        .collect()
}

fn judge(terrain: &Terrain<'_>, current: Option<Replicas<'_>>, one: Neighbourhood) -> Contender {
    let floors = one.floors(terrain);
    let (kept, added) = current.map_or((0, 0), |current| {
        let voters = voters_in(terrain, Some(current), &one);
        let kept = voters
            .iter()
            .filter(|node| current.voters.contains(&node.id));
        let kept = kept.count();
        (kept, voters.len() - kept)
    });
    let group = terrain.request.group;
    // Weighted, so that 2-2-1 and 2-1-2 of the same regions are not a draw.
    let turns = one.0.iter().map(|share| {
        let region = &terrain.sites[share.site].region.id;
        turn::of_region(group, region).wrapping_mul(share.voters as u64)
    });
    let rank = Rank {
        kept: Reverse(kept),
        added,
        lead_distance: if one.lead() == terrain.home {
            Duration::ZERO
        } else {
            terrain.trip(terrain.home, one.lead())
        },
        floor: floors.whole,
        after_loss: floors.after_loss,
        no_successor: !one.has_successor_at_lead(),
        after_node_loss: floors.after_node_loss,
        after_leader_loss: floors.after_leader_loss,
        turn: Reverse(turns.fold(0, u64::wrapping_add)),
    };
    Contender {
        neighbourhood: one,
        floors,
        rank,
    }
}

/// The nodes that vote in a neighbourhood, by site.
pub(super) fn voters_in<'a>(
    terrain: &Terrain<'a>,
    current: Option<Replicas<'_>>,
    one: &Neighbourhood,
) -> Vec<&'a Node> {
    let strict = terrain.request.goal == SurvivalGoal::Zone;
    one.0
        .iter()
        .flat_map(|share| pick(&terrain.sites[share.site], current, *share, strict))
        .collect()
}

/// `share.voters` nodes of a site: those that vote already, then those that have the data, then by turn. Different zones
/// come first, and are the only ones when `strict`.
fn pick<'a>(
    site: &Site<'a>,
    current: Option<Replicas<'_>>,
    share: Share,
    strict: bool,
) -> Vec<&'a Node> {
    let mut order = site.nodes.clone();
    let votes = |node: &Node| current.is_some_and(|c| c.voters.contains(&node.id));
    let learns = |node: &Node| current.is_some_and(|c| c.learners.contains(&node.id));
    // A stable sort: the turn decides among equals.
    order.sort_by_key(|node| (!votes(node), !learns(node)));
    let mut fates = BTreeSet::new();
    let mut chosen: Vec<&Node> = Vec::with_capacity(share.voters);
    let mut spare = Vec::new();
    for node in order {
        if chosen.len() == share.voters {
            break;
        }
        // A voter that stays is cheaper than one in a better zone that has to come, unless zones are the goal.
        if fates.insert(Fate::of(node)) || (!strict && votes(node)) {
            chosen.push(node);
        } else {
            spare.push(node);
        }
    }
    if !strict {
        let missing = share.voters - chosen.len();
        chosen.extend(spare.into_iter().take(missing));
    }
    chosen
}

/// One learner in every other allowed region that has a usable node: one that has the data already, else by turn.
pub(super) fn learners(
    terrain: &Terrain<'_>,
    current: Option<Replicas<'_>>,
    one: &Neighbourhood,
) -> Vec<NodeId> {
    let votes = |at: usize| one.0.iter().any(|share| share.site == at);
    let has_data = |node: &&&Node| {
        current.is_some_and(|c| c.voters.contains(&node.id) || c.learners.contains(&node.id))
    };
    let others = terrain.sites.iter().enumerate();
    let others = others.filter(|(at, site)| site.allowed && !votes(*at));
    let mut found: Vec<NodeId> = others
        .filter_map(|(_, site)| {
            site.nodes
                .iter()
                .find(has_data)
                .or_else(|| site.nodes.first())
        })
        .map(|node| node.id)
        .collect();
    found.sort_unstable();
    found
}
