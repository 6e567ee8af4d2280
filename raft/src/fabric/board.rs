//! What a node knows of the others: who is heard, who leads what, what has lost its leader.
//!
//! Owns: the one copy of that knowledge, fed by the links and read by everything else. Must never: hold its locks across an
//! await, or start anything; who wants to act follows [`Board::changed`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::claims::{Claim, Claims, Parked};
use super::clocks::OwnClock;
use super::disks::Disks;
use super::liveness::{Change, Liveness, Pulse};
use super::orphans::Orphans;
use super::wall_clocks::BoundedClock;
use crate::clock::Clock;
use crate::transport::Pulses;
use crate::transport::wire::pb;

/// A leader that gives a group up has mostly handed it to another, whose claim is on its way.
const HANDED_OVER: Duration = Duration::from_secs(2);

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Board {
    me: NodeId,
    silence_floor: Duration,
    clock: OwnClock,
    resting: AtomicBool,
    liveness: Mutex<Liveness>,
    claims: Mutex<Claims>,
    /// Groups that somebody led and nobody leads now, with when to do something about it.
    orphans: Mutex<Orphans>,
    changed: watch::Sender<u64>,
    /// How often a node fell silent, and how often one was heard again as the same process.
    /// This node is about to stop.
    leaves: AtomicBool,
    /// Nodes that say that they are about to stop.
    leaving: Mutex<BTreeSet<NodeId>>,
    silences: AtomicU64,
    false_silences: AtomicU64,
    /// Who was heard, fell silent, and has not come back as another process. Never held over `.await`.
    fell_silent: Mutex<BTreeSet<NodeId>>,
    /// Peers that came back; the number only counts.
    heard_again: Mutex<Vec<NodeId>>,
    /// Which disk each node is known by.
    pub(crate) disks: Disks,
    /// This machine's wall clock, and what the others' say of it.
    wall: Arc<BoundedClock>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves a usable value behind: inserts and removals of whole entries.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    pub(crate) fn new(
        me: NodeId,
        incarnation: u64,
        silence_floor: Duration,
        wall: Arc<dyn Clock>,
    ) -> Self {
        let liveness = Liveness::new(me, incarnation, silence_floor, Instant::now());
        Self {
            me,
            silence_floor,
            clock: liveness.clock(),
            resting: AtomicBool::new(false),
            liveness: Mutex::new(liveness),
            claims: Mutex::default(),
            orphans: Mutex::default(),
            changed: watch::Sender::new(0),
            leaves: AtomicBool::new(false),
            leaving: Mutex::default(),
            silences: AtomicU64::new(0),
            false_silences: AtomicU64::new(0),
            fell_silent: Mutex::default(),
            heard_again: Mutex::default(),
            disks: Disks::default(),
            wall: Arc::new(BoundedClock::new(wall, Instant::now())),
        }
    }

    /// This machine's wall clock within what the others' bear out.
    pub(crate) fn wall_clock(&self) -> Arc<BoundedClock> {
        Arc::clone(&self.wall)
    }

    /// Changes whenever a node fell silent, was heard again or restarted, or a claim changed.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch_node(&self, node: NodeId) {
        locked(&self.liveness).add(node);
    }

    pub(crate) fn forget_node(&self, node: NodeId) {
        locked(&self.liveness).remove(node);
        self.wall.forget(node);
        self.bereave(node, Instant::now());
        self.touch();
    }

    /// From now on this node leads nothing and says so, or may lead again.
    pub(crate) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::SeqCst);
        locked(&self.liveness).rest(resting);
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::SeqCst)
    }

    /// Looks who has fallen silent; true when somebody has, which the others should hear at once.
    pub(crate) fn look(&self, late: Duration) -> bool {
        let changes = locked(&self.liveness).look(Instant::now(), late);
        let silent = !changes.is_empty();
        self.note(changes);
        silent
    }

    fn note(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut fell_silent = locked(&self.fell_silent);
        for change in &changes {
            match *change {
                Change::Silent(node) => {
                    self.silences.fetch_add(1, Ordering::Relaxed);
                    fell_silent.insert(node);
                    tracing::warn!(%node, "node is silent");
                }
                Change::Heard(node) => {
                    if fell_silent.remove(&node) {
                        self.false_silences.fetch_add(1, Ordering::Relaxed);
                    }
                    tracing::info!(%node, "node is heard");
                    locked(&self.heard_again).push(node);
                }
                Change::Restarted(node) => {
                    // Its silence was a true one: that process is gone. It is heard again a moment later, once it hears us.
                    fell_silent.remove(&node);
                    tracing::info!(%node, "node has restarted");
                    self.bereave(node, Instant::now());
                }
            }
        }
        self.touch();
    }

    /// How often a node fell silent, and how often one was heard again as the same process: it had only been slow, or cut off.
    pub(crate) fn silences(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.silences), read(&self.false_silences))
    }

    /// What `node` led has no leader.
    fn bereave(&self, node: NodeId, due: Instant) {
        let given_up = locked(&self.claims).replace(node, &[]);
        locked(&self.orphans).bereave(given_up, due);
    }

    /// Nodes that were heard again since the last call.
    pub(crate) fn take_heard_again(&self) -> Vec<NodeId> {
        std::mem::take(&mut *locked(&self.heard_again))
    }

    pub(crate) fn claim_of(&self, group: GroupId) -> Option<Claim> {
        locked(&self.claims).get(group)
    }

    pub(crate) fn claims_of(&self, node: NodeId) -> Vec<(GroupId, Claim)> {
        locked(&self.claims).of(node)
    }

    pub(crate) fn leaders(&self) -> Vec<(GroupId, NodeId)> {
        locked(&self.claims).all()
    }

    /// This node leads the group, or (`None`) does not any more.
    pub(crate) fn claim_here(&self, group: GroupId, claim: Option<(u64, Option<Parked>)>) -> bool {
        let changed = match claim {
            Some((term, parked)) => self.take_claim(group, self.me, term, parked),
            None => locked(&self.claims).withdraw(group, self.me),
        };
        if changed {
            self.touch();
        }
        changed
    }

    fn take_claim(
        &self,
        group: GroupId,
        leader: NodeId,
        term: u64,
        parked: Option<Parked>,
    ) -> bool {
        let claim = Claim {
            leader,
            term,
            parked,
        };
        let mut claims = locked(&self.claims);
        let led_before = claims
            .get(group)
            .is_some_and(|known| known.leader == leader);
        let changed = claims.claim(group, claim);
        drop(claims);
        if changed && led_before {
            locked(&self.orphans).forget(group);
        } else if changed {
            locked(&self.orphans).taken(group, leader, Instant::now());
        }
        changed
    }

    /// Groups that have lost their leader, with since when something may be done.
    pub(crate) fn orphans(&self) -> Vec<(GroupId, Instant)> {
        locked(&self.orphans).all()
    }

    /// Whether a voter of the group stood in vain and calls the others.
    pub(crate) fn is_called(&self, group: GroupId) -> bool {
        locked(&self.orphans).is_called(group)
    }

    /// When `node` last took a group to lead.
    pub(crate) fn took_at(&self, node: NodeId) -> Option<Instant> {
        locked(&self.orphans).took_at(node)
    }

    /// Somebody wants the group led: it is an orphan from now on, unless a live node claims it.
    pub(crate) fn want_leader(&self, group: GroupId) {
        let led = self
            .claim_of(group)
            .is_some_and(|claim| self.is_heard(claim.leader));
        if led {
            return;
        }
        let news = locked(&self.orphans).want(group, Instant::now());
        if news {
            self.touch();
        }
    }

    /// The group is nobody's concern here any more.
    pub(crate) fn forget_group(&self, group: GroupId) {
        locked(&self.orphans).forget(group);
    }

    /// From now on this node says that it is about to stop.
    pub(crate) fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
    }

    /// Whether `node` has said that it is about to stop.
    pub(crate) fn is_leaving(&self, node: NodeId) -> bool {
        if node == self.me {
            return self.leaves.load(Ordering::Relaxed);
        }
        locked(&self.leaving).contains(&node)
    }

    /// Takes in what `node` says of itself.
    fn note_leaving(&self, node: NodeId, leaving: bool) {
        let mut all = locked(&self.leaving);
        let news = if leaving {
            all.insert(node)
        } else {
            all.remove(&node)
        };
        drop(all);
        if news {
            tracing::info!(%node, leaving, "node says whether it is about to stop");
            self.touch();
        }
    }

    pub(crate) fn is_heard(&self, node: NodeId) -> bool {
        locked(&self.liveness).is_heard(node)
    }

    pub(crate) fn may_live(&self, node: NodeId) -> bool {
        locked(&self.liveness).may_live(node, Instant::now())
    }

    pub(crate) fn is_bound_by_the_last(&self) -> bool {
        locked(&self.liveness).is_bound_by_the_last(Instant::now())
    }

    /// Silence of a node shorter than this is never taken for its death.
    pub(crate) fn silence_floor(&self) -> Duration {
        self.silence_floor
    }

    pub(crate) fn is_dead_for(&self, node: NodeId, voters: &[NodeId]) -> bool {
        locked(&self.liveness).is_dead_for(node, voters)
    }

    pub(crate) fn shields(&self, leader: NodeId) -> bool {
        locked(&self.liveness).shields(leader, Instant::now())
    }

    pub(crate) fn is_assured(&self, voters: &[(NodeId, Option<Instant>)]) -> bool {
        locked(&self.liveness).is_assured(voters, Instant::now())
    }

    pub(crate) fn assured_at(
        &self,
        leader: NodeId,
        voters: &[NodeId],
        since_ms: u64,
    ) -> Option<Instant> {
        locked(&self.liveness).assured_at(leader, voters, since_ms, Instant::now())
    }

    /// How often a promise to this node was renewed after it had run out.
    pub(crate) fn gaps(&self) -> u64 {
        locked(&self.liveness).gaps()
    }

    /// What this node's clock showed `age` ago, ms: a stamp that peers can place. 0 = before it began.
    pub(crate) fn stamp_ms(&self, age: Duration) -> u64 {
        let at = Instant::now().checked_sub(age);
        at.and_then(|at| self.clock.shows_ms(at))
            .unwrap_or_default()
    }

    /// Silence of a node now, and how much of it is taken for a death.
    pub(crate) fn silence(&self, node: NodeId) -> (Option<Duration>, Duration) {
        let liveness = locked(&self.liveness);
        (
            liveness.silence(node, Instant::now()),
            liveness.patience(node),
        )
    }
}

fn pulse_from_pb(ping: &pb::Ping) -> Pulse {
    let nodes = |list: &[u64]| list.iter().map(|node| NodeId::new(*node)).collect();
    Pulse {
        incarnation: ping.incarnation,
        silent: nodes(&ping.silent),
        assured: ping
            .assured
            .iter()
            .map(|assured| (NodeId::new(assured.node), assured.since_ms))
            .collect(),
        resting: ping.resting,
        clock_ms: ping.clock_ms,
    }
}

impl Pulses for Board {
    fn ping(&self, nonce: u64) -> pb::Ping {
        let pulse = locked(&self.liveness).pulse(Instant::now());
        let assured = pulse.assured.into_iter();
        pb::Ping {
            nonce,
            incarnation: pulse.incarnation,
            silent: pulse.silent.into_iter().map(NodeId::get).collect(),
            resting: pulse.resting,
            assured: assured
                .map(|(node, since_ms)| pb::Assured {
                    node: node.get(),
                    since_ms,
                })
                .collect(),
            leaving: self.leaves.load(Ordering::Relaxed),
            disk: self.disks.own_bytes(),
            wrong_disk: false,
            clock_ms: pulse.clock_ms,
            wall_ms: self.wall.own_ms(),
        }
    }

    fn answered(&self, from: NodeId, sent: Instant, answer: &pb::Ping) -> bool {
        if answer.wrong_disk {
            self.disks.refused(from);
            return true;
        }
        if self.disks.is_wrong(from, &answer.disk) {
            return false;
        }
        let pulse = pulse_from_pb(answer);
        self.note_leaving(from, answer.leaving);
        let now = Instant::now();
        self.wall.note(from, answer.wall_ms, sent, now);
        let changes = locked(&self.liveness).answered(from, sent, now, pulse);
        self.note(changes);
        true
    }

    fn pinged(&self, from: NodeId, ping: &pb::Ping) -> pb::Ping {
        if self.disks.is_wrong(from, &ping.disk) {
            return pb::Ping {
                nonce: ping.nonce,
                wrong_disk: true,
                ..pb::Ping::default()
            };
        }
        let pulse = pulse_from_pb(ping);
        self.note_leaving(from, ping.leaving);
        let changes = locked(&self.liveness).pinged(from, ping.nonce, Instant::now(), pulse);
        self.note(changes);
        self.ping(ping.nonce)
    }

    fn stamped(&self, from: NodeId, incarnation: u64, stamp_ms: u64) -> Option<Instant> {
        let stamped = locked(&self.liveness).stamped(from, incarnation, stamp_ms)?;
        Some(stamped.min(Instant::now()))
    }

    fn greeted(&self, from: NodeId) {
        locked(&self.claims).forget_parking(from);
    }

    fn claimed(&self, from: NodeId, claims: pb::Claims) {
        let named = |claim: &pb::Claim| {
            let taken = Claim {
                leader: from,
                term: claim.term,
                parked: claim.parked_at.map(|index| Parked {
                    index,
                    since_ms: claim.parked_ms,
                }),
            };
            (GroupId::new(claim.group), taken)
        };
        let due = Instant::now() + HANDED_OVER;
        let (withdrawn, held): (Vec<_>, Vec<_>) =
            claims.claims.iter().partition(|claim| claim.withdrawn);
        let held: Vec<_> = held.into_iter().map(named).collect();
        let mut given_up = Vec::new();
        if claims.full {
            given_up = locked(&self.claims).replace(from, &held);
        }
        for (group, claim) in held {
            self.take_claim(group, from, claim.term, claim.parked);
            locked(&self.orphans).forget(group);
        }
        for claim in withdrawn {
            let group = GroupId::new(claim.group);
            if locked(&self.claims).withdraw(group, from) {
                given_up.push(group);
            }
        }
        locked(&self.orphans).bereave(given_up, due);
        self.touch();
    }

    fn nudged(&self, group: GroupId, in_vain: bool) {
        self.want_leader(group);
        if in_vain {
            locked(&self.orphans).call(group);
            self.touch();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_false_only_when_the_same_process_is_heard_again() {
        let board = Board::new(
            NodeId::new(1),
            1,
            Duration::from_secs(1),
            Arc::new(crate::clock::SystemClock),
        );
        let other = NodeId::new(2);
        board.note(vec![Change::Heard(other)]);
        assert_eq!(
            board.silences(),
            (0, 0),
            "whoever is heard first was never silent"
        );
        board.note(vec![Change::Silent(other)]);
        board.note(vec![Change::Heard(other)]);
        assert_eq!(board.silences(), (1, 1));
        // A new process is known before it is heard: it has to hear us first.
        board.note(vec![Change::Silent(other)]);
        board.note(vec![Change::Restarted(other)]);
        board.note(vec![Change::Heard(other)]);
        assert_eq!(board.silences(), (2, 1));
    }
}
