//! Snapshots of format 2: everything but what DNS is told. Its entries are those of today, with fewer commands.
//!
//! Owns: the old layout. Must never: change; a golden file holds it to that.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{NodeId, RegionId};
use serde::Deserialize;

use crate::directory::records::{EventRecord, NodeRecord, PlanRecord, RegionRecord, ShowRecord};
use crate::directory::state::{DirectoryState, Settings};

#[derive(Deserialize)]
pub(super) struct StateV2 {
    version: u64,
    plan_bytes: u64,
    settings: Settings,
    nodes: BTreeMap<NodeId, NodeRecord>,
    regions: BTreeMap<RegionId, RegionRecord>,
    plans: BTreeMap<u64, PlanRecord>,
    events: BTreeMap<u64, EventRecord>,
    shows: BTreeMap<ShowId, ShowRecord>,
}

impl From<StateV2> for DirectoryState {
    fn from(old: StateV2) -> Self {
        Self {
            version: old.version,
            plan_bytes: old.plan_bytes,
            settings: old.settings,
            nodes: old.nodes,
            regions: old.regions,
            plans: shared(old.plans),
            events: shared(old.events),
            shows: shared(old.shows),
            ..Self::default()
        }
    }
}

fn shared<K: Ord, V>(table: BTreeMap<K, V>) -> BTreeMap<K, Arc<V>> {
    table
        .into_iter()
        .map(|(key, value)| (key, Arc::new(value)))
        .collect()
}
