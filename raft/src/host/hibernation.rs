//! Puts idle groups to sleep, and sleeping replicas away.
//!
//! Owns: when. Must never: put a leader to sleep while a live replica lacks what it has, or a replica away whose state has
//! something to do at a known time.
//!
//! A sleeping group sends no message and runs no timer. Replicas that were out of reach when it fell asleep are remembered:
//! when such a node is heard again the group is woken for them, a few at a time. So is a group in memory whose leader cannot vouch any
//! more that nobody else has led meanwhile: after a majority had let go of its node and shields it again. One that is not in memory is
//! left alone: whoever wants to know opens it, and opening all of them would elect each anew for one hiccup of a link.

mod look;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_region_config::{GroupId, NodeId};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::Host;
use super::wakes::WakeCause;
use crate::fabric::claims::{Claim, Parked};
use crate::group::GroupCore;
use crate::transport::wire::pb;

/// How often idle groups are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Groups that are being put to sleep or woken at a time.
const CHANGING_MAX: usize = 256;
/// A group that was only opened to be led again, and that nobody has written to since, sleeps again after this part of the
/// time: ten thousand that are awake for nothing would keep a machine from what is wanted. Long enough for whoever waited
/// for it to write, who would else wake it at once.
const UNWANTED_PART: u32 = 40;
/// Replicas put away per look: at most 128 a second. Thousands that were opened together would else all close together, and what a node
/// cannot answer meanwhile looks like its death.
const AWAY_MAX: usize = 32;
/// Groups woken per look because their leader cannot vouch for them: 64 a second.
const DOUBTED_MAX: usize = 16;
/// And only when this node could vouch all the while for this long. On a machine that is so busy that answers are late every
/// other second, each of them would be in doubt again before the last one is woken, and waking them is what keeps it busy.
const STEADY: Duration = Duration::from_secs(5);
/// What a heartbeat may take beyond the round trip.
const HEARTBEATS_SETTLE: Duration = Duration::from_millis(20);
/// What a replica may take to answer, beyond its round trip.
const ANSWER_SLACK: Duration = Duration::from_millis(500);

/// Whether sleeping groups may be in doubt.
#[derive(Debug, Default)]
struct Doubt {
    /// How often this node could not vouch for a moment, when last looked.
    gaps: u64,
    /// When that was last seen to grow.
    since: Option<Instant>,
    /// There were more groups than could be woken in one look, or none was looked at yet.
    left: bool,
}

impl Doubt {
    fn is_due(&mut self, gaps: u64, now: Instant) -> bool {
        if gaps != self.gaps {
            (self.gaps, self.since, self.left) = (gaps, Some(now), true);
        }
        let steady = |since| now.saturating_duration_since(since) >= STEADY;
        self.left && self.since.is_some_and(steady)
    }
}

impl Host {
    pub(crate) async fn hibernate_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        let limit = Arc::new(Semaphore::new(CHANGING_MAX));
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut doubt = Doubt::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.wake_for_returned(&limit);
            self.wake_doubted(&mut doubt, &limit);
            let mut away_left = AWAY_MAX;
            for core in self.inner.table.all_loaded() {
                if !core.group.is_directory() {
                    self.tend(core, &limit, &mut away_left);
                }
            }
        }
    }

    /// Begins what is due for one replica, if anything and if there is room.
    fn tend(&self, core: Arc<GroupCore>, limit: &Arc<Semaphore>, away_left: &mut usize) {
        let was_asleep = core.is_parked();
        if was_asleep && core.skips_look() {
            return;
        }
        let idle = self.inner.idle;
        let stopped = core.is_stopped() || core.is_mute();
        core.follow_to_sleep();
        core.speak_when_elected_late();
        let asleep = core.is_parked();
        let leads = core.leadership.borrow().leads;
        let patience = match core.gate.writes() {
            0 => idle.hibernate_after / UNWANTED_PART,
            _ => idle.hibernate_after,
        };
        let due_to_sleep = leads && !asleep && core.gate.unwritten_for() >= patience;
        let unused = asleep && core.gate.unused_for() >= idle.unload_after;
        let due_to_go = unused && *away_left > 0 && !core.has_duties();
        if !(stopped || due_to_sleep || due_to_go) {
            // What waits only for its place to be put away is looked at each time.
            if was_asleep && asleep && !unused {
                core.leaves_looks_out();
            }
            return;
        }
        // What is under way is not begun again, however long its turn takes to come.
        let Ok(tending) = Arc::clone(&core.tending).try_acquire_owned() else {
            return;
        };
        let Ok(place) = Arc::clone(limit).try_acquire_owned() else {
            return;
        };
        if !stopped && !due_to_sleep {
            *away_left -= 1;
        }
        let host = self.clone();
        self.inner.group_tasks.spawn(async move {
            if stopped {
                host.give_up(&core).await;
            } else if due_to_sleep {
                host.put_to_sleep(&core).await;
            } else if !core.has_duties() {
                // Looked at again: a write may have come in between, or somebody who wants it to lead.
                host.put_away(&core, idle.unload_after).await;
            }
            drop((tending, place));
        });
    }

    /// A core that stopped by itself, or may say nothing more, is closed; whoever needs the group opens it again.
    async fn give_up(&self, core: &Arc<GroupCore>) {
        let Some(turn) = self.inner.table.turn(core.group) else {
            return;
        };
        let _turn = turn.lock().await;
        if core.gate.is_closed() {
            return;
        }
        if core.is_stopped() {
            tracing::error!(group = %core.group, "replica has stopped by itself, it is opened again when it is needed");
        } else {
            tracing::warn!(group = %core.group, "nobody took over from this leader and it may not go on, it is opened again when it is needed");
        }
        self.inner.fabric.claim(core.group, None);
        self.close(core).await;
    }

    /// Asks every live replica to sleep, then sleeps.
    async fn put_to_sleep(&self, core: &Arc<GroupCore>) {
        let Some(_inside) = core.gate.enter_quietly() else {
            return;
        };
        let writes = core.gate.writes();
        let Some((term, index, members)) = core.fully_replicated(&self.inner.fabric.board) else {
            return;
        };
        // A leader that tried to hand over says nothing for the rest of its term; only those whose timers run get over it.
        if core.handing_over.load(Ordering::SeqCst) == term {
            return;
        }
        // Heartbeats that are under way would wake who has just agreed to sleep: none is sent from here on, and those that
        // were are waited for.
        core.park();
        let ways = members.iter().map(|node| self.inner.fabric.rtt_to(*node));
        tokio::time::sleep(ways.max().unwrap_or_default() + HEARTBEATS_SETTLE).await;
        let board = &self.inner.fabric.board;
        let (heard, away): (Vec<NodeId>, Vec<NodeId>) =
            members.into_iter().partition(|node| board.is_heard(*node));
        let asked = heard
            .into_iter()
            .map(|node| self.ask_to_sleep(core, node, term, index));
        let all = join_all(asked).await.into_iter().all(|parked| parked);
        let leads = *core.leadership.borrow();
        if all && core.gate.writes() == writes && leads.leads && leads.term == term {
            core.park();
            let since_ms = core.lease.stamp_ms(index);
            let parked = Parked { index, since_ms };
            self.inner
                .fabric
                .claim(core.group, Some((term, Some(parked))));
            let away: BTreeSet<NodeId> = away.into_iter().collect();
            self.inner.table.asleep_without(core.group, away);
            self.inner.counters.slept();
            // A write that came in between has seen an awake replica and relies on its ticker.
            if core.gate.writes() == writes {
                return;
            }
        }
        // Those who have agreed to sleep wake by its heartbeats.
        if let Err(error) = core.wake(None).await {
            tracing::debug!(group = %core.group, %error, "group did not wake at once");
        }
    }

    async fn ask_to_sleep(&self, core: &GroupCore, node: NodeId, term: u64, index: u64) -> bool {
        let Some(link) = self.inner.fabric.link(node) else {
            return false;
        };
        let limit = link.rtt() * 2 + ANSWER_SLACK;
        let body = pb::frame::Body::Park(pb::ParkRequest { term, index });
        let answer = tokio::time::timeout(limit, link.call(core.group, body)).await;
        matches!(answer, Ok(Ok(pb::frame::Body::ParkReply(reply))) if reply.parked)
    }

    /// Wakes what went to sleep without a node that is heard again, so that it catches up.
    fn wake_for_returned(&self, limit: &Arc<Semaphore>) {
        let returned = self.inner.fabric.board.take_heard_again();
        if returned.is_empty() {
            return;
        }
        let groups = self.inner.table.take_asleep_without(&returned);
        self.wake_some(groups, limit);
    }

    /// Wakes sleeping groups for which this node cannot vouch any more, a few per look, when it could again.
    fn wake_doubted(&self, doubt: &mut Doubt, limit: &Arc<Semaphore>) {
        let board = &self.inner.fabric.board;
        if !doubt.is_due(board.gaps(), Instant::now()) {
            return;
        }
        let now = Some(Instant::now());
        let is_doubted = |(group, claim): &(GroupId, Claim)| {
            let placement = self.inner.table.placement(*group);
            let Some((parked, placement)) = claim.parked.zip(placement) else {
                return false;
            };
            if self.inner.table.loaded(*group).is_none() {
                return false;
            }
            let voters = &placement.order;
            let shielding: Vec<_> = voters.iter().map(|voter| (*voter, now)).collect();
            let since_ms = parked.since_ms;
            board.is_assured(&shielding)
                && board.assured_at(claim.leader, voters, since_ms).is_none()
        };
        let claims = board.claims_of(self.inner.node).into_iter();
        let doubted = claims.filter(is_doubted).map(|(group, _)| group);
        let doubted: Vec<GroupId> = doubted.take(DOUBTED_MAX).collect();
        doubt.left = doubted.len() == DOUBTED_MAX;
        self.wake_some(doubted, limit);
    }

    fn wake_some(&self, groups: Vec<GroupId>, limit: &Arc<Semaphore>) {
        if groups.is_empty() {
            return;
        }
        let host = self.clone();
        let limit = Arc::clone(limit);
        self.inner.group_tasks.spawn(async move {
            for group in groups {
                let Ok(place) = Arc::clone(&limit).acquire_owned().await else {
                    return;
                };
                let waking = host.clone();
                host.inner.group_tasks.spawn(async move {
                    if let Err(error) = waking.lead_awake(group, WakeCause::Returned).await {
                        tracing::debug!(%group, %error, "sleeping group was not woken");
                    }
                    drop(place);
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_doubt_are_woken_when_there_was_no_new_doubt_for_a_while() {
        let begun = Instant::now();
        let mut doubt = Doubt::default();
        assert!(!doubt.is_due(0, begun), "nothing happened yet");
        assert!(!doubt.is_due(1, begun));
        assert!(!doubt.is_due(2, begun + STEADY), "it happened again");
        assert!(doubt.is_due(2, begun + STEADY * 2));
        doubt.left = false;
        assert!(!doubt.is_due(2, begun + STEADY * 3), "all are woken");
        assert!(!doubt.is_due(3, begun + STEADY * 4));
        assert!(doubt.is_due(3, begun + STEADY * 5));
    }
}
