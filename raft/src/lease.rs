//! For how long a leader may believe that nobody else leads.
//!
//! Owns: the age of what a leader says. Must never: outlive the shortest time for which a voter shields a silent leader.
//!
//! A message that a quorum acknowledged was sent while this replica led, and each voter that took it shields this leader for
//! its own election maximum from then on. So within the shortest of those times no other leader can have committed anything,
//! and what this leader calls committed is current. After it, the leader may have been replaced without knowing: what it says
//! is then as old as the last acknowledged message, and its followers must not take its word for fresh.
//!
//! Leadership that is handed over on purpose ends sooner: voters do not shield a leader who asks for another one. From the
//! moment of asking, what this replica says is as old as that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use holdfast_region_config::NodeId;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;
use tokio::time::Instant;

use crate::fabric::board::Board;
use crate::state_machine::{Shared, StateMachine};
use crate::types::TypeConfig;

type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// An age of zero would mean that the lease holds.
const HANDED_OVER_MIN: Duration = Duration::from_millis(1);

/// The lease of one replica of one group.
pub(crate) struct Lease {
    /// Set once, right after the group has started; before that it leads nothing.
    raft: OnceLock<Raft>,
    length: Duration,
    /// By voter: the term and the time of sending of the newest append that it acknowledged. Held for a look-up only.
    acked: Mutex<BTreeMap<u64, (u64, Instant)>>,
    /// The last term that this replica began to hand over, and when. Held for a look only.
    handed_over: Mutex<Option<(u64, Instant)>>,
    /// What has been applied here, and so may have been answered.
    applied: Arc<Shared>,
    /// Says whether a majority shields this node from a takeover, which does not wait for the group's own lease.
    board: Arc<Board>,
}

impl Lease {
    /// `shield_ms_min` is the shortest time for which any voter shields a silent leader, ms.
    pub(crate) fn new(shield_ms_min: u64, applied: Arc<Shared>, board: Arc<Board>) -> Self {
        Self {
            board,
            applied,
            acked: Mutex::default(),
            handed_over: Mutex::default(),
            raft: OnceLock::new(),
            // Nine tenths: the check and the use of its answer are not the same moment.
            length: Duration::from_millis(shield_ms_min) * 9 / 10,
        }
    }

    pub(crate) fn watch(&self, raft: Raft) {
        // Set twice would be the same group twice; the first stays.
        let _ = self.raft.set(raft);
    }

    /// `node` has answered an append of this replica's term `term` that was sent at `sent`, and not with another leader's vote.
    pub(crate) fn acknowledged(&self, node: u64, term: u64, sent: Instant) {
        let mut acked = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = acked.entry(node).or_insert((term, sent));
        *newest = (*newest).max((term, sent));
    }

    /// From now on another may lead in this replica's stead, whether or not it does: to be called before anybody is asked to.
    pub(crate) fn hand_over(&self, term: u64) {
        let mut handed_over = self
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = handed_over.filter(|(of, _)| *of == term);
        *handed_over = before.or_else(|| Some((term, Instant::now())));
    }

    /// How long ago leadership of `term` was first handed over; more than zero.
    fn since_handed_over(&self, term: u64, now: Instant) -> Option<Duration> {
        let handed_over = self
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (_, at) = handed_over.filter(|(of, _)| *of == term)?;
        Some(now.saturating_duration_since(at).max(HANDED_OVER_MIN))
    }

    /// When the newest append of `term` was sent that a voter is known to have acknowledged.
    fn acked_at(&self, node: u64, term: u64) -> Option<Instant> {
        let acked = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, sent) = acked.get(&node)?;
        (*of == term).then_some(*sent)
    }

    /// Zero while the lease holds, then the time since the last message that a quorum acknowledged; `None` when this
    /// replica does not lead or was never acknowledged.
    ///
    /// openraft's own time of the last acknowledgement is not asked: one answer credits it with every later request that ends at
    /// the same entry, answered or not.
    pub(crate) fn age(&self) -> Option<Duration> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader {
            return None;
        }
        #[cfg(feature = "simulation")]
        if crate::simulation::sabotaged(crate::simulation::Sabotage::LeaseForEver) {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let handed_over = self.since_handed_over(metrics.current_term, now);
        let mut age = handed_over.unwrap_or_default();
        let membership = metrics.membership_config.membership();
        for voters in membership.get_joint_config() {
            let acked = |node: u64| {
                let own = (node == metrics.id).then_some(now);
                (
                    node,
                    own.or_else(|| self.acked_at(node, metrics.current_term)),
                )
            };
            let acked: Vec<(u64, Option<Instant>)> =
                voters.iter().map(|node| acked(*node)).collect();
            age = age.max(self.age_among(&acked, now)?);
        }
        Some(age)
    }

    /// The same, by one set of voters and when each has acknowledged last.
    fn age_among(&self, acked: &[(u64, Option<Instant>)], now: Instant) -> Option<Duration> {
        // Each voter of a majority has acknowledged this leader and has not been free to let another take over since.
        let lately = |at: &Instant| now.saturating_duration_since(*at) < self.length;
        let held = acked
            .iter()
            .map(|(node, at)| (NodeId::new(*node), at.filter(lately)));
        if self.board.is_assured(&held.collect::<Vec<_>>()) {
            return Some(Duration::ZERO);
        }
        let mut times: Vec<Option<Instant>> = acked.iter().map(|(_, at)| *at).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let by_majority = times.get(acked.len() / 2).copied().flatten()?;
        Some(now.saturating_duration_since(by_majority))
    }

    /// What this node's clock showed when nothing beyond index `committed` was acknowledged, ms; 0 = it does not know.
    pub(crate) fn stamp_ms(&self, committed: u64) -> u64 {
        let stamp_ms = self.age().map_or(0, |age| self.board.stamp_ms(age));
        // Looked at after the clock. openraft may hold a message back after it has written into it what is committed.
        let is_newest = self.applied.applied_count() <= committed.saturating_add(1);
        if is_newest { stamp_ms } else { 0 }
    }

    /// Whether no other can lead now.
    pub(crate) fn holds(&self) -> bool {
        self.age() == Some(Duration::ZERO)
    }
}
