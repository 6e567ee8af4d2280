//! What a look at one replica finds.
//!
//! Owns: the questions that a look asks. Must never: begin what takes time; that is the caller's.

use std::sync::atomic::Ordering;

use holdfast_region_config::NodeId;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;

use crate::group::GroupCore;
use crate::state_machine::Machine;

/// Looks left out at a replica that was found asleep with nothing to do: what it does next, another begins, and says so with
/// [`GroupCore::look_again`], or is not urgent. Of what ten thousand that sleep cost, the looks were two thirds.
const QUIET_LOOKS: u8 = 8;

impl GroupCore {
    pub(super) fn is_stopped(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.state == ServerState::Shutdown || metrics.running_state.is_err()
    }

    /// A follower that was awake or away when its group fell asleep falls asleep too, once it has all that its leader has.
    pub(super) fn follow_to_sleep(&self) {
        if self.is_parked() || self.leadership.borrow().leads {
            return;
        }
        let claim = self.fabric.board.claim_of(self.group);
        let Some(claim) = claim.filter(|claim| self.fabric.board.is_heard(claim.leader)) else {
            return;
        };
        if let Some(parked) = claim.parked {
            self.park_as_follower(claim.term, parked.index);
        }
    }

    /// Whether this look may be left out; counts it.
    pub(super) fn skips_look(&self) -> bool {
        let left = self.quiet_looks.load(Ordering::Relaxed);
        // A candidacy that begins right now sets it to zero; should that be overwritten, it is noticed two seconds later.
        self.quiet_looks
            .store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    /// From here on its vote requests say that its leader's node is dead, and how it ends is looked at often.
    pub(crate) fn begins_to_stand(&self) {
        self.takeover.store(true, Ordering::SeqCst);
        self.look_again();
    }

    /// It may be elected soon: no look at it is left out, and it is in use. Put away, it would forget that it stands, and those who
    /// have voted for it would wait for nobody.
    pub(crate) fn look_again(&self) {
        self.gate.touch();
        self.quiet_looks.store(0, Ordering::Relaxed);
    }

    /// It sleeps and has nothing to do, so the next looks may be left out. Not for a candidate: it may be elected.
    pub(super) fn leaves_looks_out(&self) {
        if self.raft.metrics().borrow_watched().state != ServerState::Candidate {
            self.quiet_looks.store(QUIET_LOOKS, Ordering::Relaxed);
        }
    }

    /// A replica whose ticker rests may be elected after its campaign has ended, or because its leader asked it to lead. A leader
    /// that sleeps has said so, or is about to; any other must speak.
    pub(super) fn speak_when_elected_late(&self) {
        let elected = self.raft.metrics().borrow_watched().state == ServerState::Leader;
        if !elected || !self.is_parked() || self.tending.available_permits() == 0 {
            return;
        }
        let claimed = self.fabric.board.claim_of(self.group);
        let said_so =
            claimed.is_some_and(|claim| claim.leader == self.node && claim.parked.is_some());
        if !said_so {
            self.unpark();
        }
    }

    /// Whether this leader tried to hand over and nobody took it: openraft lets it say nothing for the rest of its term, and
    /// only a new start of the replica gives it another.
    pub(super) fn is_mute(&self) -> bool {
        let now = *self.leadership.borrow();
        let tried = self.handing_over.load(Ordering::SeqCst) == now.term;
        let since_ms = self.handing_over_ms.load(Ordering::SeqCst);
        let limit_ms = self.timing.election_timeout_max_ms * 4;
        now.leads && tried && self.gate.now_ms().saturating_sub(since_ms) > limit_ms
    }

    /// Whether the state has something to do later that only a leader in memory would do.
    pub(super) fn has_duties(&self) -> bool {
        let leads = self.leadership.borrow().leads;
        let position = self.shared.read();
        match &position.machine {
            Machine::Show(state) => leads && state.next_duty_ms().is_some(),
            Machine::Directory(_) => true,
            // What is old is dropped with the next entry; nobody has to be awake for it.
            Machine::BuyerIndex(_) => false,
        }
    }

    /// Term, last index and the other members, when this replica leads and every live member has everything.
    pub(super) fn fully_replicated(
        &self,
        board: &crate::fabric::board::Board,
    ) -> Option<(u64, u64, Vec<NodeId>)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let last = metrics.last_log_index?;
        let applied = metrics.last_applied.map(|id| id.index());
        if metrics.state != ServerState::Leader || applied != Some(last) {
            return None;
        }
        let replication = metrics.replication.as_ref()?;
        let membership = metrics.membership_config.membership();
        let others = membership.nodes().map(|(node, ())| *node);
        let others: Vec<u64> = others.filter(|node| *node != self.node.get()).collect();
        let has_all = |node: &u64| {
            let matched = replication.get(node).copied().flatten();
            matched.is_some_and(|id| id.index() >= last) || !board.is_heard(NodeId::new(*node))
        };
        others.iter().all(has_all).then(|| {
            let members = others.iter().map(|node| NodeId::new(*node)).collect();
            (metrics.current_term, last, members)
        })
    }
}
