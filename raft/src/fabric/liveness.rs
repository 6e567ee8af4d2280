//! Which nodes are alive, as one node can know it: the liveness fabric without its wires.
//!
//! Owns: the rules by which silence becomes a death, and by which a leader may believe that nobody has declared it dead.
//! Must never: read a clock or send anything; whoever calls says what time it is.
//!
//! ```text
//!  a ping answered ─► alive ─► nothing for T ─► silent ─► a majority of a group's voters say so ─► dead for that group
//!                       ▲                          │
//!                       └──────── heard again ─────┘        another incarnation ─► what it led is nobody's
//! ```
//!
//! Silence is measured on round trips: a ping that was answered, or a ping from a peer that says it hears us. So a path that
//! is broken in one direction is broken for both ends, and no node stands by a leader that cannot hear it.
//!
//! `T` is [`SILENCE_FLOOR`] at least, and more when answers have lately come irregularly. When this process itself was
//! stopped for a while, everybody's silence in that time is its own and does not count.
//!
//! The lease between nodes: a node that answers a ping sent at `t` promises by that answer to shield the sender until
//! `t + SILENCE_FLOOR`: it will not vote for a *takeover* before. A leader to which a majority of a group's voters has
//! promised that is *assured*: nobody can have taken the group over. It trusts nine tenths of the promise (clocks that run
//! at most a tenth apart).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_region_config::NodeId;
use tokio::time::Instant;

use super::clocks::{OwnClock, PeerClock};

/// Silence shorter than this is never taken for a death: seven pings, or a process stalled for half a second.
pub(crate) const SILENCE_FLOOR: Duration = Duration::from_millis(700);
/// However irregular the answers were, silence longer than this is one.
pub(crate) const SILENCE_CEILING: Duration = Duration::from_millis(3_000);
/// Deviations of the gap between two answers that count as ordinary.
const DEVIATIONS: u32 = 6;
/// A gap moves the averages by 1/16: about two seconds of pings.
const AVERAGE_SHIFT: u32 = 4;
/// Nodes that start together have found each other after this long.
const YOUTH: Duration = Duration::from_millis(1_500);
/// A duty that was due this much ago means that this process was not running.
const OWN_STALL: Duration = Duration::from_millis(60);

/// What one node tells another about itself with every ping and every answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// Chosen anew at every start of the process.
    pub(crate) incarnation: u64,
    /// Who is silent for the sender.
    pub(crate) silent: BTreeSet<NodeId>,
    /// Whose promise to shield the sender holds, and what the sender's clock showed when it began to, ms.
    pub(crate) assured: BTreeMap<NodeId, u64>,
    /// The sender leads nothing now and is to be taken over.
    pub(crate) resting: bool,
    /// What the clock of the sender's process shows, ms.
    pub(crate) clock_ms: u64,
}

/// Something that others act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Fell silent.
    Silent(NodeId),
    /// Is heard (again).
    Heard(NodeId),
    /// Is another process now: what the last one led is led by nobody.
    Restarted(NodeId),
}

#[derive(Debug)]
struct Peer {
    /// The newest proof that the path works both ways.
    proof: Option<Instant>,
    /// The last one before it began to rest.
    proof_before_rest: Option<Instant>,
    /// Mean gap between proofs, and mean deviation from it.
    gap: Duration,
    deviation: Duration,
    /// When the newest answered ping was sent.
    answered: Option<Instant>,
    /// Since when its promise has held without a gap.
    promised_since: Option<Instant>,
    silent: bool,
    /// Since when it is heard: a ping sent before said that it was silent, and such a ping is answered without a promise.
    heard_since: Option<Instant>,
    incarnation: Option<u64>,
    /// Number of its newest ping; older ones that come late are of no interest.
    nonce: u64,
    /// What it last said.
    said: Option<Pulse>,
    /// What the answers to our pings say about its clock.
    clock: Option<PeerClock>,
    /// Who shielded it when its newest ping left, and since when by its clock; and when that was, by ours.
    vouched: Option<(Instant, BTreeMap<NodeId, u64>)>,
}

impl Peer {
    fn new() -> Self {
        Self {
            proof: None,
            proof_before_rest: None,
            gap: Duration::from_millis(100),
            deviation: Duration::ZERO,
            answered: None,
            promised_since: None,
            // Until it is heard for the first time; nobody elects on the strength of that alone.
            silent: true,
            heard_since: None,
            incarnation: None,
            nonce: 0,
            said: None,
            clock: None,
            vouched: None,
        }
    }

    fn patience(&self, floor: Duration) -> Duration {
        let ordinary = self.gap + self.deviation * DEVIATIONS;
        (floor + ordinary.saturating_sub(Duration::from_millis(200)))
            .clamp(floor, SILENCE_CEILING.max(floor))
    }

    fn proven(&mut self, now: Instant) {
        if let Some(before) = self.proof
            && !self.silent
        {
            let gap = now.saturating_duration_since(before);
            let off = gap.abs_diff(self.gap);
            self.gap = drift(self.gap, gap);
            self.deviation = drift(self.deviation, off);
        }
        self.proof = Some(self.proof.map_or(now, |before| before.max(now)));
    }
}

fn drift(average: Duration, sample: Duration) -> Duration {
    let weight = 1u32 << AVERAGE_SHIFT;
    (average * (weight - 1) + sample) / weight
}

/// One node's view of all others.
#[derive(Debug)]
pub(crate) struct Liveness {
    me: NodeId,
    incarnation: u64,
    resting: bool,
    floor: Duration,
    started: Instant,
    clock: OwnClock,
    /// How often a promise was renewed after it had run out.
    gaps: u64,
    peers: BTreeMap<NodeId, Peer>,
}

impl Liveness {
    /// A view in which nobody was heard yet. `floor` is the least silence that counts, see [`SILENCE_FLOOR`].
    pub(crate) fn new(me: NodeId, incarnation: u64, floor: Duration, now: Instant) -> Self {
        Self {
            me,
            incarnation,
            resting: false,
            floor,
            started: now,
            clock: OwnClock::new(now),
            gaps: 0,
            peers: BTreeMap::new(),
        }
    }

    /// The clock that this node's messages are stamped with.
    pub(crate) fn clock(&self) -> OwnClock {
        self.clock
    }

    /// The earliest moment at which process `incarnation` of `node` can have stamped a message with `stamp_ms`; `None` = not
    /// known, or there was no stamp.
    pub(crate) fn stamped(&self, node: NodeId, incarnation: u64, stamp_ms: u64) -> Option<Instant> {
        let clock = self.peers.get(&node)?.clock?;
        clock.stamped(incarnation, stamp_ms)
    }

    /// Begins to watch a node.
    pub(crate) fn add(&mut self, node: NodeId) {
        self.peers.entry(node).or_insert_with(Peer::new);
    }

    /// Stops watching a node that has left the topology.
    pub(crate) fn remove(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// From now on this node says that it leads nothing, or that it may.
    pub(crate) fn rest(&mut self, resting: bool) {
        self.resting = resting;
    }

    /// What to say in a ping or an answer sent now.
    pub(crate) fn pulse(&self, now: Instant) -> Pulse {
        let all = self.peers.iter();
        Pulse {
            incarnation: self.incarnation,
            resting: self.resting,
            clock_ms: self.clock.shows_ms(now).unwrap_or_default(),
            silent: all
                .clone()
                .filter(|(_, peer)| peer.silent)
                .map(|(node, _)| *node)
                .collect(),
            assured: self.assured(now),
        }
    }

    /// Who shields this node, and since when, by its own clock.
    fn assured(&self, now: Instant) -> BTreeMap<NodeId, u64> {
        let shielding = self.peers.iter();
        shielding
            .filter(|(_, peer)| self.promises(peer, now))
            .filter_map(|(node, peer)| Some((*node, self.clock.shows_ms(peer.promised_since?)?)))
            .collect()
    }

    fn promises(&self, peer: &Peer, now: Instant) -> bool {
        peer.answered
            .is_some_and(|sent| now.saturating_duration_since(sent) < self.floor * 9 / 10)
    }

    /// Ping number `nonce` came from `from`.
    pub(crate) fn pinged(
        &mut self,
        from: NodeId,
        nonce: u64,
        now: Instant,
        pulse: Pulse,
    ) -> Vec<Change> {
        if let Some(peer) = self.peers.get_mut(&from) {
            let same = peer.incarnation == Some(pulse.incarnation);
            if same && nonce <= peer.nonce {
                return Vec::new();
            }
            peer.nonce = nonce;
            // Claims travel with pings, in order: what a peer has claimed to sleep did so when it sent this. Of the answers to our
            // own pings, which take another connection, that cannot be said.
            let stamped = |clock: &PeerClock| clock.stamped(pulse.incarnation, pulse.clock_ms);
            if let Some(sent) = peer.clock.as_ref().and_then(stamped) {
                peer.vouched = Some((sent, pulse.assured.clone()));
            }
        }
        // A peer that does not hear us is not shielded by us: it could not keep its groups going with our help.
        let hears_us = !pulse.silent.contains(&self.me);
        self.said(from, now, pulse, hears_us)
    }

    /// `from` answered the ping sent at `sent`.
    pub(crate) fn answered(
        &mut self,
        from: NodeId,
        sent: Instant,
        now: Instant,
        pulse: Pulse,
    ) -> Vec<Change> {
        if let Some(peer) = self.peers.get_mut(&from) {
            let read = PeerClock::new(pulse.incarnation, sent, pulse.clock_ms);
            peer.clock = read.map(|read| read.or_better(peer.clock)).or(peer.clock);
        }
        if let Some(peer) = self.peers.get_mut(&from)
            && peer.heard_since.is_some_and(|since| sent >= since)
        {
            let holds = |sent: Instant| now.saturating_duration_since(sent) < self.floor * 9 / 10;
            if !peer.answered.is_some_and(holds) {
                // The peer may have let go in between. It shields from when it got the ping, which was before now.
                self.gaps += u64::from(peer.promised_since.is_some());
                peer.promised_since = Some(now);
            }
            peer.answered = Some(peer.answered.map_or(sent, |before| before.max(sent)));
        }
        self.said(from, now, pulse, true)
    }

    fn said(&mut self, from: NodeId, now: Instant, pulse: Pulse, proves_path: bool) -> Vec<Change> {
        let Some(peer) = self.peers.get_mut(&from) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if peer
            .incarnation
            .is_some_and(|before| before != pulse.incarnation)
        {
            // Promises of the process that is gone bind nobody.
            peer.answered = None;
            peer.vouched = None;
            changes.push(Change::Restarted(from));
        }
        peer.incarnation = Some(pulse.incarnation);
        if pulse.resting {
            // By its own word it is as good as dead, and relies on no promise.
            peer.proof_before_rest = peer.proof.take().or(peer.proof_before_rest);
            peer.said = Some(pulse);
            peer.heard_since = None;
            if !std::mem::replace(&mut peer.silent, true) {
                changes.push(Change::Silent(from));
            }
            return changes;
        }
        peer.said = Some(pulse);
        if proves_path {
            peer.proven(now);
            if std::mem::take(&mut peer.silent) {
                peer.heard_since = Some(now);
                changes.push(Change::Heard(from));
            }
        }
        changes
    }

    /// Looks who has fallen silent; to be called a few times per ping interval, `late` after the call was due.
    pub(crate) fn look(&mut self, now: Instant, late: Duration) -> Vec<Change> {
        if late > OWN_STALL {
            for peer in self.peers.values_mut() {
                peer.proof = peer.proof.map(|proof| (proof + late).min(now));
            }
        }
        let floor = self.floor;
        let mut changes = Vec::new();
        for (node, peer) in &mut self.peers {
            let silence = peer.proof.map(|proof| now.saturating_duration_since(proof));
            if !peer.silent && silence.is_some_and(|silence| silence > peer.patience(floor)) {
                peer.silent = true;
                peer.heard_since = None;
                changes.push(Change::Silent(*node));
            }
        }
        changes
    }

    /// Whether the node is heard. This node always hears itself.
    pub(crate) fn is_heard(&self, node: NodeId) -> bool {
        node == self.me || self.peers.get(&node).is_some_and(|peer| !peer.silent)
    }

    /// Whether the node may be alive: it is heard, or this process is too young to have heard it.
    pub(crate) fn may_live(&self, node: NodeId, now: Instant) -> bool {
        let young = now.saturating_duration_since(self.started) < YOUTH;
        let unheard = |peer: &Peer| young && peer.proof.is_none();
        self.is_heard(node) || self.peers.get(&node).is_some_and(unheard)
    }

    /// Whether what the last process here promised may still bind.
    pub(crate) fn is_bound_by_the_last(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) < self.floor
    }

    /// Whether a majority of `voters` says, as far as is known here, that `node` is silent.
    pub(crate) fn is_dead_for(&self, node: NodeId, voters: &[NodeId]) -> bool {
        if node == self.me || self.is_heard(node) {
            return false;
        }
        let says_so = |voter: NodeId| {
            if voter == self.me {
                return true;
            }
            self.peers.get(&voter).is_some_and(|peer| {
                !peer.silent
                    && peer
                        .said
                        .as_ref()
                        .is_some_and(|pulse| pulse.silent.contains(&node))
            })
        };
        let votes = voters
            .iter()
            .filter(|voter| **voter != node && says_so(**voter));
        votes.count() * 2 > voters.len()
    }

    /// Whether this node has to refuse a takeover from `leader`: it may still rely on a promise made to it, or to its
    /// predecessor in this process's place.
    pub(crate) fn shields(&self, leader: NodeId, now: Instant) -> bool {
        if leader == self.me {
            return true;
        }
        // What the last process here promised is not known.
        if self.is_bound_by_the_last(now) {
            return true;
        }
        self.peers.get(&leader).is_some_and(|peer| {
            peer.proof
                .is_some_and(|proof| now.saturating_duration_since(proof) < self.floor)
        })
    }

    /// Whether a majority of `voters` shields this node, each without a gap since the moment named with it; `None` = it may have
    /// let go meanwhile.
    pub(crate) fn is_assured(&self, voters: &[(NodeId, Option<Instant>)], now: Instant) -> bool {
        let shields = |(voter, since): &&(NodeId, Option<Instant>)| {
            let peer = self.peers.get(voter);
            let held = peer.filter(|peer| self.promises(peer, now));
            let promised_since = held.and_then(|peer| peer.promised_since);
            *voter == self.me || promised_since.is_some_and(|from| since.is_some_and(|s| from <= s))
        };
        voters.iter().filter(shields).count() * 2 > voters.len()
    }

    /// Up to when, by the word of `leader`, a majority of `voters` has shielded it ever since its clock showed `since_ms`: for as
    /// long nothing of a group that it parked then can have changed.
    pub(crate) fn assured_at(
        &self,
        leader: NodeId,
        voters: &[NodeId],
        since_ms: u64,
        now: Instant,
    ) -> Option<Instant> {
        let (at, assured) = if leader == self.me {
            (now, &self.assured(now))
        } else {
            let (at, assured) = self.peers.get(&leader)?.vouched.as_ref()?;
            (*at, assured)
        };
        let shields = |voter: &&NodeId| {
            **voter == leader
                || assured
                    .get(voter)
                    .is_some_and(|from_ms| *from_ms < since_ms)
        };
        let is_known = since_ms > 0;
        (is_known && voters.iter().filter(shields).count() * 2 > voters.len()).then_some(at)
    }

    /// How often a promise was renewed after it had run out: what was assured before may not be any more.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Time since the last proof of life, of which one that rests gives none; `None` = never heard.
    pub(crate) fn silence(&self, node: NodeId, now: Instant) -> Option<Duration> {
        let peer = self.peers.get(&node)?;
        let proof = peer.proof.or(peer.proof_before_rest)?;
        Some(now.saturating_duration_since(proof))
    }

    /// Silence after which the node is taken for silent, now.
    pub(crate) fn patience(&self, node: NodeId) -> Duration {
        self.peers
            .get(&node)
            .map_or(self.floor, |peer| peer.patience(self.floor))
    }
}

#[cfg(test)]
mod tests;
