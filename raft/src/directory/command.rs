//! What can be asked of the directory and what it answers.
//!
//! Owns: commands and their outcomes. Must never: carry a time or an id that the proposer made up for something new; numbers
//! are given by apply. A new command goes to the end: its place is its number on disk.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::{Area, SaleRules, Seat};
use holdfast_region_config::{GroupId, Jurisdiction, NodeId, RegionId, SurvivalGoal};
use serde::{Deserialize, Serialize};

use super::records::{NodeRegistration, NodeState, RegionState};
use super::rejection::DirectoryRejection;
use super::steering::SteeringKey;

/// A seating plan to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPlan {
    /// Unique name for machines, such as `harbour-hall`.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Width of the drawing, plan units times 100.
    pub width: i32,
    /// Height of the drawing, plan units times 100.
    pub height: i32,
    /// Price categories: name and colour; prices come with each show.
    pub categories: Vec<(String, String)>,
    /// Seats, in the order that numbers them.
    pub seats: Vec<Seat>,
    /// General-admission areas.
    pub areas: Vec<Area>,
}

/// An event to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Unique name for machines.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// `concert`, `match`, `theatre`, …
    pub category: String,
    /// A paragraph for people.
    pub description: String,
}

/// A show to sell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewShow {
    /// Unique name for machines.
    pub slug: String,
    /// Its event.
    pub event_id: u64,
    /// Its seating plan.
    pub plan_id: u64,
    /// Name of the venue.
    pub venue: String,
    /// City, as people search for it.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// Start, ms since the Unix epoch.
    pub starts_at_ms: u64,
    /// IANA time zone of the venue.
    pub time_zone: String,
    /// Date at the venue, `YYYY-MM-DD`.
    pub local_date: String,
    /// Time at the venue, `HH:MM`.
    pub local_time: String,
    /// Where its leader should be.
    pub home_region: RegionId,
    /// Currency of the prices.
    pub currency: Currency,
    /// Price of each category of the plan by its name, minor units.
    pub price_minor: BTreeMap<String, u64>,
    /// How it is sold.
    pub rules: SaleRules,
    /// What it must survive.
    pub goal: SurvivalGoal,
    /// Jurisdictions in which replicas may be; empty = any.
    pub jurisdictions: BTreeSet<Jurisdiction>,
}

/// An override of what DNS answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSteering {
    /// What is wanted, and of what.
    pub key: SteeringKey,
    /// The region that is answered, or drained.
    pub region: RegionId,
    /// When it was asked for, ms since the Unix epoch by the node that was asked: overrides that ended before are dropped.
    pub asked_at_ms: u64,
    /// How long it holds, ms, at most [`super::STEERING_MS_MAX`].
    pub for_ms: u64,
    /// Also if no region stays open to new users.
    pub break_glass: bool,
}

/// A change of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryCommand {
    /// A node says that it exists.
    RegisterNode {
        /// Which.
        node: NodeId,
        /// Where and what.
        registered: NodeRegistration,
    },
    /// Keep a plan.
    ImportPlan(Box<NewPlan>),
    /// List an event.
    CreateEvent(NewEvent),
    /// Create a show and with it its shard; the proposer has placed the replicas.
    CreateShow {
        /// The show.
        show: Box<NewShow>,
        /// Replicas that vote, by preference as leader.
        leader_preference: Vec<NodeId>,
        /// Replicas that vote.
        voters: Vec<NodeId>,
        /// Replicas that only follow.
        learners: Vec<NodeId>,
    },
    /// Say what is wanted of a node. [`NodeState::Removed`] is for ever, and only for one without replicas.
    SetNodeState {
        /// Which.
        node: NodeId,
        /// What is wanted.
        state: NodeState,
        /// Only if its generation is still this one.
        expected: Option<u64>,
    },
    /// Say what is wanted of a region.
    SetRegionState {
        /// Which.
        region: RegionId,
        /// What is wanted.
        state: RegionState,
        /// Only if its generation is still this one.
        expected: Option<u64>,
    },
    /// Place a show's replicas; the group's leader changes the membership until it is this.
    SetReplicas {
        /// The show.
        show: ShowId,
        /// Only if its generation is still this one.
        expected: u64,
        /// Replicas that shall vote.
        voters: Vec<NodeId>,
        /// Replicas that shall only follow.
        learners: Vec<NodeId>,
        /// Where its leader should be, best first; all of them vote.
        leader_preference: Vec<NodeId>,
    },
    /// The leader of a show's group reports: the membership is what `generation` asked for, it is committed, and every
    /// member has it.
    ReplicasSettled {
        /// The show.
        show: ShowId,
        /// The generation that was reached.
        generation: u64,
    },
    /// A node reports: it has deleted its released replicas of these shows.
    ReplicasGone {
        /// The node.
        node: NodeId,
        /// The shows.
        shows: Vec<ShowId>,
    },
    /// Keep a show's leader at one node until further notice; `None` gives it back to its preference.
    PinLeader {
        /// The show.
        show: ShowId,
        /// A voter, or nobody.
        leader: Option<NodeId>,
    },
    /// Whether leaders follow their buyers, where a show does not say otherwise.
    SetFollowBuyers {
        /// Yes or no.
        follow: bool,
    },
    /// Whether one show's leader follows its buyers; `None` = as the cluster does.
    SetShowFollowsBuyers {
        /// The show.
        show: ShowId,
        /// Yes, no, or as the cluster does.
        follow: Option<bool>,
    },
    /// Override what DNS answers, for a while.
    SetSteering(NewSteering),
    /// Take back one override of DNS; without a key all of them.
    ClearSteering {
        /// Which.
        key: Option<SteeringKey>,
    },
    /// Begin the index of buyers of a jurisdiction, unless there is one; the proposer has placed the replicas.
    CreateBuyerIndex {
        /// Where replicas may be; `None` = the index of all regions that name no jurisdiction.
        jurisdiction: Option<Jurisdiction>,
        /// Where its leader should be.
        home_region: RegionId,
        /// Replicas that vote, by preference as leader.
        leader_preference: Vec<NodeId>,
        /// Replicas that vote.
        voters: Vec<NodeId>,
        /// Replicas that only follow.
        learners: Vec<NodeId>,
    },
}

/// What a directory command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryOutcome {
    /// The plan is kept.
    Plan {
        /// Its number.
        plan_id: u64,
        /// It was there before, with the same content.
        existed: bool,
    },
    /// The event is listed.
    Event {
        /// Its number.
        event_id: u64,
        /// It was there before, with the same content.
        existed: bool,
    },
    /// The show exists; its shard starts on its replicas.
    Show {
        /// Its number.
        show_id: ShowId,
        /// Its group.
        group_id: GroupId,
        /// It was there before, with the same content.
        existed: bool,
    },
    /// It is as the command wants it.
    Set {
        /// Of what the command is about: its generation now; 0 for what has none.
        generation: u64,
        /// Whether the command changed anything.
        changed: bool,
    },
    /// Nothing was changed.
    Rejected(DirectoryRejection),
}
