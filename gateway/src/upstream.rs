//! The ways to the nodes: which is asked, in what order, and the one safe retry.
//!
//! ```text
//! read   best node ─(late)─► the next one too; ─(trouble)─► the next one …  within the read budget
//! write  leader as remembered ─(not leader: hint)─► hinted node           within the write budget,
//!            └─(trouble)─► other voters, near first ─► pause ─► again     always the same caller and key
//! ```
//!
//! Owns: node clients, their health as seen from here, for all shows and for each, remembered leaders. Must never: change a
//! request between tries, or call an outcome definite while an earlier try may still happen.

pub mod health;
pub mod own;
mod peers;
pub mod read;
pub mod route;
pub mod show_health;
pub mod survey;
pub mod watch;
pub mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_node_api::v1;
use holdfast_region_config::ids::RegionId;
use holdfast_region_config::topology::Topology;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::limits;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::routing::Router;
use crate::routing::budget::{self, Budget};

use self::peers::Peers;
pub use self::peers::{Peer, UpstreamSetupError};
use self::show_health::{ShowHealth, ShowTroubles};

/// Where a show's leader is likely to be, from the catalogue.
#[derive(Debug, Clone, Default)]
pub struct ShowPlace {
    /// The show.
    pub show_id: u64,
    /// Where its leader should be.
    pub home_region: String,
    /// Nodes that may lead it.
    pub voters: Vec<u64>,
    /// Nodes that follow it and never lead it.
    pub learners: Vec<u64>,
}

/// Why the nodes gave no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// Published code.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// When to come back, when a node said.
    pub retry_after: Option<Duration>,
    /// The field at fault, when the request is.
    pub field: String,
}

impl ShowPlace {
    /// Whether `node` has a replica; every node may, while nobody knows.
    fn may_be_at(&self, node: u64) -> bool {
        let unknown = self.voters.is_empty() && self.learners.is_empty();
        unknown || self.voters.contains(&node) || self.learners.contains(&node)
    }
}

impl UpstreamError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
            field: String::new(),
        }
    }
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        let problem = if error.field.is_empty() {
            Self::new(error.code, error.message)
        } else {
            Self::field(error.code, &error.field, error.message)
        };
        match error.retry_after {
            Some(after) => problem.retry_after(after),
            None => problem,
        }
    }
}

/// All nodes, nearest first, and what is known about them.
#[derive(Debug)]
pub struct Upstream {
    peers: Peers,
    /// Which region goes first.
    router: Router,
    read_retries: Budget,
    write_retries: Budget,
    hedges: Budget,
    /// Which node cannot serve which show.
    show_troubles: ShowTroubles,
    /// Show → node that last took a write of it. Never held over an await.
    leaders: Mutex<HashMap<u64, u64>>,
    /// Show → highest log index a write through this gateway got: a later read here must see it.
    written: Mutex<HashMap<u64, u64>>,
    write_budget: Duration,
    read_budget: Duration,
    metrics: Arc<Metrics>,
}

impl Upstream {
    /// Clients of every node of `topology`, which was read from the configured file. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be one.
    pub fn new(
        topology: Topology,
        config: &Config,
        metrics: Arc<Metrics>,
    ) -> Result<Self, UpstreamSetupError> {
        Ok(Self {
            peers: Peers::new(topology, config)?,
            router: Router::default(),
            read_retries: Budget::new(budget::READ_RETRIES),
            write_retries: Budget::new(budget::WRITE_RETRIES),
            hedges: Budget::new(budget::HEDGES),
            show_troubles: ShowTroubles::default(),
            leaders: Mutex::default(),
            written: Mutex::default(),
            write_budget: Duration::from_millis(config.limits.write_budget_ms),
            read_budget: Duration::from_millis(config.limits.read_budget_ms),
            metrics,
        })
    }

    /// The topology as last read.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.peers.topology()
    }

    /// Every node now, nearest first.
    #[must_use]
    pub fn peers(&self) -> Arc<Vec<Arc<Peer>>> {
        self.peers.now()
    }

    /// The region that this gateway stands in.
    #[must_use]
    pub fn region(&self) -> &RegionId {
        self.peers.region()
    }

    /// The directory told of nodes: from now on those are asked too, and those that were removed are not.
    pub async fn heard_of(&self, nodes: &[Arc<v1::CatalogueNode>]) {
        self.peers.heard_of(nodes).await;
    }

    /// Reads the topology file again; one that makes no sense changes nothing.
    pub async fn read_topology_again(&self) {
        self.peers.read_again().await;
    }

    /// Keeps a stream open to every node until `stop`, so that no buyer pays for a connection across an ocean.
    pub async fn keep_streams_open(self: Arc<Self>, stop: CancellationToken) {
        let mut round = tokio::time::interval(limits::STREAM_LOOK_INTERVAL);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = round.tick() => self.peers().iter().for_each(|peer| peer.client.pipe().open_early()),
            }
        }
    }

    fn peer(&self, id: u64) -> Option<Arc<Peer>> {
        self.peers().iter().find(|peer| peer.id == id).cloned()
    }

    /// The choice of region as it stands.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// All nodes in the order of the choice of region: those that answer first, then those that may again, then the rest (if
    /// all look dead, still try). Of those alike, the ones last that cannot serve show `show_id` by their own word.
    #[must_use]
    pub fn near(&self, show_id: u64) -> Vec<u64> {
        let now = crate::clock::now();
        let peers = self.peers();
        let ids = peers.iter().map(|peer| peer.id);
        let ill = self.show_troubles.asked_last(show_id, ids, now);
        let mut order: Vec<_> = peers
            .iter()
            .map(|peer| (peer.health.circuit(now), ill.contains(&peer.id), peer.id))
            .collect();
        // Stable: within a state the order of the list stays, and that is the choice's.
        order.sort_by_key(|(circuit, ill, _)| (*circuit, *ill));
        order.into_iter().map(|(.., id)| id).collect()
    }

    /// What `node` can do for show `show_id` at `now` by its own word, and how long ago it said so. One that said nothing lately
    /// is good.
    #[must_use]
    pub fn show_health(
        &self,
        show_id: u64,
        node: u64,
        now: Instant,
    ) -> (ShowHealth, Option<Duration>) {
        match self.show_troubles.of(show_id, node, now) {
            Some((health, since)) => (health, Some(since)),
            None => (ShowHealth::Good, None),
        }
    }

    fn is_good_for(&self, show_id: u64, node: u64, now: Instant) -> bool {
        self.show_troubles.of(show_id, node, now).is_none()
    }

    /// The node believed to lead `place`: the last one that did, else the voter at home. Nobody when that node did not
    /// answer just now, or said that it cannot serve this show: those near here know better who leads.
    fn leader_guess(&self, place: &ShowPlace) -> Option<u64> {
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        let guess = leaders.get(&place.show_id).copied().or_else(|| {
            let at_home = |id: &&u64| {
                self.peer(**id)
                    .is_some_and(|peer| peer.region.as_str() == place.home_region)
            };
            place.voters.iter().find(at_home).copied()
        });
        let now = crate::clock::now();
        let well = |id: &u64| self.peer(*id).is_some_and(|peer| peer.health.is_well(now));
        guess.filter(|id| well(id) && self.is_good_for(place.show_id, *id, now))
    }

    /// Who leads `place` as far as it is known here, whether it answers or not.
    #[must_use]
    pub fn leader_known(&self, place: &ShowPlace) -> Option<(Arc<Peer>, bool)> {
        let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        let known = leaders.get(&place.show_id).copied();
        drop(leaders);
        if let Some(peer) = known.and_then(|id| self.peer(id)) {
            return Some((peer, true));
        }
        let mut voters = place.voters.iter().filter_map(|id| self.peer(*id));
        let home = voters.find(|peer| peer.region.as_str() == place.home_region);
        home.map(|peer| (peer, false))
    }

    fn remember_leader(&self, show_id: u64, node: u64) {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        if leaders.len() >= limits::LEADERS_REMEMBERED_MAX && !leaders.contains_key(&show_id) {
            // Cheap and rare: guesses from the catalogue replace what is forgotten.
            leaders.clear();
        }
        leaders.insert(show_id, node);
    }

    fn forget_leader(&self, show_id: u64, node: u64) {
        let mut leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        if leaders.get(&show_id) == Some(&node) {
            leaders.remove(&show_id);
        }
    }

    fn remember_written(&self, show_id: u64, index: u64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() >= limits::LEADERS_REMEMBERED_MAX && !written.contains_key(&show_id) {
            written.clear();
        }
        let highest = written.entry(show_id).or_default();
        *highest = index.max(*highest);
    }

    /// The index a read through this gateway should at least see; 0 when nothing was written here.
    #[must_use]
    pub fn written_index(&self, show_id: u64) -> u64 {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(&show_id).copied().unwrap_or(0)
    }
}
