//! The seats of shows that somebody looks at, followed once per show however many look.
//!
//! | module | holds |
//! |---|---|
//! | [`seats`] | the seats at one index, packed once for everybody |
//! | [`copy`] | updates in, states out; how old a copy can be |
//! | [`ring`] | the last events of a show; a viewer is a position in it |
//! | [`show`] | one show: state, age, ring, viewers |
//! | [`follow`] | which node is followed, and when the next one |
//! | [`viewer`] | one viewer's stream |
//! | [`events`] | the text of the events |
//! | [`judge`] | holds that the copy dooms |
//! | [`unsure`] | requests that are never answered from the copy |
//!
//! Owns: which shows are followed, and the bounds on viewers. Must never: change anything anywhere; it only watches.

pub mod bounds;
pub mod copy;
pub mod events;
mod follow;
pub mod judge;
pub mod metrics;
pub mod ring;
pub mod seats;
pub mod settings;
pub mod show;
pub mod unsure;
pub mod viewer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::settings::LiveSettings;
use self::show::LiveShow;
use self::unsure::Unsure;
use self::viewer::Places;
use crate::app::App;
use crate::clock;
use crate::metrics::Metrics;
use crate::upstream::{Peer, ShowPlace};

/// See the module's head.
#[derive(Debug)]
pub struct Live {
    settings: LiveSettings,
    /// Never held over an await.
    shows: Mutex<HashMap<u64, Arc<LiveShow>>>,
    viewers: Arc<Semaphore>,
    /// Requests that may have had an effect that no copy shows yet.
    pub unsure: Unsure,
    metrics: Arc<Metrics>,
    /// Ends every stream, to viewers and from nodes.
    drain: CancellationToken,
}

impl Live {
    /// Follows nothing yet.
    #[must_use]
    pub fn new(settings: LiveSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            viewers: Arc::new(Semaphore::new(settings.viewers_max)),
            settings,
            shows: Mutex::default(),
            unsure: Unsure::default(),
            metrics,
            drain: CancellationToken::new(),
        }
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &LiveSettings {
        &self.settings
    }

    fn shows(&self) -> MutexGuard<'_, HashMap<u64, Arc<LiveShow>>> {
        self.shows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places of the show were given back through this gateway: until its copy has log index `index`, nobody is refused from it.
    pub fn freed(&self, show_id: u64, index: u64) {
        if let Some(show) = self.shows().get(&show_id) {
            show.freed(index);
        }
    }

    /// Ends every stream: viewers are told to come back, and find another gateway.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stops following a show that is idle now as well; false when somebody has come meanwhile.
    fn let_go(&self, show: &Arc<LiveShow>) -> bool {
        let mut shows = self.shows();
        if !show.is_idle() {
            return false;
        }
        shows.remove(&show.place.show_id);
        let count = i64::try_from(shows.len()).unwrap_or(i64::MAX);
        self.metrics.live.shows.set(count);
        true
    }

    /// Places for one more viewer of `show`; `None` when there are too many.
    #[must_use]
    pub fn places(&self, show: &Arc<LiveShow>) -> Option<Places> {
        let gateway = Arc::clone(&self.viewers).try_acquire_owned().ok();
        let seated = show.seat(self.settings.viewers_per_show_max);
        match (seated, gateway) {
            (Some(seated), Some(gateway)) => {
                Some(Places::new(seated, gateway, Arc::clone(&self.metrics)))
            }
            _ => {
                self.metrics.live.viewers_refused.inc();
                None
            }
        }
    }

    /// Ends when the streams of viewers have to.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }
}

impl App {
    /// The show at `place`, followed from now on if it was not; `None` when as many are followed as may be, or at the end.
    pub fn live_show(self: &Arc<Self>, place: &ShowPlace) -> Option<Arc<LiveShow>> {
        let live = &self.live;
        let mut shows = live.shows();
        if let Some(show) = shows.get(&place.show_id) {
            show.wanted();
            return Some(Arc::clone(show));
        }
        if shows.len() >= live.settings.shows_max || live.drain.is_cancelled() {
            return None;
        }
        let show = Arc::new(LiveShow::new(place.clone()));
        shows.insert(place.show_id, Arc::clone(&show));
        let count = i64::try_from(shows.len()).unwrap_or(i64::MAX);
        live.metrics.live.shows.set(count);
        drop(shows);
        let following = follow::follow(Arc::clone(self), Arc::clone(&show), live.drain.clone());
        tokio::spawn(following);
        Some(show)
    }

    /// Nodes with a replica of the show, nearest first; those that failed just now last.
    fn replicas_near(&self, place: &ShowPlace) -> Vec<Arc<Peer>> {
        let now = clock::now();
        // Replicas move: the catalogue knows better than whoever opened the show.
        let known = self.catalogue.current().and_then(|catalogue| {
            let show = catalogue.shows.get(&place.show_id)?;
            Some((show.voters.clone(), show.learners.clone()))
        });
        let (voters, learners) = known.unwrap_or_else(|| (place.voters.clone(), Vec::new()));
        let peers = self.upstream.peers();
        let keeps = |peer: &&Arc<Peer>| {
            voters.is_empty() || voters.contains(&peer.id) || learners.contains(&peer.id)
        };
        let mut near: Vec<Arc<Peer>> = peers.iter().filter(keeps).cloned().collect();
        near.sort_by_key(|peer| !peer.health.is_well(now));
        near
    }
}
