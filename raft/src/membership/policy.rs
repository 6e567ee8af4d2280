//! Moves replicas off nodes that are dead or leaving, on the directory's leader.
//!
//! Owns: which nodes get nothing, and new targets for the shows that have replicas there, a bounded number at a time. Must
//! never: place fewer voters than a show's goal needs: such a show stays as it is until there is a node to go to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::placement::place_directory_without;
use holdfast_region_config::{
    NodeId, Placement, PlacementError, PlacementRequest, RegionId, Replicas, SurvivalGoal,
    Topology, replace, strongest_goal,
};

use super::news::News;
use super::plan::Target;
use crate::Host;
use crate::directory::{DirectoryCommand, DirectoryOutcome, DirectoryState, NodeState, ShowRecord};

/// Shows under way to a new placement because of nodes that are out, at most: each costs a snapshot's transfer.
const MOVING_MAX: usize = 256;
/// New placements in one entry of the directory.
const BATCH_MAX: usize = 64;
/// Regions, or zones, that voters stand in when any one of them may be lost: the other two are a majority of three.
const LOSS_OF_ONE_MIN: usize = 3;
/// Changes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(200);
/// Silence grows without an event; it is measured this often while somebody is silent.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What one look needs to remember of the last: shows that have nowhere to go, by the generation that was tried.
#[derive(Default)]
struct Memory {
    out: BTreeSet<NodeId>,
    topology: Option<Arc<Topology>>,
    stuck: BTreeMap<ShowId, u64>,
}

impl Host {
    /// Finds new places while this node leads the directory, until stopped.
    pub(crate) async fn keep_placed_until_stopped(self) {
        let mut news = News::of(&self, GATHER);
        let mut memory = Memory::default();
        loop {
            news.all_seen();
            let leads = self.directory().leadership().borrow().leads;
            let more = leads && self.place_away(&mut memory).await;
            let stuck = if leads { memory.stuck.len() } else { 0 };
            let count = &self.inner.stuck_shows;
            count.store(stuck as u64, Ordering::Relaxed);
            let watching = more || (leads && self.somebody_is_silent());
            if !news.wait(watching.then_some(LOOK_INTERVAL)).await {
                return;
            }
        }
    }

    pub(super) fn somebody_is_silent(&self) -> bool {
        let board = &self.inner.fabric.board;
        let mut links = self.inner.fabric.links().into_iter();
        !self.inner.replace_after.is_zero() && links.any(|(node, _)| !board.is_heard(node))
    }

    /// Nodes that get no replica: leaving, removed, or silent for longer than `replace_after`.
    #[must_use]
    pub fn unavailable_nodes(&self) -> BTreeSet<NodeId> {
        let (out, _) = self.directory().read(nodes_on_the_way_out);
        out.into_iter().chain(self.long_silent()).collect()
    }

    fn long_silent(&self) -> Vec<NodeId> {
        let limit = self.inner.replace_after;
        if limit.is_zero() {
            return Vec::new();
        }
        let board = &self.inner.fabric.board;
        // One that this process has never heard is silent for as long as it runs.
        let since_start = self.inner.started.elapsed();
        let silence = |node| board.silence(node).0.unwrap_or(since_start);
        let links = self.inner.fabric.links().into_iter();
        links
            .map(|(node, _)| node)
            .filter(|node| !board.is_heard(*node) && silence(*node) >= limit)
            .collect()
    }

    /// Commits new placements for shows with replicas on nodes that are out; true when there are more to come.
    async fn place_away(&self, memory: &mut Memory) -> bool {
        let out = self.unavailable_nodes();
        let topology = self.inner.topology.now();
        if memory.out != out || memory.topology.as_ref() != Some(&topology) {
            memory.stuck.clear();
            memory.out.clone_from(&out);
            memory.topology = Some(Arc::clone(&topology));
        }
        if out.is_empty() {
            return false;
        }
        // One that an operator has placed anew meanwhile, or that settled elsewhere, is stuck no more.
        let (generations, _) = self.directory().read(|directory| {
            let stuck = memory.stuck.keys();
            let record = |show: &ShowId| directory.shows().get(show).map(|r| (*show, r.generation));
            stuck.filter_map(record).collect::<BTreeMap<_, _>>()
        });
        memory
            .stuck
            .retain(|show, tried| generations.get(show) == Some(tried));
        let (affected, moving) = self.affected(&out, memory);
        let room = MOVING_MAX.saturating_sub(moving).min(BATCH_MAX);
        let mut commands = Vec::new();
        for record in &affected {
            if commands.len() >= room {
                break;
            }
            match place_again(&topology, record, &out) {
                Ok(placement) if differs(record, &placement) => {
                    commands.push(set_replicas(record, placement));
                }
                Ok(_) => {
                    memory.stuck.insert(record.show_id, record.generation);
                }
                Err(reason) => {
                    tracing::warn!(show = %record.show_id, %reason, "show has nowhere to go from a node that is out");
                    memory.stuck.insert(record.show_id, record.generation);
                }
            }
        }
        if commands.is_empty() {
            return affected.len() > memory.stuck.len();
        }
        match self.directory().propose_all(&commands).await {
            Ok((_, outcomes)) => {
                for (command, outcome) in commands.iter().zip(outcomes) {
                    note(memory, command, outcome);
                }
            }
            Err(error) => tracing::debug!(%error, "new placements not committed"),
        }
        true
    }

    /// Shows with a replica on a node that is out, and how many others are under way.
    fn affected(&self, out: &BTreeSet<NodeId>, memory: &Memory) -> (Vec<Arc<ShowRecord>>, usize) {
        let (found, _) = self.directory().read(|directory| {
            let is_out = |node: &NodeId| out.contains(node);
            let has_out =
                |show: &&Arc<ShowRecord>| show.voters.iter().chain(&show.learners).any(is_out);
            let tried =
                |show: &&Arc<ShowRecord>| memory.stuck.get(&show.show_id) == Some(&show.generation);
            let affected = directory.shows().values();
            let affected = affected.filter(|show| has_out(show) && !tried(show));
            let unsettled = directory.unsettled().iter();
            let moving = unsettled
                .filter_map(|show| directory.shows().get(show))
                .filter(|show| !has_out(show));
            (affected.cloned().collect(), moving.count())
        });
        found
    }

    /// Who shall be a member of the directory's own group: its voters without the nodes that are out, and everybody else as a
    /// learner. A node that is leaving goes on learning: it has to hear when its replicas are released. One that was removed or given
    /// up does not; given up for its silence it learns again as soon as it is heard.
    pub(crate) fn directory_target(&self) -> (Target, Vec<NodeId>) {
        let topology = self.inner.topology.now();
        let placement = place_directory_without(&topology, &self.unavailable_nodes());
        let (mut gone, _) = self.directory().read(|directory| {
            let nodes = directory.nodes().iter();
            nodes
                .filter(|(_, record)| record.state == NodeState::Removed)
                .map(|(node, _)| *node)
                .collect::<BTreeSet<NodeId>>()
        });
        let voters: BTreeSet<NodeId> = placement.voters.into_iter().collect();
        let is_heard = |node: NodeId| self.inner.fabric.board.is_heard(node);
        // A leader that is cut off itself gives nobody up: it could not commit that either.
        let heard = voters.iter().filter(|voter| is_heard(**voter));
        if heard.count() * 2 > voters.len() {
            gone.extend(self.given_up());
        }
        let status = self.directory().status();
        let members = status.voters.into_iter().chain(status.learners).collect();
        let mut learners = directory_members(&topology, &members, &gone, is_heard);
        learners.retain(|node| !voters.contains(node));
        (Target { voters, learners }, placement.leader_preference)
    }

    /// Of those that have been silent for too long, the ones from which nothing has come all the while. A node that rests is silent by
    /// its own word, but it follows.
    fn given_up(&self) -> Vec<NodeId> {
        let limit = self.inner.replace_after;
        let is_mute = |node: &NodeId| {
            let link = self.inner.fabric.link(*node);
            link.is_none_or(|link| link.silence() >= limit)
        };
        self.long_silent().into_iter().filter(is_mute).collect()
    }
}

/// Who takes part in the directory, voting or not: its members, and every other node of the topology once it is heard, without those
/// that are gone. A node that is away is not brought in only to be given up again, as by a leader that has just started and cannot know
/// for how long it has been silent.
fn directory_members(
    topology: &Topology,
    members: &BTreeSet<NodeId>,
    gone: &BTreeSet<NodeId>,
    is_heard: impl Fn(NodeId) -> bool,
) -> BTreeSet<NodeId> {
    let nodes = topology.nodes.iter().map(|node| node.id);
    let heard = nodes.filter(|node| is_heard(*node));
    let all = members.iter().copied().chain(heard);
    all.filter(|node| !gone.contains(node)).collect()
}

fn nodes_on_the_way_out(directory: &DirectoryState) -> BTreeSet<NodeId> {
    let nodes = directory.nodes().iter();
    nodes
        .filter(|(_, record)| matches!(record.state, NodeState::Leaving | NodeState::Removed))
        .map(|(node, _)| *node)
        .collect()
}

/// What is asked of a new placement of the show. Its home is where its leader is when its own region is gone from the
/// topology. Its goal is its own; only what the topology can promise, when that is less and its voters never stood for more.
///
/// # Errors
/// [`PlacementError`] when it cannot be told what the topology can promise.
pub fn request_for(
    topology: &Topology,
    record: &ShowRecord,
    out: &BTreeSet<NodeId>,
) -> Result<PlacementRequest, PlacementError> {
    let mut request = PlacementRequest {
        jurisdictions: record.show.jurisdictions.clone(),
        unavailable: out.clone(),
        ..PlacementRequest::new(home_of(topology, record), record.group_id)
    };
    request.goal = match record.show.goal {
        // Who named no goal, and every index of buyers, says this too, also where the topology had less to give: such a one
        // asks for what is possible. But what its voters stand for by now is not given up because a region or a node has
        // left the topology. Goals are ordered from the strongest, so the stronger of two is their minimum.
        SurvivalGoal::Region => {
            strongest_goal(topology, &request)?.min(stands_for(topology, record))
        }
        named => named,
    };
    Ok(request)
}

/// What may be lost of the show as its voters stand. One whose node the topology has no more counts as if it stood in a region
/// of its own: rather is a show listed as stuck that need not be than one placed where it survives less, unnoticed.
fn stands_for(topology: &Topology, record: &ShowRecord) -> SurvivalGoal {
    let mut regions = BTreeSet::new();
    let mut zones = BTreeSet::new();
    for voter in &record.voters {
        let region = topology.region_of(*voter).ok_or(*voter);
        let zone = topology.node(*voter).and_then(|node| node.zone.as_ref());
        regions.insert(region);
        zones.insert((region, zone.ok_or(*voter)));
    }
    if regions.len() >= LOSS_OF_ONE_MIN {
        SurvivalGoal::Region
    } else if zones.len() >= LOSS_OF_ONE_MIN {
        SurvivalGoal::Zone
    } else {
        SurvivalGoal::Nothing
    }
}

/// Where the show should be without the nodes that are out, as little changed as possible.
///
/// # Errors
/// [`PlacementError`] when its goal cannot be kept without them.
pub fn place_again(
    topology: &Topology,
    record: &ShowRecord,
    out: &BTreeSet<NodeId>,
) -> Result<Placement, PlacementError> {
    let request = request_for(topology, record, out)?;
    let current = Replicas {
        voters: &record.voters,
        learners: &record.learners,
    };
    replace(topology, &request, current)
}

fn home_of(topology: &Topology, record: &ShowRecord) -> RegionId {
    let votes = |region: &RegionId| topology.region(region).is_some_and(|r| r.voting);
    let home = &record.show.home_region;
    if votes(home) {
        return home.clone();
    }
    let voters = record.leader_order().into_iter();
    let regions = voters.filter_map(|node| topology.region_of(node).cloned());
    regions
        .into_iter()
        .find(|region| votes(region))
        .unwrap_or_else(|| home.clone())
}

/// Whether the placement would change anything.
#[must_use]
pub fn differs(record: &ShowRecord, placement: &Placement) -> bool {
    let set = |nodes: &[NodeId]| nodes.iter().copied().collect::<BTreeSet<_>>();
    set(&record.voters) != set(&placement.voters)
        || set(&record.learners) != set(&placement.learners)
        || record.leader_preference != placement.leader_preference
}

/// The command that places the show there, made for the record as it is.
#[must_use]
pub fn set_replicas(record: &ShowRecord, placement: Placement) -> DirectoryCommand {
    DirectoryCommand::SetReplicas {
        show: record.show_id,
        expected: record.generation,
        voters: placement.voters,
        learners: placement.learners,
        leader_preference: placement.leader_preference,
    }
}

fn note(memory: &mut Memory, command: &DirectoryCommand, outcome: DirectoryOutcome) {
    let DirectoryCommand::SetReplicas { show, expected, .. } = command else {
        return;
    };
    if let DirectoryOutcome::Rejected(reason) = outcome {
        tracing::warn!(%show, %reason, "new placement refused");
        memory.stuck.insert(*show, *expected);
    } else {
        tracing::info!(%show, "show placed away from nodes that are out");
    }
}

#[cfg(test)]
mod tests;
