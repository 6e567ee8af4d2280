//! The directory as the wire shows it.
//!
//! Owns: catalogue messages. Must never: leave the state's lock for another source.

use holdfast_node_api::v1;
use holdfast_raft::directory::{
    Changed, DirectoryState, EventRecord, NewPlan, NodeRecord, NodeState, PlanRecord, RegionRecord,
    RegionState, ShowRecord,
};
use holdfast_region_config::{NodeId, RegionId};

/// Everything, without its age.
pub(super) fn catalogue(directory: &DirectoryState) -> v1::Catalogue {
    v1::Catalogue {
        as_of: None,
        version: directory.version(),
        events: directory.events().values().map(|e| event(e)).collect(),
        shows: directory
            .shows_on_sale()
            .map(|record| show(record, directory))
            .collect(),
        buyer_indexes: directory
            .buyer_indexes()
            .map(|record| buyer_index(record))
            .collect(),
        plans: directory
            .plans()
            .values()
            .map(|record| plan_message(record))
            .collect(),
        nodes: directory
            .nodes()
            .iter()
            .map(|(id, record)| node(*id, record))
            .collect(),
        regions: directory
            .regions()
            .iter()
            .map(|(id, record)| region(id, record))
            .collect(),
        steering: Some(steering(directory)),
    }
}

fn steering(directory: &DirectoryState) -> v1::CatalogueSteering {
    v1::CatalogueSteering {
        overrides: super::cluster::steering::overrides(directory.steering()),
    }
}

/// Up to about `count_max` records that changed after version `since`, the oldest change first, without their age. A version
/// is never cut in two.
pub(super) fn changes(directory: &DirectoryState, since: u64, count_max: usize) -> v1::Catalogue {
    let mut piece = v1::Catalogue {
        version: directory.version(),
        ..v1::Catalogue::default()
    };
    let mut last = since;
    for (version, what) in directory.changes_since(since) {
        let small =
            piece.events.len() + piece.plans.len() + piece.nodes.len() + piece.regions.len();
        let count = piece.shows.len() + piece.buyer_indexes.len() + small;
        if count >= count_max && version > last {
            piece.version = last;
            break;
        }
        last = version;
        match what {
            Changed::Event(id) => piece
                .events
                .extend(directory.events().get(id).map(|e| event(e))),
            Changed::Plan(id) => piece
                .plans
                .extend(directory.plans().get(id).map(|p| plan_message(p))),
            Changed::Show(id) => match directory.shows().get(id) {
                Some(record) if record.group_id.is_buyer_index() => {
                    piece.buyer_indexes.push(buyer_index(record));
                }
                record => piece.shows.extend(record.map(|s| show(s, directory))),
            },
            Changed::Node(id) => piece
                .nodes
                .extend(directory.nodes().get(id).map(|n| node(*id, n))),
            Changed::Region(id) => piece
                .regions
                .extend(directory.regions().get(id).map(|r| region(id, r))),
            Changed::Steering => piece.steering = Some(steering(directory)),
            Changed::Settings => {}
        }
    }
    piece
}

fn buyer_index(record: &ShowRecord) -> v1::CatalogueIndex {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect();
    v1::CatalogueIndex {
        group_id: record.group_id.get(),
        jurisdiction: record
            .jurisdiction()
            .map(ToString::to_string)
            .unwrap_or_default(),
        home_region: record.show.home_region.to_string(),
        voters: ids(&record.voters),
        learners: ids(&record.learners),
    }
}

fn event(record: &EventRecord) -> v1::Event {
    v1::Event {
        event_id: record.event_id,
        slug: record.event.slug.clone(),
        name: record.event.name.clone(),
        category: record.event.category.clone(),
        description: record.event.description.clone(),
    }
}

fn node(id: NodeId, record: &NodeRecord) -> v1::CatalogueNode {
    v1::CatalogueNode {
        node_id: id.get(),
        region: record.registered.region.to_string(),
        addr: record.registered.addr.clone(),
        removed: record.state == NodeState::Removed,
        draining: matches!(record.state, NodeState::Draining | NodeState::Leaving),
    }
}

fn region(id: &RegionId, record: &RegionRecord) -> v1::CatalogueRegion {
    v1::CatalogueRegion {
        region: id.to_string(),
        evacuated: record.state == RegionState::Evacuated,
    }
}

fn plan_message(record: &PlanRecord) -> v1::Plan {
    let PlanRecord { plan_id, plan, .. } = record;
    v1::Plan {
        plan_id: *plan_id,
        slug: plan.slug.clone(),
        name: plan.name.clone(),
        seats: u32::try_from(plan.seats.len()).unwrap_or(u32::MAX),
        areas: u32::try_from(plan.areas.len()).unwrap_or(u32::MAX),
        places: places(plan),
    }
}

fn places(plan: &NewPlan) -> u64 {
    let standing: u64 = plan.areas.iter().map(|area| u64::from(area.capacity)).sum();
    plan.seats.len() as u64 + standing
}

/// A show's catalogue entry.
pub(super) fn show(record: &ShowRecord, directory: &DirectoryState) -> v1::Show {
    let show = &record.show;
    let plan = directory.plans().get(&show.plan_id);
    let prices = || show.price_minor.values().copied();
    v1::Show {
        show_id: record.show_id.get(),
        slug: show.slug.clone(),
        event_id: show.event_id,
        plan_id: show.plan_id,
        venue: show.venue.clone(),
        city: show.city.clone(),
        country: show.country.clone(),
        starts_at_ms: show.starts_at_ms,
        time_zone: show.time_zone.clone(),
        local_date: show.local_date.clone(),
        local_time: show.local_time.clone(),
        home_region: show.home_region.to_string(),
        group_id: record.group_id.get(),
        voters: record.voters.iter().map(|node| node.get()).collect(),
        learners: record.learners.iter().map(|node| node.get()).collect(),
        currency: show.currency.to_string(),
        places: plan.map_or(0, |record| places(&record.plan)),
        price_minor_min: prices().min().unwrap_or_default(),
        price_minor_max: prices().max().unwrap_or_default(),
    }
}
