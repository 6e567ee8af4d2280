//! Format 1: what the first release wrote.
//!
//! Owns: the layouts of that release, and what its records mean now. Must never: change; a golden file holds it to that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::SaleRules;
use holdfast_region_config::{GroupId, NodeId, RegionId, SurvivalGoal};
use serde::Deserialize;

use crate::directory::command::{DirectoryCommand, NewEvent, NewPlan, NewShow};
use crate::directory::records::{
    EventRecord, NodeRecord, NodeRegistration, NodeState, PlanRecord, ShowRecord,
};
use crate::directory::state::DirectoryState;

#[derive(Deserialize)]
pub(super) struct NodeRecordV1 {
    region: RegionId,
    version: String,
}

#[derive(Deserialize)]
struct PlanRecordV1 {
    plan_id: u64,
    plan: NewPlan,
}

#[derive(Deserialize)]
struct EventRecordV1 {
    event_id: u64,
    event: NewEvent,
}

#[derive(Deserialize)]
pub(super) struct NewShowV1 {
    slug: String,
    event_id: u64,
    plan_id: u64,
    venue: String,
    city: String,
    country: String,
    starts_at_ms: u64,
    time_zone: String,
    local_date: String,
    local_time: String,
    home_region: RegionId,
    currency: Currency,
    price_minor: BTreeMap<String, u64>,
    rules: SaleRules,
}

#[derive(Deserialize)]
struct ShowRecordV1 {
    show_id: ShowId,
    group_id: GroupId,
    voters: Vec<NodeId>,
    learners: Vec<NodeId>,
    leader_preference: Vec<NodeId>,
    show: NewShowV1,
}

#[derive(Deserialize)]
pub(super) enum CommandV1 {
    RegisterNode {
        node: NodeId,
        record: NodeRecordV1,
    },
    ImportPlan(Box<NewPlan>),
    CreateEvent(NewEvent),
    CreateShow {
        show: Box<NewShowV1>,
        leader_preference: Vec<NodeId>,
        voters: Vec<NodeId>,
        learners: Vec<NodeId>,
    },
}

#[derive(Deserialize)]
pub(super) struct StateV1 {
    version: u64,
    plan_bytes: u64,
    nodes: BTreeMap<NodeId, NodeRecordV1>,
    plans: BTreeMap<u64, PlanRecordV1>,
    events: BTreeMap<u64, EventRecordV1>,
    shows: BTreeMap<ShowId, ShowRecordV1>,
    // Derived; read past, because the format has them.
    _plan_slugs: BTreeMap<String, u64>,
    _event_slugs: BTreeMap<String, u64>,
    _show_slugs: BTreeMap<String, ShowId>,
}

impl From<NodeRecordV1> for NodeRegistration {
    fn from(record: NodeRecordV1) -> Self {
        Self {
            region: record.region,
            zone: None,
            addr: String::new(),
            disk: None,
            release: record.version,
        }
    }
}

impl From<NewShowV1> for NewShow {
    fn from(show: NewShowV1) -> Self {
        Self {
            slug: show.slug,
            event_id: show.event_id,
            plan_id: show.plan_id,
            venue: show.venue,
            city: show.city,
            country: show.country,
            starts_at_ms: show.starts_at_ms,
            time_zone: show.time_zone,
            local_date: show.local_date,
            local_time: show.local_time,
            home_region: show.home_region,
            currency: show.currency,
            price_minor: show.price_minor,
            rules: show.rules,
            goal: SurvivalGoal::Region,
            jurisdictions: BTreeSet::new(),
        }
    }
}

impl From<CommandV1> for DirectoryCommand {
    fn from(command: CommandV1) -> Self {
        match command {
            CommandV1::RegisterNode { node, record } => Self::RegisterNode {
                node,
                registered: record.into(),
            },
            CommandV1::ImportPlan(plan) => Self::ImportPlan(plan),
            CommandV1::CreateEvent(event) => Self::CreateEvent(event),
            CommandV1::CreateShow {
                show,
                leader_preference,
                voters,
                learners,
            } => Self::CreateShow {
                show: Box::new((*show).into()),
                leader_preference,
                voters,
                learners,
            },
        }
    }
}

impl From<StateV1> for DirectoryState {
    /// Every record counts as changed when the last of them did: a follower is told of it once more, never once too few.
    fn from(old: StateV1) -> Self {
        let changed = old.version;
        let node = |record: NodeRecordV1| NodeRecord {
            registered: record.into(),
            state: NodeState::Serving,
            generation: 1,
            changed,
        };
        let plan = |PlanRecordV1 { plan_id, plan }| PlanRecord {
            plan_id,
            plan,
            changed,
        };
        let event = |EventRecordV1 { event_id, event }| EventRecord {
            event_id,
            event,
            changed,
        };
        let show = |old: ShowRecordV1| ShowRecord {
            show_id: old.show_id,
            group_id: old.group_id,
            settled_voters: old.voters.clone(),
            voters: old.voters,
            learners: old.learners,
            leader_preference: old.leader_preference,
            generation: 1,
            settled: 0,
            leaving: Vec::new(),
            leader_pin: None,
            follow_buyers: None,
            show: old.show.into(),
            changed,
        };
        Self {
            version: old.version,
            plan_bytes: old.plan_bytes,
            nodes: map(old.nodes, node),
            plans: map(old.plans, |old| Arc::new(plan(old))),
            events: map(old.events, |old| Arc::new(event(old))),
            shows: map(old.shows, |old| Arc::new(show(old))),
            ..Self::default()
        }
    }
}

fn map<K: Ord, A, B>(table: BTreeMap<K, A>, f: impl Fn(A) -> B) -> BTreeMap<K, B> {
    table
        .into_iter()
        .map(|(key, value)| (key, f(value)))
        .collect()
}
