//! Why the directory says no.
//!
//! Owns: the closed set of reasons and their stable codes. Must never: change what a published code means.

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{NodeId, RegionId};

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
    /// No such show.
    #[error("show {show} is not known")]
    ShowUnknown {
        /// The show asked for.
        show: ShowId,
    },
    /// No such node has announced itself.
    #[error("node {node} is not known")]
    NodeUnknown {
        /// The node asked for.
        node: NodeId,
    },
    /// No node of such a region has announced itself.
    #[error("region {region} is not known: no node has announced itself from there")]
    RegionUnknown {
        /// The region asked for.
        region: RegionId,
    },
    /// The node was removed for good.
    #[error("node {node} was removed; a machine that returns needs a new number")]
    NodeRemoved {
        /// The node.
        node: NodeId,
    },
    /// The node comes from another disk than the one it is known by.
    #[error(
        "node {node} is known by another disk, so it has forgotten what it voted: give the machine a new number in the \
         topology, then `holdfastctl node replace {node} --with NEW`"
    )]
    DiskChanged {
        /// The node.
        node: NodeId,
    },
    /// The node still has replicas.
    #[error("node {node} still has replicas of {shows} shows")]
    NodeInUse {
        /// The node.
        node: NodeId,
        /// How many.
        shows: u64,
    },
    /// The replica that was there before is not gone everywhere yet.
    #[error(
        "{show} cannot return to {node} yet: replicas that it once had are not all deleted; a node of theirs that is dead \
         has to come back or be removed first"
    )]
    ReplicaLeaving {
        /// The show.
        show: ShowId,
        /// The node.
        node: NodeId,
    },
    /// No region would be open to new users.
    #[error(
        "{region} is the last region that is open to new users; if there is no other way, say so (--break-glass)"
    )]
    LastRegion {
        /// The region that was to be drained.
        region: RegionId,
    },
    /// Someone else changed it meanwhile.
    #[error("generation {expected} was expected, it is {found}")]
    StaleGeneration {
        /// What the command was made for.
        expected: u64,
        /// What is there.
        found: u64,
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
    pub(super) fn invalid(field: &str, reason: &str) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// The stable code; see `docs/errors/`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SlugTaken { .. } => "slug_taken",
            Self::EventUnknown { .. } => "event_unknown",
            Self::PlanUnknown { .. } => "plan_unknown",
            Self::ShowUnknown { .. } => "unknown_show",
            Self::NodeUnknown { .. } => "node_unknown",
            Self::RegionUnknown { .. } => "region_unknown",
            Self::NodeRemoved { .. } => "node_removed",
            Self::DiskChanged { .. } => "disk_changed",
            Self::NodeInUse { .. } => "node_in_use",
            Self::ReplicaLeaving { .. } => "replica_leaving",
            Self::LastRegion { .. } => "last_region",
            Self::StaleGeneration { .. } => "stale_generation",
            Self::Invalid { .. } => "invalid",
            Self::Full { .. } => "table_full",
        }
    }
}
