//! Events and shows as last heard from the nearest node that answers.
//!
//! Owns: the copy, its age, and the task that keeps it fresh. When cut off it goes on serving what it has and says how old
//! that is. Must never: be written to by a request.

pub mod search;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_node_api::v1::{self, WatchCatalogueRequest};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::app::App;
use crate::upstream::{Peer, ShowPlace};
use crate::{clock, limits};

/// One state of the catalogue. Records are shared between states: one that differs in a show copies pointers.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Applied log index of the directory.
    pub index: u64,
    /// Changes of the directory so far.
    pub version: u64,
    /// By id.
    pub events: BTreeMap<u64, Arc<v1::Event>>,
    /// By id.
    pub shows: BTreeMap<u64, Arc<v1::Show>>,
    /// Indexes of buyers, by group.
    pub buyer_indexes: BTreeMap<u64, v1::CatalogueIndex>,
    /// Plan names by id.
    pub plans: BTreeMap<u64, Arc<str>>,
    /// Nodes that have announced themselves, by id.
    pub nodes: BTreeMap<u64, Arc<v1::CatalogueNode>>,
    /// What DNS is told, whatever it measures; ended overrides may be among them.
    pub steering: Vec<v1::SteeringOverride>,
    /// What is wanted of regions that were ever anything but serving, by id.
    pub regions: BTreeMap<String, v1::CatalogueRegion>,
    /// Shows of each event.
    shows_by_event: BTreeMap<u64, Vec<u64>>,
    age_when_heard: Duration,
    heard_at: Instant,
}

impl Snapshot {
    /// The catalogue `heard` just now.
    #[must_use]
    pub fn new(heard: v1::Catalogue) -> Self {
        let nothing = Self {
            index: 0,
            version: 0,
            events: BTreeMap::new(),
            shows: BTreeMap::new(),
            buyer_indexes: BTreeMap::new(),
            plans: BTreeMap::new(),
            nodes: BTreeMap::new(),
            steering: Vec::new(),
            regions: BTreeMap::new(),
            shows_by_event: BTreeMap::new(),
            age_when_heard: Duration::ZERO,
            heard_at: clock::now(),
        };
        nothing.with(heard)
    }

    /// This one with a piece that was heard just now.
    #[must_use]
    pub fn with(mut self, heard: v1::Catalogue) -> Self {
        let as_of = heard.as_of.unwrap_or_default();
        for event in heard.events {
            self.events.insert(event.event_id, Arc::new(event));
        }
        for plan in heard.plans {
            self.plans.insert(plan.plan_id, plan.name.into());
        }
        for index in heard.buyer_indexes {
            self.buyer_indexes.insert(index.group_id, index);
        }
        for node in heard.nodes {
            self.nodes.insert(node.node_id, Arc::new(node));
        }
        if let Some(steering) = heard.steering {
            self.steering = steering.overrides;
        }
        for region in heard.regions {
            self.regions.insert(region.region.clone(), region);
        }
        for show in heard.shows {
            let (show_id, event_id) = (show.show_id, show.event_id);
            if self.shows.insert(show_id, Arc::new(show)).is_none() {
                self.shows_by_event
                    .entry(event_id)
                    .or_default()
                    .push(show_id);
            }
        }
        self.index = as_of.index;
        self.version = heard.version;
        self.age_when_heard = Duration::from_millis(as_of.age_ms);
        self.heard_at = clock::now();
        self
    }

    /// All shows of an event, in no particular order.
    pub fn shows_of(&self, event_id: u64) -> impl Iterator<Item = &v1::Show> {
        let ids = self.shows_by_event.get(&event_id).into_iter().flatten();
        ids.filter_map(|id| self.shows.get(id)).map(Arc::as_ref)
    }

    /// How long ago this was known to be current, ms.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        let age = self.age_when_heard + self.heard_at.elapsed();
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether region `id` is to get nothing new: an operator moved its leaders elsewhere.
    #[must_use]
    pub fn is_drained(&self, id: &str) -> bool {
        self.regions.get(id).is_some_and(|region| region.evacuated)
    }

    /// Where show `show_id` is; `None` when there is no such show.
    #[must_use]
    pub fn place(&self, show_id: u64) -> Option<ShowPlace> {
        self.shows.get(&show_id).map(|show| ShowPlace {
            show_id,
            home_region: show.home_region.clone(),
            voters: show.voters.clone(),
            learners: show.learners.clone(),
        })
    }
}

/// The copy; `None` before the first.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Guards the pointer only; never held over an await.
    current: RwLock<Option<Arc<Snapshot>>>,
}

impl Catalogue {
    /// The latest state, when there has been one.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[cfg(test)]
    pub(crate) fn hear(&self, heard: v1::Catalogue) {
        self.replace(Arc::new(Snapshot::new(heard)));
    }

    fn replace(&self, snapshot: Arc<Snapshot>) {
        // Another node may be behind the one that was asked before: never go back.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_none_or(|old| old.version <= snapshot.version)
        {
            *current = Some(snapshot);
        }
    }
}

/// Keeps the copy fresh until `stop`: follows the nearest node that answers, moves on when it does not.
pub async fn keep_fresh(app: Arc<App>, stop: CancellationToken) {
    loop {
        for peer in app.upstream.peers().iter() {
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = follow(&app, peer) => {
                    let status = outcome.err().unwrap_or_else(|| Status::unavailable("the node ended the watch"));
                    tracing::debug!(node = peer.id, %status, "catalogue not followed any more");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::CATALOGUE_RETRY) => {}
        }
    }
}

/// Follows one node: what is missing here now, and each change as it comes. A copy that is complete up to a version goes on
/// from there, whichever node it was from.
async fn follow(app: &App, peer: &Peer) -> Result<(), Status> {
    let since_version = app.catalogue.current().map_or(0, |known| known.version);
    let mut directory = peer.client.directory();
    let watching = directory.watch_catalogue(WatchCatalogueRequest { since_version });
    let mut changes = within(watching).await?.into_inner();
    let mut building = app.catalogue.current();
    let mut announced = false;
    loop {
        let piece = tokio::time::timeout(limits::CATALOGUE_SILENCE_MAX, changes.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the node fell silent"))??;
        let Some(piece) = piece else { return Ok(()) };
        let (version, tells_of_nodes) = (piece.version, !piece.nodes.is_empty());
        let next = match building {
            Some(known) => Arc::unwrap_or_clone(known).with(piece),
            None => Snapshot::new(piece),
        };
        let next = Arc::new(next);
        building = Some(Arc::clone(&next));
        let nodes = tells_of_nodes.then(|| next.nodes.values().cloned().collect::<Vec<_>>());
        app.catalogue.replace(next);
        if let Some(nodes) = nodes {
            app.upstream.heard_of(&nodes).await;
        }
        if !std::mem::replace(&mut announced, true) {
            tracing::info!(node = peer.id, version, "catalogue heard");
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(limits::READ_BUDGET, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(version: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot::new(v1::Catalogue {
            version,
            ..v1::Catalogue::default()
        }))
    }

    #[test]
    fn a_piece_changes_what_it_names_and_keeps_the_rest() {
        let show = |show_id, city: &str| v1::Show {
            show_id,
            event_id: 1,
            city: city.to_owned(),
            ..v1::Show::default()
        };
        let piece = |version, shows| v1::Catalogue {
            version,
            shows,
            ..v1::Catalogue::default()
        };
        let first = Snapshot::new(piece(2, vec![show(1, "Porto"), show(2, "Oslo")]));
        let second = first.clone().with(piece(3, vec![show(2, "Bergen")]));
        assert_eq!(second.version, 3);
        assert_eq!(first.shows[&2].city, "Oslo", "a reader keeps what it has");
        let cities: Vec<&str> = second.shows_of(1).map(|s| s.city.as_str()).collect();
        assert_eq!(cities, ["Porto", "Bergen"]);
    }

    #[test]
    fn a_node_that_is_behind_does_not_take_the_catalogue_back() {
        let catalogue = Catalogue::default();
        assert!(catalogue.current().is_none());
        catalogue.replace(heard(5));
        catalogue.replace(heard(4));
        assert_eq!(catalogue.current().unwrap().version, 5);
        catalogue.replace(heard(6));
        assert_eq!(catalogue.current().unwrap().version, 6);
    }

    #[test]
    fn age_counts_what_the_node_said_and_the_time_since() {
        let as_of = v1::AsOf {
            index: 1,
            age_ms: 40_000,
            linearizable: false,
        };
        let snapshot = Snapshot::new(v1::Catalogue {
            as_of: Some(as_of),
            ..Default::default()
        });
        assert!((40_000..50_000).contains(&snapshot.age_ms()));
    }
}
