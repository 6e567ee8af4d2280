//! What a node knows of the others: who is heard, who leads what, what has lost its leader.
//!
//! Owns: the one copy of that knowledge, fed by the links and read by everything else. Must never: hold its locks across an
//! await, or start anything; who wants to act follows [`Board::changed`].

mod leaders;
mod pulses;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_region_config::NodeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::claims::Claims;
use super::clocks::OwnClock;
use super::disks::Disks;
use super::liveness::{Change, Liveness};
use super::orphans::Orphans;
use super::wall_clocks::BoundedClock;
use crate::clock::Clock;

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
    /// This node is about to stop.
    leaves: AtomicBool,
    /// Nodes that say that they are about to stop.
    leaving: Mutex<BTreeSet<NodeId>>,
    /// How often a node fell silent, and how often one was heard again as the same process.
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

    /// Nodes that were heard again since the last call.
    pub(crate) fn take_heard_again(&self) -> Vec<NodeId> {
        std::mem::take(&mut *locked(&self.heard_again))
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

#[cfg(test)]
mod tests {
    use holdfast_region_config::GroupId;

    use super::*;

    fn board() -> Board {
        let clock = Arc::new(crate::clock::SystemClock);
        Board::new(NodeId::new(1), 1, Duration::from_secs(1), clock)
    }

    #[test]
    fn who_gave_a_group_up_waits_for_the_other_to_claim_it_whoever_wants_it_here() {
        let (board, group) = (board(), GroupId::new(3));
        board.claim_here(group, Some((4, None)));
        assert!(board.orphans().is_empty());
        let given_up = Instant::now();
        board.claim_here(group, None);
        board.wait_for_leader(group);
        let [(orphan, due)] = board.orphans()[..] else {
            panic!("{:?}", board.orphans());
        };
        assert_eq!(orphan, group);
        assert!(due >= given_up + Duration::from_secs(2));
        board.take_claim(group, NodeId::new(2), 5, None);
        assert!(board.orphans().is_empty());
        board.claim_here(group, None);
        assert!(board.orphans().is_empty(), "it was not this node's to give");
    }

    #[test]
    fn a_leader_that_only_this_node_does_not_hear_is_not_stood_against_whoever_wants_it_led_here() {
        let (board, group, leader) = (board(), GroupId::new(3), NodeId::new(2));
        board.take_claim(group, leader, 5, None);
        assert!(!board.is_heard(leader));
        board.wait_for_leader(group);
        assert!(board.orphans().is_empty(), "a majority may hear it");
        board.call_voters(group);
        assert_eq!(board.orphans().len(), 1, "another has stood in vain");
        board.take_claim(group, leader, 6, None);
        board.wait_for_leader(group);
        board.bereave(leader, Instant::now());
        assert_eq!(board.orphans().len(), 1, "it is another process now");
    }

    #[test]
    fn a_silence_is_false_only_when_the_same_process_is_heard_again() {
        let board = board();
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
