//! What the directory keeps: one record for each node, region, plan, event and show.
//!
//! Owns: the meaning of every field and who may move it. Must never: change its serialised layout without a new version in
//! `codec`: these types are what a snapshot is made of.

use std::fmt;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, Jurisdiction, NodeId, RegionId};
use serde::{Deserialize, Serialize};

use super::command::{NewEvent, NewPlan, NewShow};

/// Which disk a node runs on: drawn at random when its data directory is first opened, and kept there.
///
/// A node that comes back without its disk has forgotten what it voted; this is how it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiskId(u128);

impl DiskId {
    /// The disk with this number; zero is not one.
    #[must_use]
    pub const fn new(number: u128) -> Option<Self> {
        if number == 0 {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The number, for wire and disk.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a node says of itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistration {
    /// Its region.
    pub region: RegionId,
    /// Its zone within the region, where the topology names one.
    pub zone: Option<String>,
    /// `host:port` of its gRPC service as its own topology file has it; others may have to dial another.
    pub addr: String,
    /// Its disk; `None` only in records that an older release wrote.
    pub disk: Option<DiskId>,
    /// Release of its binary.
    pub release: String,
}

/// What an operator, or the cluster itself, wants of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// Carries replicas and leads.
    #[default]
    Serving,
    /// Carries replicas and gives its leaderships away.
    Draining,
    /// Its replicas move elsewhere; after that it may be switched off and removed.
    Leaving,
    /// Gone for good: its number is never used again.
    Removed,
}

impl NodeState {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Leaving => "leaving",
            Self::Removed => "removed",
        }
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// As it announced itself.
    pub registered: NodeRegistration,
    /// What is wanted of it.
    pub state: NodeState,
    /// Grows by one with every change of `state`; 1 at first.
    pub generation: u64,
    /// Version of the directory that this record last changed in.
    pub changed: u64,
}

/// What an operator wants of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegionState {
    /// Leaders may live there.
    #[default]
    Serving,
    /// Leaders live elsewhere until it is restored.
    Evacuated,
}

impl RegionState {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Evacuated => "evacuated",
        }
    }
}

/// A region that was ever anything but serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// What is wanted of it.
    pub state: RegionState,
    /// Grows by one with every change; 0 before the first.
    pub generation: u64,
    /// Version of the directory that this record last changed in.
    pub changed: u64,
}

/// A seating plan, kept once however many shows use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Number, counted from 1.
    pub plan_id: u64,
    /// What was imported.
    pub plan: NewPlan,
    /// Version of the directory that this record last changed in.
    pub changed: u64,
}

/// An event of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Number, counted from 1.
    pub event_id: u64,
    /// What was created.
    pub event: NewEvent,
    /// Version of the directory that this record last changed in.
    pub changed: u64,
}

/// How far a replica that was placed elsewhere is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaFate {
    /// It may still be a member of the group, and must be kept.
    Member,
    /// It is a member no more: its node may delete it.
    Released,
    /// Its node has deleted it, or is gone itself.
    Gone,
}

/// A replica on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Where it is.
    pub node: NodeId,
    /// How far it is.
    pub fate: ReplicaFate,
}

/// A show: its catalogue entry and its shard. Or an index of buyers, which is a shard without anything to sell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowRecord {
    /// The show.
    pub show_id: ShowId,
    /// The Raft group that holds its inventory.
    pub group_id: GroupId,
    /// Replicas that shall vote.
    pub voters: Vec<NodeId>,
    /// Replicas that shall only follow.
    pub learners: Vec<NodeId>,
    /// Where its leader should be, best first. All of them vote.
    pub leader_preference: Vec<NodeId>,
    /// Grows by one with every change of the three above; 1 at first.
    pub generation: u64,
    /// The last generation that the group's membership has reached; 0 = it was never seen to run.
    pub settled: u64,
    /// Voters of the generation that was reached last; before any was, the group's first membership: whoever starts the
    /// group starts it with these.
    pub settled_voters: Vec<NodeId>,
    /// Replicas on their way out. One that was released may return only once all of them are gone: a stale replica that
    /// still counts it as a voter could be elected by it after it has forgotten its log (ADR 0011).
    pub leaving: Vec<Leaving>,
    /// An operator wants the leader here until further notice. A voter.
    pub leader_pin: Option<NodeId>,
    /// Whether the leader follows the buyers; `None` = as the cluster does.
    pub follow_buyers: Option<bool>,
    /// What was created.
    pub show: NewShow,
    /// Version of the directory that this record last changed in.
    pub changed: u64,
}

/// Where a new group's replicas are to be.
pub(super) struct Placed {
    pub(super) voters: Vec<NodeId>,
    pub(super) learners: Vec<NodeId>,
    pub(super) leader_preference: Vec<NodeId>,
}

impl ShowRecord {
    /// As it begins: never settled, with its number for its group's.
    pub(super) fn new(show_id: ShowId, placed: Placed, show: NewShow, changed: u64) -> Self {
        Self {
            show_id,
            group_id: GroupId::new(show_id.get()),
            settled_voters: placed.voters.clone(),
            voters: placed.voters,
            learners: placed.learners,
            leader_preference: placed.leader_preference,
            generation: 1,
            settled: 0,
            leaving: Vec::new(),
            leader_pin: None,
            follow_buyers: None,
            show,
            changed,
        }
    }

    /// Of an index of buyers: whose law it stays under; `None` = it is that of regions that name no jurisdiction.
    #[must_use]
    pub fn jurisdiction(&self) -> Option<&Jurisdiction> {
        self.show.jurisdictions.first()
    }

    /// Whether `node` shall have a replica.
    #[must_use]
    pub fn has_replica(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }

    /// Whether `node` has to keep its replica: it shall have one, or the group may still count on the one it has.
    #[must_use]
    pub fn keeps_replica(&self, node: NodeId) -> bool {
        self.has_replica(node)
            || self
                .leaving
                .iter()
                .any(|leaving| leaving.node == node && leaving.fate == ReplicaFate::Member)
    }

    /// Whether `node` must delete what it has of this group and say so.
    #[must_use]
    pub fn is_released(&self, node: NodeId) -> bool {
        self.leaving
            .iter()
            .any(|leaving| leaving.node == node && leaving.fate == ReplicaFate::Released)
    }

    /// Whether the group's membership is what it shall be, as its leader reported.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled == self.generation
    }

    /// Whether `node` may write the group's first membership. Never after the group was seen to run: a replica that was
    /// deleted and is empty again would start a second one.
    #[must_use]
    pub fn may_initialise(&self, node: NodeId) -> bool {
        self.settled == 0 && self.settled_voters.contains(&node)
    }

    /// Who may vote in fact while the group is on its way to what it shall be, and shall not: empty once it has settled.
    #[must_use]
    pub fn outgoing_voters(&self) -> Vec<NodeId> {
        let outgoing = self.settled_voters.iter();
        let outgoing = outgoing.filter(|node| !self.voters.contains(node));
        if self.is_settled() {
            Vec::new()
        } else {
            outgoing.copied().collect()
        }
    }

    /// All voters, the best leader first: the pinned one, then by preference, then the others.
    #[must_use]
    pub fn leader_order(&self) -> Vec<NodeId> {
        let mut order: Vec<NodeId> = self.leader_pin.into_iter().collect();
        for node in self.leader_preference.iter().chain(&self.voters) {
            if !order.contains(node) {
                order.push(*node);
            }
        }
        order
    }
}
