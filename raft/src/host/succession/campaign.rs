//! One candidacy, from opening the group to somebody leading it.
//!
//! Owns: how a replica asks for votes, and what it does when it gets none. Must never: choose the moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_region_config::GroupId;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver as _;

use super::super::Host;
use super::super::slots::Placement;
use super::super::wakes::WakeCause;
use crate::fabric::board::Board;
use crate::group::GroupCore;
use crate::transport::wire::pb;

/// One candidacy is given up after this long; the next look decides anew.
const CANDIDACY_LIMIT: Duration = Duration::from_secs(3);
/// A vote that was not decided is asked for again after this, plus two round trips.
const VOTE_PATIENCE: Duration = Duration::from_millis(500);
/// Each term is an fsync; a candidate stands one or two ahead.
const TERMS_RISEN_MAX: u64 = 4;

impl Host {
    /// This node was not elected. The others may take somebody for the leader who is heard but leads no more, as after a power
    /// cut everywhere; one of them may have what this one lacks.
    pub(super) fn call_for_candidates(&self, group: GroupId, placement: &Placement) {
        let fabric = &self.inner.fabric;
        let others = placement.order.iter();
        let others =
            others.filter(|node| **node != self.inner.node && fabric.board.is_heard(**node));
        for link in others.filter_map(|node| fabric.link(*node)) {
            // Lost, it is called again after the next candidacy.
            let nudge = pb::Nudge { in_vain: true };
            let _ = link.tell(group, 0, pb::frame::Body::Nudge(nudge));
        }
    }

    /// Opens the group and stands until somebody leads it; true when somebody does.
    pub(super) async fn stand(&self, group: GroupId, placement: &Placement) -> bool {
        let Ok(core) = self.open_group(group, WakeCause::Takeover).await else {
            return false;
        };
        let Some(_inside) = core.gate.enter() else {
            return false;
        };
        if core.leadership.borrow().leads {
            self.inner.fabric.board.forget_group(group);
            return true;
        }
        self.inner.counters.stood();
        let stood = tokio::time::timeout(CANDIDACY_LIMIT, self.campaign(&core, placement)).await;
        core.takeover.store(false, Ordering::SeqCst);
        if stood.is_err() {
            let metrics = core.raft.metrics();
            let metrics = metrics.borrow_watched();
            tracing::debug!(%group, state = ?metrics.state, term = metrics.current_term, last = ?metrics.last_log_index,
                applied = ?metrics.last_applied, leader = ?metrics.current_leader, "stood in vain");
        }
        stood.is_ok()
    }

    async fn campaign(&self, core: &Arc<GroupCore>, placement: &Placement) {
        let leadership = core.leadership.clone();
        core.begins_to_stand();
        let patience = VOTE_PATIENCE + self.farthest(placement) * 2;
        let board = Arc::clone(&self.inner.fabric.board);
        let mut refused = false;
        loop {
            let begun = self.initialise(core, placement).await;
            // A replica that is awake and whose leader is heard only asks whether it may stand: a higher term of its own would
            // depose a leader whose claim has not come yet. So does one that was not elected at once: it may lack entries,
            // and with ever higher terms it would keep those from being elected who have them.
            let followed = leadership.borrow().leader.filter(|l| *l != core.node);
            let led = !core.is_parked() && followed.is_some_and(|l| board.is_heard(l));
            // And so does one that is cut off: nobody can elect it, and what it raised its term to while users wanted the group
            // would depose the leader of the others when they hear each other again.
            let ask_first =
                led || std::mem::replace(&mut refused, true) || self.is_cut_off(placement);
            if !ask_first && !begun {
                self.rise_to_the_outrun(core).await;
            }
            // A core that has stopped is found by the tending loop; the candidacy runs out.
            if !begun && core.raft.trigger().elect(ask_first).await.is_err() {
                return std::future::pending().await;
            }
            let decided = decided(core, &board);
            if tokio::time::timeout(patience, decided).await.is_ok() {
                return;
            }
        }
    }

    /// A candidate that this node stands past has given its vote of its term to itself: only a later term can win it.
    async fn rise_to_the_outrun(&self, core: &GroupCore) {
        let Some(outran) = self.inner.fabric.board.outran(core.group) else {
            return;
        };
        let behind = outran.saturating_sub(core.raft.metrics().borrow_watched().current_term);
        for _ in 0..behind.min(TERMS_RISEN_MAX) {
            if core.raft.trigger().elect(false).await.is_err() {
                return;
            }
        }
    }

    /// Whether this node hears too few of the voters to be elected by them.
    pub(super) fn is_cut_off(&self, placement: &Placement) -> bool {
        let board = &self.inner.fabric.board;
        let voters = &placement.order;
        let heard = voters
            .iter()
            .filter(|voter| **voter == self.inner.node || board.is_heard(**voter));
        heard.count() * 2 <= voters.len()
    }
}

/// Until somebody who is heard leads the group. A candidate's ticker rests: only this campaign asks for votes, and a thousand
/// that wait need no timers. The ticker of who is elected runs at once, because its followers' do from its first entry.
async fn decided(core: &GroupCore, board: &Board) {
    let mut leadership = core.leadership.clone();
    let mut metrics = core.raft.metrics();
    loop {
        if metrics.borrow_watched().state == ServerState::Leader {
            core.unpark();
        }
        let now = *leadership.borrow_and_update();
        let another = now.leader.filter(|leader| *leader != core.node);
        if now.leads || another.is_some_and(|leader| board.is_heard(leader)) {
            return;
        }
        let stopped = tokio::select! {
            seen = leadership.changed() => seen.is_err(),
            seen = metrics.changed() => seen.is_err(),
        };
        if stopped {
            // A core that has stopped is found by the tending loop; the candidacy runs out.
            return std::future::pending().await;
        }
    }
}
