//! The network between simulated machines: frames on their way, and what can happen to them there.
//!
//! Owns: every connection, when a frame arrives, who cannot reach whom. Like TCP it keeps the frames of a session in order and
//! loses them only with the connection; unlike TCP it may let sessions overtake each other and repeat a call, which the protocol
//! must bear. Must never: be asked from two threads.

mod connection;
mod dial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_region_config::NodeId;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::runtime::Handle;

use self::connection::{Connection, End};
pub(super) use self::dial::SimulatedDial;
use super::witness::Witness;
use crate::transport::server::PeerServer;
use crate::transport::wire::pb;

/// Where a machine's peers are served.
struct Listener {
    server: PeerServer,
    runtime: Handle,
}

/// What arrives.
enum Parcel {
    /// A new connection, at the server's end.
    Open,
    /// The server took it, back at the client's.
    Accepted(Result<(), String>),
    Frame(pb::Frame),
    Part(pb::SnapshotPart),
    /// The answer to a snapshot.
    Installed(Result<pb::SnapshotReply, String>),
    /// The sender has closed its direction.
    Closed,
}

struct InFlight {
    connection: u64,
    /// Which end gets it.
    to: End,
    parcel: Parcel,
}

/// What the network does to what it carries, now.
#[derive(Debug, Clone, Default)]
pub(super) struct Weather {
    /// (from, to) pairs that let nothing through.
    pub(super) cut: BTreeSet<(NodeId, NodeId)>,
    /// Additional one-way delay up to this, ms.
    pub(super) jitter_ms: BTreeMap<(NodeId, NodeId), u64>,
    /// Sessions may overtake each other.
    pub(super) reorder: bool,
    /// Calls that arrive twice, per thousand.
    pub(super) duplicate_permille: u32,
}

struct State {
    now_ms: u64,
    random: StdRng,
    /// One-way, ms.
    distance_ms: BTreeMap<(NodeId, NodeId), u64>,
    weather: Weather,
    listeners: BTreeMap<NodeId, Listener>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    next_parcel: u64,
    in_flight: BTreeMap<(u64, u64), InFlight>,
    /// What waits at a cut, by direction; sent on when it heals, as TCP would.
    held: BTreeMap<(NodeId, NodeId), Vec<InFlight>>,
    frames_delivered: u64,
}

/// The network; clones share it.
#[derive(Clone)]
pub(super) struct Network {
    state: Arc<Mutex<State>>,
    witness: Arc<Witness>,
}

impl Network {
    pub(super) fn new(
        seed: u64,
        distance_ms: BTreeMap<(NodeId, NodeId), u64>,
        witness: Arc<Witness>,
    ) -> Self {
        let state = State {
            now_ms: 0,
            random: StdRng::seed_from_u64(seed),
            distance_ms,
            weather: Weather::default(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            next_parcel: 1,
            in_flight: BTreeMap::new(),
            held: BTreeMap::new(),
            frames_delivered: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            witness,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine serves its peers from now on.
    pub(super) fn listen(&self, node: NodeId, server: PeerServer, runtime: Handle) {
        let listener = Listener { server, runtime };
        self.state().listeners.insert(node, listener);
    }

    /// The machine is gone. Its peers hear of it (`loud`), or only silence.
    pub(super) fn unplug(&self, node: NodeId, loud: bool) {
        let mut state = self.state();
        state.listeners.remove(&node);
        let of_node = |c: &Connection| c.client == node || c.server == node;
        if loud {
            state.connections.retain(|_, c| !of_node(c));
        } else {
            for connection in state.connections.values_mut().filter(|c| of_node(c)) {
                connection.lose(node);
            }
        }
    }

    /// Breaks every connection between two machines.
    pub(super) fn break_connections(&self, one: NodeId, other: NodeId) {
        let between = |c: &Connection| {
            (c.client == one && c.server == other) || (c.client == other && c.server == one)
        };
        self.state().connections.retain(|_, c| !between(c));
    }

    /// Changes the weather; what waits at a cut that is no more goes on its way.
    pub(super) fn set_weather(&self, weather: Weather) {
        let mut state = self.state();
        state.weather = weather;
        let healed: Vec<_> = state
            .held
            .keys()
            .filter(|pair| !state.weather.cut.contains(pair))
            .copied()
            .collect();
        for pair in healed {
            for parcel in state.held.remove(&pair).unwrap_or_default() {
                let due_ms = state.now_ms + state.distance_ms.get(&pair).copied().unwrap_or(1);
                state.launch(due_ms, parcel);
            }
        }
    }

    pub(super) fn frames_delivered(&self) -> u64 {
        self.state().frames_delivered
    }

    /// Delivers everything that is due.
    pub(super) fn deliver(&self, now_ms: u64) {
        self.state().now_ms = now_ms;
        loop {
            let mut state = self.state();
            let Some((&key, _)) = state.in_flight.first_key_value() else {
                return;
            };
            if key.0 > now_ms {
                return;
            }
            let Some(parcel) = state.in_flight.remove(&key) else {
                return;
            };
            state.arrive(self, parcel);
        }
    }

    /// Takes what the machines have sent since.
    pub(super) fn collect(&self) {
        let mut state = self.state();
        let ids: Vec<u64> = state.connections.keys().copied().collect();
        for id in ids {
            state.collect_from(id, &self.witness);
        }
    }

    fn answer(&self, id: u64, to: End, parcel: Parcel) {
        self.state().send(id, to, parcel);
    }
}

impl State {
    fn launch(&mut self, due_ms: u64, parcel: InFlight) {
        let number = self.next_parcel;
        self.next_parcel += 1;
        self.in_flight.insert((due_ms, number), parcel);
    }

    /// Sends `parcel` over connection `id` towards the end `to`.
    fn send(&mut self, id: u64, to: End, parcel: Parcel) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let pair = connection.direction(to);
        let jitter_ms = self
            .weather
            .jitter_ms
            .get(&pair)
            .copied()
            .unwrap_or_default();
        let delay_ms = self.distance_ms.get(&pair).copied().unwrap_or(1)
            + self.random.random_range(0..=1 + jitter_ms);
        let session = match (&parcel, self.weather.reorder) {
            (Parcel::Frame(frame), true) => frame.session,
            _ => 0,
        };
        let due_ms = connection.in_order(to, session, self.now_ms + delay_ms.max(1));
        let again = match &parcel {
            Parcel::Frame(frame)
                if to == End::Server
                    && is_call(frame)
                    && self
                        .random
                        .random_ratio(self.weather.duplicate_permille, 1_000) =>
            {
                Some(Parcel::Frame(frame.clone()))
            }
            _ => None,
        };
        let in_flight = |parcel| InFlight {
            connection: id,
            to,
            parcel,
        };
        self.launch(due_ms, in_flight(parcel));
        if let Some(again) = again {
            let later_ms = due_ms + self.random.random_range(1..200);
            self.launch(later_ms, in_flight(again));
        }
    }

    fn arrive(&mut self, network: &Network, in_flight: InFlight) {
        let Some(connection) = self.connections.get_mut(&in_flight.connection) else {
            return;
        };
        let pair = connection.direction(in_flight.to);
        if self.weather.cut.contains(&pair) {
            self.held.entry(pair).or_default().push(in_flight);
            return;
        }
        let InFlight {
            connection: id,
            to,
            parcel,
        } = in_flight;
        let keep = match parcel {
            Parcel::Open => match self.listeners.get(&connection.server) {
                Some(listener) => connection.open(id, listener, network.clone()),
                // Nobody answers: the client's patience ends it.
                None => true,
            },
            Parcel::Accepted(outcome) => connection.accepted(outcome),
            Parcel::Frame(frame) => {
                self.frames_delivered += 1;
                network
                    .witness
                    .frame_delivered(self.now_ms, pair.0, pair.1, &frame);
                connection.take_frame(to, frame)
            }
            Parcel::Part(part) => {
                let first = matches!(part.part, Some(pb::snapshot_part::Part::Header(_)));
                if first {
                    let news = format!("{} sends {} a snapshot", pair.0, pair.1);
                    network.witness.note(&news);
                }
                connection.take_part(part)
            }
            Parcel::Installed(outcome) => {
                let news = format!("{} has taken a snapshot: {}", pair.0, outcome.is_ok());
                network.witness.note(&news);
                connection.installed(outcome)
            }
            Parcel::Closed => connection.closed(to),
        };
        if !keep {
            self.connections.remove(&id);
        }
    }

    fn collect_from(&mut self, id: u64, witness: &Witness) {
        for to in [End::Server, End::Client] {
            while let Some(sent) = self.connections.get_mut(&id).and_then(|c| c.next_sent(to)) {
                if let Parcel::Frame(frame) = &sent
                    && let Some(connection) = self.connections.get(&id)
                {
                    witness.frame_sent(id, connection.direction(to).0, frame);
                }
                self.send(id, to, sent);
            }
        }
    }
}

/// Whether a frame is a question of its own, which may be put twice.
fn is_call(frame: &pb::Frame) -> bool {
    use pb::frame::Body;
    matches!(
        frame.body,
        Some(Body::Append(_) | Body::Vote(_) | Body::PreVote(_) | Body::Transfer(_))
    )
}
