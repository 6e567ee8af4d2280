//! Everything the directory knows, and how it is looked up.
//!
//! Owns: the tables and the indexes over them. Must never: iterate a hash map, or keep an index that a snapshot could
//! contradict: indexes are rebuilt from the records.
//!
//! Every change of a record gets a version of its own, and each record remembers its last one. So "what changed since
//! version v" is a range of an index, however old v is: followers of the catalogue, on this node and far away, never
//! need to compare whole copies. (Only records taken over from format 1 share a version: the one of the take-over.)
//!
//! Records are shared: a snapshot copies pointers under the lock, not ten thousand shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_inventory::ids::ShowId;
use holdfast_inventory::show::{Category, ShowSetUp};
use holdfast_region_config::{GroupId, Jurisdiction, NodeId, RegionId};
use serde::{Deserialize, Serialize};

use super::records::{
    EventRecord, NodeRecord, NodeState, PlanRecord, RegionRecord, RegionState, ShowRecord,
};
use super::steering::Steering;

/// Which record a version changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// A node.
    Node(NodeId),
    /// A region.
    Region(RegionId),
    /// A plan.
    Plan(u64),
    /// An event.
    Event(u64),
    /// A show: its catalogue entry never changes, its placement and settings do.
    Show(ShowId),
    /// A setting of the whole cluster.
    Settings,
    /// What DNS is told.
    Steering,
}

impl Changed {
    /// Sorts before every other.
    const FIRST: Self = Self::Node(NodeId::new(0));
}

/// What holds for the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) follow_buyers: bool,
    /// Version of the directory that this last changed in.
    pub(crate) changed: u64,
}

/// Everything the directory knows. Maps are ordered, so every replica iterates alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryState {
    pub(crate) version: u64,
    /// Sum over `plans`, as encoded.
    pub(crate) plan_bytes: u64,
    pub(crate) settings: Settings,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(crate) regions: BTreeMap<RegionId, RegionRecord>,
    #[serde(with = "shared")]
    pub(crate) plans: BTreeMap<u64, Arc<PlanRecord>>,
    #[serde(with = "shared")]
    pub(crate) events: BTreeMap<u64, Arc<EventRecord>>,
    #[serde(with = "shared")]
    pub(crate) shows: BTreeMap<ShowId, Arc<ShowRecord>>,
    pub(crate) steering: Steering,
    #[serde(skip)]
    pub(crate) index: Index,
}

/// What follows from the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) plan_slugs: BTreeMap<Arc<str>, u64>,
    pub(crate) event_slugs: BTreeMap<Arc<str>, u64>,
    pub(crate) show_slugs: BTreeMap<Arc<str>, ShowId>,
    /// Every record under the version that changed it last.
    pub(crate) by_version: BTreeSet<(u64, Changed)>,
    /// Shows whose group is not known to be where it shall be.
    pub(crate) unsettled: BTreeSet<ShowId>,
}

impl DirectoryState {
    /// Grows by one with every change of a record.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Nodes that have announced themselves.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeId, NodeRecord> {
        &self.nodes
    }

    /// What is wanted of `node`; one that has not announced itself yet is taken to be serving.
    #[must_use]
    pub fn node_state(&self, node: NodeId) -> NodeState {
        self.nodes.get(&node).map(|r| r.state).unwrap_or_default()
    }

    /// Regions that were ever anything but serving.
    #[must_use]
    pub fn regions(&self) -> &BTreeMap<RegionId, RegionRecord> {
        &self.regions
    }

    /// What is wanted of `region`.
    #[must_use]
    pub fn region_state(&self, region: &RegionId) -> RegionState {
        self.regions
            .get(region)
            .map(|r| r.state)
            .unwrap_or_default()
    }

    /// Plans by number.
    #[must_use]
    pub fn plans(&self) -> &BTreeMap<u64, Arc<PlanRecord>> {
        &self.plans
    }

    /// Events by number.
    #[must_use]
    pub fn events(&self) -> &BTreeMap<u64, Arc<EventRecord>> {
        &self.events
    }

    /// Shows by number, and behind them the indexes of buyers: everything that is placed. What is sold is
    /// [`Self::shows_on_sale`].
    #[must_use]
    pub fn shows(&self) -> &BTreeMap<ShowId, Arc<ShowRecord>> {
        &self.shows
    }

    /// Shows, without the indexes of buyers.
    pub fn shows_on_sale(&self) -> impl DoubleEndedIterator<Item = &Arc<ShowRecord>> {
        let indexes_from = ShowId(GroupId::BUYER_INDEXES_FROM.get());
        self.shows.range(..indexes_from).map(|(_, record)| record)
    }

    /// The indexes of buyers; of their records only what is about placing means anything.
    pub fn buyer_indexes(&self) -> impl Iterator<Item = &Arc<ShowRecord>> {
        let indexes_from = ShowId(GroupId::BUYER_INDEXES_FROM.get());
        self.shows.range(indexes_from..).map(|(_, record)| record)
    }

    /// The index of a jurisdiction, or of the regions that name none; `None` when it was not begun.
    #[must_use]
    pub fn buyer_index_of(&self, jurisdiction: Option<&Jurisdiction>) -> Option<&Arc<ShowRecord>> {
        let mut indexes = self.buyer_indexes();
        indexes.find(|record| record.jurisdiction() == jurisdiction)
    }

    /// Shows whose group is not known to be where it shall be.
    #[must_use]
    pub fn unsettled(&self) -> &BTreeSet<ShowId> {
        &self.index.unsettled
    }

    /// Whether leaders follow their buyers where the show does not say otherwise.
    #[must_use]
    pub fn follow_buyers(&self) -> bool {
        self.settings.follow_buyers
    }

    /// Whether the leader of `show` follows its buyers.
    #[must_use]
    pub fn follows_buyers(&self, show: ShowId) -> bool {
        let own = self
            .shows
            .get(&show)
            .and_then(|record| record.follow_buyers);
        own.unwrap_or(self.settings.follow_buyers)
    }

    /// What DNS is told, whatever it measures.
    #[must_use]
    pub const fn steering(&self) -> &Steering {
        &self.steering
    }

    /// What changed after version `since`, oldest change first; a record that changed several times comes once, where it
    /// changed last. Everything, for `since` 0.
    pub fn changes_since(&self, since: u64) -> impl Iterator<Item = (u64, &Changed)> {
        let from = (since.saturating_add(1), Changed::FIRST);
        self.index
            .by_version
            .range(from..)
            .map(|(version, changed)| (*version, changed))
    }

    /// The records of shows that changed after version `since`, as they are now.
    #[must_use]
    pub fn shows_changed_since(&self, since: u64) -> Vec<Arc<ShowRecord>> {
        let shows = self
            .changes_since(since)
            .filter_map(|(_, what)| match what {
                Changed::Show(show) => self.shows.get(show).cloned(),
                _ => None,
            });
        shows.collect()
    }

    /// What the show's shard is set up from; `None` when the show is not known.
    #[must_use]
    pub fn show_set_up(&self, show: ShowId) -> Option<ShowSetUp> {
        let record = self.shows.get(&show)?;
        let plan = &self.plans.get(&record.show.plan_id)?.plan;
        let price_of = |name: &String| record.show.price_minor.get(name).copied();
        let categories = plan.categories.iter().map(|(name, color)| Category {
            name: name.clone(),
            color: color.clone(),
            price_minor: price_of(name).unwrap_or_default(),
        });
        Some(ShowSetUp {
            show,
            currency: record.show.currency,
            categories: categories.collect(),
            seats: plan.seats.clone(),
            areas: plan.areas.clone(),
            width: plan.width,
            height: plan.height,
            rules: record.show.rules.clone(),
        })
    }

    /// Takes the next version for a change of `what`, whose last change was `before` (0 = it is new).
    pub(super) fn next_version(&mut self, what: Changed, before: u64) -> u64 {
        self.index.by_version.remove(&(before, what.clone()));
        self.version += 1;
        self.index.by_version.insert((self.version, what));
        self.version
    }

    /// Derives the indexes from the records.
    pub(super) fn rebuild_index(&mut self) {
        let mut index = Index::default();
        let mut changed = |version, what| index.by_version.insert((version, what));
        if self.settings.changed > 0 {
            changed(self.settings.changed, Changed::Settings);
        }
        if self.steering.changed > 0 {
            changed(self.steering.changed, Changed::Steering);
        }
        for (node, record) in &self.nodes {
            changed(record.changed, Changed::Node(*node));
        }
        for (region, record) in &self.regions {
            changed(record.changed, Changed::Region(region.clone()));
        }
        for (id, record) in &self.plans {
            changed(record.changed, Changed::Plan(*id));
            let slug = Arc::from(record.plan.slug.as_str());
            index.plan_slugs.insert(slug, *id);
        }
        for (id, record) in &self.events {
            changed(record.changed, Changed::Event(*id));
            let slug = Arc::from(record.event.slug.as_str());
            index.event_slugs.insert(slug, *id);
        }
        for (id, record) in &self.shows {
            changed(record.changed, Changed::Show(*id));
            if !record.group_id.is_buyer_index() {
                let slug = Arc::from(record.show.slug.as_str());
                index.show_slugs.insert(slug, *id);
            }
            if !record.is_settled() {
                index.unsettled.insert(*id);
            }
        }
        self.index = index;
    }
}

/// A map of shared records, serialised as the map of the records themselves.
mod shared {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K, V, S>(
        map: &BTreeMap<K, Arc<V>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_map(map.iter().map(|(key, value)| (key, value.as_ref())))
    }

    pub(super) fn deserialize<'de, K, V, D>(
        deserializer: D,
    ) -> Result<BTreeMap<K, Arc<V>>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let map = BTreeMap::<K, V>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(k, v)| (k, Arc::new(v))).collect())
    }
}
