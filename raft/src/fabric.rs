//! What joins this node to the others: links, the tasks that keep them up, and what is known through them.
//!
//! Owns: who can be reached, who is alive, who leads what. Must never: know what groups say to each other.
//!
//! [`liveness`] has the rules, [`claims`] who leads what, [`board`] the one copy of both, [`announce`] tells the others.

pub(crate) mod announce;
pub(crate) mod board;
pub(crate) mod claims;
pub(crate) mod clocks;
pub(crate) mod disks;
pub(crate) mod liveness;
mod orphans;
pub(crate) mod wall_clocks;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use holdfast_region_config::{Node, NodeId, RegionId, Topology};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::StartError;
use crate::fabric::announce::Announcer;
use crate::fabric::board::Board;
use crate::transport::client::{Dialler, reachable};
use crate::transport::dial::{BadAddress, Dial};
use crate::transport::link::Link;
use crate::transport::network::{PeerRoute, Routes};

/// How often silence is looked for: a quarter of a ping interval.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// One other node as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The node.
    pub node: NodeId,
    /// Its region.
    pub region: RegionId,
    /// How this node dials it.
    pub addr: String,
    /// Time since anything came from it, ms; `None` = never.
    pub last_heard_ms: Option<u64>,
    /// Connected and heard lately.
    pub reachable: bool,
    /// Its pings are answered; a node that is not is taken over.
    pub alive: bool,
    /// Silence after which it would not be `alive`, ms; grows with the irregularity of its answers.
    pub patience_ms: u64,
}

struct Peer {
    route: PeerRoute,
    region: RegionId,
    addr: String,
    /// Ends the dialling of this one.
    stop: CancellationToken,
}

pub(crate) struct Fabric {
    cluster: String,
    node: NodeId,
    pub(crate) board: Arc<Board>,
    announcer: Announcer,
    dial: Arc<dyn Dial>,
    /// Guards the map; held for a lookup or a change, never across an await.
    peers: RwLock<BTreeMap<NodeId, Peer>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Fabric {
    /// Starts dialling every other node of the topology; everything ends with `stop`.
    pub(crate) fn start(
        topology: &Topology,
        board: Board,
        node: NodeId,
        dial: Arc<dyn Dial>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, StartError> {
        let fabric = Arc::new(Self {
            cluster: topology.cluster.clone(),
            node,
            board: Arc::new(board),
            announcer: Announcer::default(),
            dial,
            peers: RwLock::default(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        });
        for other in topology.nodes.iter().filter(|other| other.id != node) {
            fabric.add_peer(topology, other)?;
        }
        let tasks = &fabric.tasks;
        tasks.spawn(Arc::clone(&fabric).announce(stop.clone()));
        tasks.spawn(Arc::clone(&fabric).look_for_silence(stop.clone()));
        Ok(fabric)
    }

    /// Starts dialling a node, anew when its address is another one now.
    pub(crate) fn add_peer(&self, topology: &Topology, other: &Node) -> Result<(), StartError> {
        let here = topology
            .region_of(self.node)
            .ok_or(StartError::UnknownNode { node: self.node })?;
        self.drop_link(other.id);
        self.board.watch_node(other.id);
        self.announcer.watch_peer(other.id);
        let rtt = topology.rtt.between(here, &other.region);
        let link = Link::new(other.id, rtt, Arc::clone(&self.board) as _);
        let dialler = Dialler {
            cluster: self.cluster.clone(),
            from: self.node,
            addr: other.addr.clone(),
            link: Arc::clone(&link),
        };
        let bad = |e: BadAddress| StartError::Address {
            reason: e.to_string(),
        };
        let channel = self.dial.channel(&dialler.address()).map_err(bad)?;
        let stop = self.stop.child_token();
        self.tasks
            .spawn(dialler.run(Arc::clone(&channel), stop.clone()));
        let peer = Peer {
            route: PeerRoute { link, channel },
            region: other.region.clone(),
            addr: other.addr.clone(),
            stop,
        };
        self.write().insert(other.id, peer);
        Ok(())
    }

    /// Dials exactly the other nodes of `topology` from now on: those that are new or have another address or distance anew,
    /// those that it does not have no more.
    pub(crate) fn follow(&self, topology: &Topology) -> Result<(), StartError> {
        let here = topology.region_of(self.node);
        let here = here.ok_or(StartError::UnknownNode { node: self.node })?;
        for other in topology.nodes.iter().filter(|other| other.id != self.node) {
            let rtt = topology.rtt.between(here, &other.region);
            let is_same =
                |peer: &Peer| peer.addr == other.addr && peer.route.link.rtt_expected() == rtt;
            if !self.read(|peers| peers.get(&other.id).is_some_and(is_same)) {
                self.add_peer(topology, other)?;
            }
        }
        let known: Vec<NodeId> = self.read(|peers| peers.keys().copied().collect());
        for gone in known
            .into_iter()
            .filter(|node| topology.node(*node).is_none())
        {
            self.remove_peer(gone);
        }
        Ok(())
    }

    /// Stops dialling a node that has left the topology. What it claimed to lead is nobody's.
    pub(crate) fn remove_peer(&self, node: NodeId) {
        self.drop_link(node);
        self.announcer.forget_peer(node);
        self.board.forget_node(node);
    }

    fn drop_link(&self, node: NodeId) {
        if let Some(peer) = self.write().remove(&node) {
            peer.stop.cancel();
        }
    }

    /// Waits until everything started here has ended, after `stop`.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<NodeId, Peer>> {
        self.peers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<R>(&self, f: impl FnOnce(&BTreeMap<NodeId, Peer>) -> R) -> R {
        f(&self.peers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All links, by peer.
    pub(crate) fn links(&self) -> Vec<(NodeId, Arc<Link>)> {
        self.read(|peers| {
            let links = peers.iter();
            links
                .map(|(node, peer)| (*node, Arc::clone(&peer.route.link)))
                .collect()
        })
    }

    /// The link to one peer.
    pub(crate) fn link(&self, node: NodeId) -> Option<Arc<Link>> {
        self.read(|peers| peers.get(&node).map(|peer| Arc::clone(&peer.route.link)))
    }

    pub(crate) fn rtt_to(&self, node: NodeId) -> Duration {
        self.link(node).map_or(Duration::ZERO, |link| link.rtt())
    }

    pub(crate) fn is_reachable(&self, node: NodeId) -> bool {
        self.link(node).is_some_and(|link| reachable(&link)) && self.board.is_heard(node)
    }

    pub(crate) fn status(&self) -> Vec<PeerStatus> {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.read(|peers| {
            let status = peers.iter().map(|(node, peer)| PeerStatus {
                node: *node,
                region: peer.region.clone(),
                addr: peer.addr.clone(),
                last_heard_ms: peer.route.link.last_heard().map(|at| ms(at.elapsed())),
                reachable: reachable(&peer.route.link),
                alive: self.board.is_heard(*node),
                patience_ms: ms(self.board.silence(*node).1),
            });
            status.collect()
        })
    }

    /// Notes who has fallen silent until `stop`; tells the others at once, because it takes a majority to act.
    async fn look_for_silence(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let late = Instant::now().saturating_duration_since(due);
            due = Instant::now() + LOOK_INTERVAL;
            if self.board.look(late) {
                for (_, link) in self.links() {
                    link.ping();
                }
            }
            if self.links().iter().any(|(_, link)| link.take_news()) {
                self.announcer.wake();
            }
        }
    }
}

impl Routes for Fabric {
    fn route(&self, node: u64) -> Option<PeerRoute> {
        self.read(|peers| peers.get(&NodeId::new(node)).map(|peer| peer.route.clone()))
    }

    fn cluster(&self) -> &str {
        &self.cluster
    }
}
