//! What can be asked of the directory and what it answers.
//!
//! Owns: commands, their outcomes and rejections with stable codes. Must never: carry a time or an id that the proposer made up
//! for something new; numbers are given by apply.

use std::collections::BTreeMap;

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::{Area, SaleRules, Seat};
use holdfast_region_config::{GroupId, NodeId, RegionId};
use serde::{Deserialize, Serialize};

use super::NodeRecord;

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
}

/// A change of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirectoryCommand {
    /// A node says that it exists.
    RegisterNode {
        /// Which.
        node: NodeId,
        /// Where and what.
        record: NodeRecord,
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
}

/// What a directory command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryOutcome {
    /// The node is known.
    NodeRegistered,
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
    /// Nothing was changed.
    Rejected(DirectoryRejection),
}

/// Why a directory command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryRejection {
    /// The slug names something with other content.
    #[error("slug \"{slug}\" is taken by something with other content")]
    SlugTaken {
        /// The slug.
        slug: String,
    },
    /// No such event.
    #[error("event e{event_id} is not known")]
    EventUnknown {
        /// The number asked for.
        event_id: u64,
    },
    /// No such plan.
    #[error("plan p{plan_id} is not known")]
    PlanUnknown {
        /// The number asked for.
        plan_id: u64,
    },
    /// A field cannot be right.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bounded table is full.
    #[error("there is no room for more {what}: the limit is {limit}")]
    Full {
        /// Which table.
        what: String,
        /// Its bound.
        limit: u64,
    },
}

impl DirectoryRejection {
    /// The stable code; see `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SlugTaken { .. } => "slug_taken",
            Self::EventUnknown { .. } => "event_unknown",
            Self::PlanUnknown { .. } => "plan_unknown",
            Self::Invalid { .. } => "invalid",
            Self::Full { .. } => "table_full",
        }
    }
}
