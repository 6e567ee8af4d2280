//! The directory: regions' nodes, the catalogue, and which group holds which show. Group 0's state machine.
//!
//! Owns: what every node must know from local memory. Pure like the inventory: no clock, no I/O, no hash order. Must never:
//! hold what changes with every hold (that is the shard's), or personal data.
//!
//! Creates are idempotent by *slug*: the same slug with the same content answers the first id, with other content it is
//! refused, so an import can be repeated until it succeeds. A show's record *is* its shard: creating it allocates the group
//! and fixes its replicas; nodes open what the record says (`host::reconcile`).

mod apply;
mod codec;
pub mod command;

use std::collections::BTreeMap;

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::{Area, Category, SaleRules, Seat, ShowSetUp};
use holdfast_region_config::{GroupId, NodeId, RegionId};
use serde::{Deserialize, Serialize};

pub use codec::DirectoryCodecError;
pub use command::{
    DirectoryCommand, DirectoryOutcome, DirectoryRejection, NewEvent, NewPlan, NewShow,
};

pub(crate) use codec::{decode_commands, decode_snapshot, encode_commands, encode_snapshot};

/// Longest slug, name, city and the like, bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest description of an event, bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4_000;
/// Plans one cluster keeps.
pub const PLANS_MAX: usize = 2_000;
/// Bytes of all plans together, as encoded: they are in every snapshot of the directory.
pub const PLAN_BYTES_TOTAL_MAX: u64 = 128 * 1024 * 1024;
/// Events one cluster keeps.
pub const EVENTS_MAX: usize = 50_000;
/// Shows one cluster keeps.
pub const SHOWS_MAX: usize = 100_000;

/// One node as it announced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its region.
    pub region: RegionId,
    /// Version of its binary.
    pub version: String,
}

/// A seating plan, kept once however many shows use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Number, counted from 1.
    pub plan_id: u64,
    /// What was imported.
    pub plan: NewPlan,
}

/// An event of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Number, counted from 1.
    pub event_id: u64,
    /// What was created.
    pub event: NewEvent,
}

/// A show: its catalogue entry and its shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowRecord {
    /// The show.
    pub show_id: ShowId,
    /// The Raft group that holds its inventory.
    pub group_id: GroupId,
    /// Replicas that vote, as placed when the show was created.
    pub voters: Vec<NodeId>,
    /// Replicas that only follow.
    pub learners: Vec<NodeId>,
    /// Where its leader should be: the home region's voter first.
    pub leader_preference: Vec<NodeId>,
    /// What was created.
    pub show: NewShow,
}

impl ShowRecord {
    /// Whether `node` keeps a replica.
    #[must_use]
    pub fn has_replica(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }
}

const _: () = assert!(
    PLAN_BYTES_TOTAL_MAX <= crate::snapshot_store::SNAPSHOT_BYTES_MAX as u64 / 2,
    "a snapshot holds the plans and leaves room for the catalogue"
);

/// Everything the directory knows. Maps are ordered, so every replica iterates alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryState {
    pub(crate) version: u64,
    /// Sum over `plans`, as encoded.
    pub(crate) plan_bytes: u64,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(crate) plans: BTreeMap<u64, PlanRecord>,
    pub(crate) events: BTreeMap<u64, EventRecord>,
    pub(crate) shows: BTreeMap<ShowId, ShowRecord>,
    pub(crate) plan_slugs: BTreeMap<String, u64>,
    pub(crate) event_slugs: BTreeMap<String, u64>,
    pub(crate) show_slugs: BTreeMap<String, ShowId>,
}

impl DirectoryState {
    /// Grows by one with every command that changed something.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Nodes that have announced themselves.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeId, NodeRecord> {
        &self.nodes
    }

    /// Plans by number.
    #[must_use]
    pub fn plans(&self) -> &BTreeMap<u64, PlanRecord> {
        &self.plans
    }

    /// Events by number.
    #[must_use]
    pub fn events(&self) -> &BTreeMap<u64, EventRecord> {
        &self.events
    }

    /// Shows by number.
    #[must_use]
    pub fn shows(&self) -> &BTreeMap<ShowId, ShowRecord> {
        &self.shows
    }

    /// What the show's shard is set up from; `None` when the show is not known.
    #[must_use]
    pub fn show_set_up(&self, show: ShowId) -> Option<ShowSetUp> {
        let record = self.shows.get(&show)?;
        let plan = &self.plans.get(&record.show.plan_id)?.plan;
        let categories = plan
            .categories
            .iter()
            .map(|(name, color)| Category {
                name: name.clone(),
                color: color.clone(),
                price_minor: record
                    .show
                    .price_minor
                    .get(name)
                    .copied()
                    .unwrap_or_default(),
            })
            .collect();
        Some(ShowSetUp {
            show,
            currency: record.show.currency,
            categories,
            seats: plan.seats.clone(),
            areas: plan.areas.clone(),
            width: plan.width,
            height: plan.height,
            rules: record.show.rules.clone(),
        })
    }
}

/// Seats and general-admission places together.
pub(crate) fn places(seats: &[Seat], areas: &[Area]) -> u64 {
    seats.len() as u64
        + areas
            .iter()
            .map(|area| u64::from(area.capacity))
            .sum::<u64>()
}

/// Checks that need no state: a currency that is one, rules that can be met.
pub(crate) fn rules_are_sane(currency: Currency, rules: &SaleRules) -> bool {
    let rules = rules.with_defaults();
    currency.is_well_formed()
        && rules.opens_at_ms < rules.closes_at_ms
        && rules.hold_ttl_ms <= rules.hold_ttl_max_ms
        && rules.seats_per_order_max <= rules.seats_per_buyer_max
}

#[cfg(test)]
mod tests;
