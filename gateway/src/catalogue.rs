//! Events and shows as last heard from the nearest node that answers.
//!
//! Owns: the copy, its age, and the task that keeps it fresh. When cut off it goes on serving what it has and says how old
//! that is. Must never: be written to by a request.

pub mod search;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_node_api::v1::{self, GetCatalogueRequest, WatchCatalogueRequest};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::app::App;
use crate::upstream::{Peer, ShowPlace};
use crate::{clock, limits};

/// One state of the catalogue.
#[derive(Debug)]
pub struct Snapshot {
    /// Applied log index of the directory.
    pub index: u64,
    /// Changes of the directory so far.
    pub version: u64,
    /// By id.
    pub events: BTreeMap<u64, v1::Event>,
    /// By id.
    pub shows: BTreeMap<u64, v1::Show>,
    /// Plan names by id.
    pub plans: BTreeMap<u64, String>,
    age_when_heard: Duration,
    heard_at: Instant,
}

impl Snapshot {
    /// The catalogue `heard` just now.
    #[must_use]
    pub fn new(heard: v1::Catalogue) -> Self {
        let as_of = heard.as_of.unwrap_or_default();
        Self {
            index: as_of.index,
            version: heard.version,
            events: heard
                .events
                .into_iter()
                .map(|event| (event.event_id, event))
                .collect(),
            shows: heard
                .shows
                .into_iter()
                .map(|show| (show.show_id, show))
                .collect(),
            plans: heard
                .plans
                .into_iter()
                .map(|plan| (plan.plan_id, plan.name))
                .collect(),
            age_when_heard: Duration::from_millis(as_of.age_ms),
            heard_at: clock::now(),
        }
    }

    /// How long ago this was known to be current, ms.
    #[must_use]
    pub fn age_ms(&self) -> u64 {
        let age = self.age_when_heard + self.heard_at.elapsed();
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Where show `show_id` is; `None` when there is no such show.
    #[must_use]
    pub fn place(&self, show_id: u64) -> Option<ShowPlace> {
        self.shows.get(&show_id).map(|show| ShowPlace {
            show_id,
            home_region: show.home_region.clone(),
            voters: show.voters.clone(),
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

    fn replace(&self, snapshot: Snapshot) {
        // Another node may be behind the one that was asked before: never go back.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_none_or(|old| old.version <= snapshot.version)
        {
            *current = Some(Arc::new(snapshot));
        }
    }
}

/// Keeps the copy fresh until `stop`: follows the nearest node that answers, moves on when it does not.
pub async fn keep_fresh(app: Arc<App>, stop: CancellationToken) {
    loop {
        for peer in app.upstream.peers() {
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

/// Follows one node: the whole catalogue now, again at each change, and again before its age becomes a guess.
async fn follow(app: &App, peer: &Peer) -> Result<(), Status> {
    let asked = clock::now();
    let first = fetch(app, peer).await?;
    let mut took = asked.elapsed();
    tracing::info!(node = peer.id, version = first, "catalogue heard");
    let watch = peer.client.directory();
    let mut watch = watch;
    let mut changes = within(watch.watch_catalogue(WatchCatalogueRequest {}))
        .await?
        .into_inner();
    let mut known = first;
    loop {
        // Changes that come meanwhile are heard together.
        tokio::time::sleep(rest_after(took)).await;
        match tokio::time::timeout(limits::CATALOGUE_REFRESH, changes.message()).await {
            Ok(message) => match message? {
                Some(change) if change.version <= known => continue,
                Some(_) => {}
                None => return Ok(()),
            },
            Err(_quiet) => {}
        }
        let asked = clock::now();
        known = fetch(app, peer).await?;
        took = asked.elapsed();
    }
}

/// How long to rest after a fetch that took `took`. The catalogue comes as a whole: while a season of thousands of shows
/// is being made it changes all the time, and fetching it at every change would take all that node and gateway have.
fn rest_after(took: Duration) -> Duration {
    (took * limits::CATALOGUE_REST_FACTOR)
        .clamp(limits::CATALOGUE_REST_MIN, limits::CATALOGUE_REST_MAX)
}

async fn fetch(app: &App, peer: &Peer) -> Result<u64, Status> {
    let mut directory = peer.client.directory();
    let heard = within(directory.get_catalogue(GetCatalogueRequest { read: None })).await?;
    let snapshot = Snapshot::new(heard.into_inner());
    let version = snapshot.version;
    app.catalogue.replace(snapshot);
    Ok(version)
}

async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(limits::READ_BUDGET, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(version: u64) -> Snapshot {
        Snapshot::new(v1::Catalogue {
            version,
            ..v1::Catalogue::default()
        })
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
    fn a_large_catalogue_is_fetched_less_often_and_never_left_for_long() {
        let millis = Duration::from_millis;
        assert_eq!(rest_after(millis(1)), limits::CATALOGUE_REST_MIN);
        assert_eq!(rest_after(millis(40)), millis(360));
        assert_eq!(rest_after(millis(5_000)), limits::CATALOGUE_REST_MAX);
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
