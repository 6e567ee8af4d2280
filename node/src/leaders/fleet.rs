//! What the leaders duty asks of its node and tells it.
//!
//! Owns: the view of this node's groups that decisions are made from. Must never: decide.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdfast_inventory::ids::ShowId;
use holdfast_raft::{
    Host, MoveError,
    directory::{NodeState, RegionState, ShowRecord},
};
use holdfast_region_config::{GroupId, NodeId, RegionId, Topology, place_directory};

use super::conditions::{Conditions, Reach};
use crate::proposers::Proposers;

/// What a group's record says about its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Which.
    pub group: GroupId,
    /// Who may lead it.
    pub voters: Vec<NodeId>,
    /// Best leader first.
    pub preference: Vec<NodeId>,
    /// An operator wants it led by this node.
    pub pin: Option<NodeId>,
    /// Whether its leader goes where its buyers are.
    pub follows_buyers: bool,
}

/// One node's view of the cluster. A trait, so that a test can play thousands of groups.
pub trait Fleet: Clone + Send + Sync + 'static {
    /// This node.
    fn node(&self) -> NodeId;

    /// Where everything is, now.
    fn topology(&self) -> Arc<Topology>;

    /// Whether `node` is heard; this node hears itself.
    fn is_heard(&self, node: NodeId) -> bool;

    /// Tells the others that this node is about to stop, so that they hand it nothing.
    fn announce_leaving(&self);

    /// Writes into `conditions` who drains and what is evacuated.
    fn mark(&self, conditions: &mut Conditions);

    /// Every group that some node leads, with that node, as far as is known here.
    fn leaders(&self) -> Vec<(GroupId, NodeId)>;

    /// What is recorded of these groups; those that are not known are left out.
    fn facts(&self, groups: &[GroupId]) -> Vec<GroupFacts>;

    /// Commands for `group` since this was last asked, by the gateway's region.
    fn take_commands(&self, group: GroupId) -> Vec<(RegionId, u64)>;

    /// Waits until something changed that a look could turn on.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Hands the leadership over, and waits until the target leads.
    fn move_leader(
        &self,
        group: GroupId,
        to: NodeId,
    ) -> impl Future<Output = Result<(), MoveError>> + Send;
}

/// The fleet of a running node.
#[derive(Clone)]
pub struct HostFleet {
    host: Host,
    proposers: Proposers,
}

impl HostFleet {
    /// The groups of `host`, and what `proposers` know of their callers.
    #[must_use]
    pub const fn new(host: Host, proposers: Proposers) -> Self {
        Self { host, proposers }
    }
}

impl HostFleet {
    fn directory_facts(&self) -> GroupFacts {
        GroupFacts {
            group: GroupId::DIRECTORY,
            voters: self.host.directory().status().voters,
            preference: place_directory(&self.topology()).leader_preference,
            pin: None,
            follows_buyers: false,
        }
    }

    /// Every group of the cluster with its leader, as far as is known here.
    #[must_use]
    pub fn all(&self) -> Vec<(GroupFacts, Option<NodeId>)> {
        let leaders: BTreeMap<GroupId, NodeId> = self.leaders().into_iter().collect();
        let leader = |group| leaders.get(&group).copied();
        let topology = self.topology();
        let (shows, _) = self.host.directory().read(|directory| {
            let shows = directory.shows().values();
            let shows = shows.filter(|show| may_go_elsewhere(show, &topology));
            let facts = shows.map(|show| facts_of(show, directory.follows_buyers(show.show_id)));
            facts.collect::<Vec<_>>()
        });
        let all = std::iter::once(self.directory_facts()).chain(shows);
        all.map(|facts| (leader(facts.group), facts))
            .map(|(leader, facts)| (facts, leader))
            .collect()
    }

    /// Every node as it is seen now; whoever is heard is taken to be steady.
    #[must_use]
    pub fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::new(&self.topology(), |node| {
            if self.is_heard(node) {
                Reach::Steady
            } else {
                Reach::Silent
            }
        });
        self.mark(&mut conditions);
        for (_, leader) in self.leaders() {
            conditions.leads(leader);
        }
        conditions
    }
}

/// Whether who leads it is a question at all. An index of buyers whose jurisdiction has one region stays there by law, also while
/// that region is evacuated: it holds up no sale, and it must not hold up the evacuation either.
fn may_go_elsewhere(show: &ShowRecord, topology: &Topology) -> bool {
    let regions: BTreeSet<_> = show
        .voters
        .iter()
        .map(|node| topology.region_of(*node))
        .collect();
    !show.group_id.is_buyer_index() || regions.len() > 1
}

fn facts_of(show: &ShowRecord, follows_buyers: bool) -> GroupFacts {
    GroupFacts {
        group: show.group_id,
        voters: show.voters.clone(),
        preference: show.leader_preference.clone(),
        pin: show.leader_pin,
        follows_buyers,
    }
}

impl Fleet for HostFleet {
    fn node(&self) -> NodeId {
        self.host.node()
    }

    fn topology(&self) -> Arc<Topology> {
        self.host.topology()
    }

    fn is_heard(&self, node: NodeId) -> bool {
        self.host.is_alive(node)
    }

    fn announce_leaving(&self) {
        self.host.announce_leaving();
    }

    fn mark(&self, conditions: &mut Conditions) {
        let topology = self.topology();
        let nodes = topology.nodes.iter().map(|node| node.id);
        for node in nodes.filter(|node| self.host.is_leaving(*node)) {
            conditions.drain(node);
        }
        self.host.directory().read(|directory| {
            for (node, record) in directory.nodes() {
                if record.state != NodeState::Serving {
                    conditions.drain(*node);
                }
            }
            for (region, record) in directory.regions() {
                if record.state == RegionState::Evacuated {
                    conditions.evacuate(region.clone());
                }
            }
        });
    }

    fn leaders(&self) -> Vec<(GroupId, NodeId)> {
        self.host.leaders()
    }

    fn facts(&self, groups: &[GroupId]) -> Vec<GroupFacts> {
        let own = self.directory_facts();
        let topology = self.topology();
        let (facts, _) = self.host.directory().read(|directory| {
            let facts = groups.iter().filter_map(|group| {
                if group.is_directory() {
                    return Some(own.clone());
                }
                let show = directory.shows().get(&ShowId(group.get()))?;
                let show = Some(show).filter(|show| may_go_elsewhere(show, &topology))?;
                Some(facts_of(show, directory.follows_buyers(show.show_id)))
            });
            facts.collect()
        });
        facts
    }

    fn take_commands(&self, group: GroupId) -> Vec<(RegionId, u64)> {
        let topology = self.topology();
        let region = |number: usize| topology.regions.get(number).map(|region| region.id.clone());
        let counts = self.proposers.take_callers(ShowId(group.get()));
        let named = counts.into_iter();
        named
            .filter_map(|(number, commands)| Some((region(number)?, commands)))
            .collect()
    }

    async fn changed(&self) {
        let mut applied = self.host.directory().applied();
        let mut leaders = self.host.leaders_changed();
        applied.borrow_and_update();
        leaders.borrow_and_update();
        let changed = tokio::select! {
            changed = applied.changed() => changed,
            changed = leaders.changed() => changed,
        };
        if changed.is_err() {
            // The host has stopped: nothing changes there any more.
            std::future::pending().await
        }
    }

    async fn move_leader(&self, group: GroupId, to: NodeId) -> Result<(), MoveError> {
        self.host.move_group_leader(group, to).await
    }
}
