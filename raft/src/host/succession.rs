//! Gives every group that has lost its leader a new one.
//!
//! Owns: who stands, and when. Must never: stand against a leader whose node a majority of the group's voters still hears, or
//! wake more groups at a time than the machine can carry.
//!
//! A group has lost its leader when the node that claims it is dead for a majority of its voters, when that node is another
//! process now, when it gave the group up and nobody took it, or when somebody wants the group and nobody claims it. Then the
//! voters that are heard stand in the group's order: the first at once, each next one a [`stagger`] later if there is still no
//! leader: time for a vote, an empty entry and the news of it. All groups of a lost node go at once: each vote is a frame of its
//! own, but what waits for a connection is written together, and what waits for the disk shares an fsync.
//! A voter that has ten thousand of them to take needs its time, however fast the machine is: while it goes on taking groups,
//! those after it wait, except for a group that it has stood for in vain. Who refused a candidate because it lacks entries, and is
//! needed to elect anybody, stands at once and past the candidate's term: else both would wait for each other.
//!
//! A group that nobody claims and nobody wants, as after a cold start, is led again in its turn by a slow round, because its
//! leader has duties (holds that expire, payments, notices).

mod campaign;
mod candidacies;
mod newly_led;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

use super::Host;
use super::open::votes;
use super::slots::Placement;
use crate::pace::pause_after;
use crate::transport::wire::pb;
pub(crate) use candidacies::Candidacies;
use candidacies::{Outcome, Wait, places};
pub(crate) use newly_led::NewlyLed;
use newly_led::Place;

/// What a vote, an entry and their fsyncs may take beyond their ways, on a machine that has a thousand of them to do.
const ELECTION_SLACK: Duration = Duration::from_millis(700);
/// After an attempt that came to nothing.
const RETRY: Duration = Duration::from_millis(1_000);
/// When as many stand as may, others are looked at again after this.
const FULL: Duration = Duration::from_millis(25);
/// A voter that goes on taking groups is waited for no longer than this for any one of them.
const GETTING_ON_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const GATHER: Duration = Duration::from_millis(5);
/// The slow round starts when the nodes have found each other.
const ROUND_DELAY: Duration = Duration::from_secs(5);
/// Pace of the slow round.
const ROUND_INTERVAL: Duration = Duration::from_millis(500);
const ROUND_GROUPS: usize = 16;

/// Who comes first when more groups have lost their leaders than can be led again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It was in use.
    First,
    /// Somebody waits for it since.
    Next,
    /// Nobody has asked for it.
    Last,
}

/// What one node's succession remembers between two looks.
#[derive(Default)]
struct Memory {
    /// Since when a group's claimed leader is known to be dead.
    bereaved: BTreeMap<GroupId, Instant>,
    /// Where the slow round is.
    cursor: u64,
}

/// When `me` is to stand for a group that lost its leader at `since`; `None` = it is not one of its voters. `took_at` says when
/// a voter last took some group.
fn due_at(
    placement: &Placement,
    me: NodeId,
    since: Instant,
    stagger: Duration,
    is_heard: impl Fn(NodeId) -> bool,
    took_at: impl Fn(NodeId) -> Option<Instant>,
) -> Option<Instant> {
    let heard = placement.order.iter().filter(|node| is_heard(**node));
    let before: Vec<NodeId> = heard.copied().take_while(|node| *node != me).collect();
    if !placement.order.contains(&me) || !is_heard(me) {
        return None;
    }
    let staggers = |count: usize| stagger * u32::try_from(count).unwrap_or(u32::MAX);
    let gets_on = before.iter().enumerate().filter_map(|(rank, node)| {
        let took = took_at(*node).filter(|took| *took >= since)?;
        let due = took + staggers(before.len() - rank);
        Some(due.min(since + GETTING_ON_LIMIT))
    });
    gets_on.chain([since + staggers(before.len())]).max()
}

impl Host {
    pub(crate) async fn succeed_until_stopped(self) {
        let stop = self.inner.stop_duties.clone();
        let mut changed = self.inner.fabric.board.changed();
        let mut memory = Memory::default();
        let mut round = tokio::time::interval_at(Instant::now() + ROUND_DELAY, ROUND_INTERVAL);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            changed.borrow_and_update();
            let began = Instant::now();
            let again = self.look_for_orphans(&mut memory);
            let due = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // Many claims change together; one look serves them all.
            tokio::time::sleep(pause_after(began, GATHER)).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                news = changed.changed() => if news.is_err() { return },
                () = due => {}
                _ = round.tick() => self.go_round(&mut memory),
            }
        }
    }

    /// Stands for every orphan whose turn it is; returns when to look again.
    fn look_for_orphans(&self, memory: &mut Memory) -> Option<Instant> {
        let now = Instant::now();
        let board = &self.inner.fabric.board;
        let mut again: Option<Instant> = None;
        let mut later = |at: Instant| again = Some(again.map_or(at, |other| other.min(at)));
        let orphans = self.orphans(memory, now);
        for (group, since) in orphans {
            let Some(placement) = self.inner.table.placement(group) else {
                board.forget_group(group);
                continue;
            };
            let me = self.inner.node;
            let stagger = self.stagger(&placement);
            let called = board.is_called(group);
            let took_at = |node| board.took_at(node).filter(|_| !called);
            let is_heard = |node| board.may_live(node);
            let Some(due) = due_at(&placement, me, since, stagger, is_heard, took_at) else {
                self.pass_on(group, &placement);
                board.forget_group(group);
                continue;
            };
            if due > now && board.outran(group).is_none() {
                later(due);
                continue;
            }
            if self.is_decided(group) {
                later(now + RETRY);
                continue;
            }
            let place = match self.turn_of(group) {
                Turn::Last => match self.inner.newly_led.place() {
                    None => {
                        later(now + FULL);
                        break;
                    }
                    place => place,
                },
                // In use, and awake anyway.
                Turn::First | Turn::Next => None,
            };
            let places = places(self.farthest(&placement));
            match self.inner.candidacies.begin(group, places, now) {
                Ok(()) => {
                    let host = self.clone();
                    let standing =
                        async move { host.stand_and_rest(group, &placement, place).await };
                    self.inner.group_tasks.spawn(standing);
                }
                Err(Wait::Until(at)) => later(at),
                Err(Wait::Stands) => later(now + RETRY),
                Err(Wait::Full) => {
                    later(now + FULL);
                    break;
                }
            }
        }
        again
    }

    async fn stand_and_rest(&self, group: GroupId, placement: &Placement, place: Option<Place>) {
        let led = self.stand(group, placement).await;
        let outcome = match led {
            true => Outcome::Led,
            false if self.is_cut_off(placement) => Outcome::NoQuorum,
            false => Outcome::InVain,
        };
        // All who stood in vain rest for different times, so that they do not meet again.
        let rank = placement.order.iter().position(|n| *n == self.inner.node);
        let rank = u32::try_from(rank.unwrap_or_default()).unwrap_or_default();
        let rest = RETRY + RETRY * rank / 2;
        self.inner
            .candidacies
            .end(group, outcome, rest, Instant::now());
        if !led {
            self.inner.fabric.board.want_leader(group);
            self.call_for_candidates(group, placement);
            return;
        }
        let core = self.inner.table.loaded(group);
        let core = core.filter(|core| core.leadership.borrow().leads);
        if let Some((place, core)) = place.zip(core) {
            let stop = &self.inner.stop_duties;
            stop.run_until_cancelled(place.keep_until_asleep(&core))
                .await;
        }
    }

    fn turn_of(&self, group: GroupId) -> Turn {
        let loaded = self.inner.table.loaded(group);
        let sleeps = loaded.is_none_or(|core| core.is_parked());
        match self.inner.fabric.board.is_waited_for(group) {
            _ if !sleeps => Turn::First,
            true => Turn::Next,
            false => Turn::Last,
        }
    }

    /// How much longer each next voter waits: a vote and an entry have to go there and back, and the news of it has to come.
    fn stagger(&self, placement: &Placement) -> Duration {
        ELECTION_SLACK + self.farthest(placement) * 3
    }

    fn farthest(&self, placement: &Placement) -> Duration {
        let ways = placement.order.iter();
        let ways = ways.map(|node| self.inner.fabric.rtt_to(*node));
        ways.max().unwrap_or_default()
    }

    /// Whether the group has a new leader whose claim has not come yet: this replica votes for it or follows it.
    fn is_decided(&self, group: GroupId) -> bool {
        let Some(core) = self.inner.table.loaded(group) else {
            return false;
        };
        let board = &self.inner.fabric.board;
        let leader = core.leadership.borrow().leader;
        let spoke = core.since_append();
        leader.is_some_and(|leader| leader != core.node && board.is_heard(leader))
            && spoke.is_some_and(|since| since < board.silence_floor())
    }

    /// Whether a majority of the group's voters finds its leader `node` dead: of those it has where it is in memory, else of
    /// those that the directory knows.
    fn is_lost(&self, group: GroupId, node: NodeId) -> bool {
        let is_dead_for = |voters: &[NodeId]| self.inner.fabric.board.is_dead_for(node, voters);
        let voters = self.inner.table.loaded(group).map(|core| core.voters());
        if let Some(voters) = voters.filter(|voters| !voters.is_empty()) {
            return is_dead_for(&voters);
        }
        let placement = self.inner.table.placement(group);
        placement.is_some_and(|placement| placement.either_dead(is_dead_for))
    }

    /// Groups without a leader in the order of their turns, with since when.
    fn orphans(&self, memory: &mut Memory, now: Instant) -> Vec<(GroupId, Instant)> {
        let board = &self.inner.fabric.board;
        let mut dead = BTreeSet::new();
        let silent = self.inner.fabric.links().into_iter();
        for node in silent
            .map(|(node, _)| node)
            .filter(|node| !board.is_heard(*node))
        {
            for (group, _) in board.claims_of(node) {
                if self.is_lost(group, node) {
                    dead.insert(group);
                }
            }
        }
        memory.bereaved.retain(|group, _| dead.contains(group));
        for group in dead {
            memory.bereaved.entry(group).or_insert(now);
        }
        let mut orphans = board.orphans();
        orphans.extend(
            memory
                .bereaved
                .iter()
                .map(|(group, since)| (*group, *since)),
        );
        orphans.sort_by_cached_key(|(group, since)| (self.turn_of(*group), *since));
        orphans
    }

    /// Tells the first live voter that somebody here wants the group led.
    fn pass_on(&self, group: GroupId, placement: &Placement) {
        let fabric = &self.inner.fabric;
        let first = placement
            .order
            .iter()
            .find(|node| fabric.board.is_heard(**node));
        if let Some(link) = first.and_then(|node| fabric.link(*node)) {
            // It is asked for again when whoever wants the group comes back.
            let _ = link.tell(group, 0, pb::frame::Body::Nudge(pb::Nudge::default()));
        }
    }

    /// A few groups more that nobody claims get a leader.
    fn go_round(&self, memory: &mut Memory) {
        let board = &self.inner.fabric.board;
        let groups = self
            .inner
            .table
            .groups_after(GroupId::new(memory.cursor), ROUND_GROUPS);
        memory.cursor = groups.last().map_or(0, |group| group.get());
        for group in groups {
            let Some(placement) = self.inner.table.placement(group) else {
                continue;
            };
            let first = placement.order.iter().find(|node| board.is_heard(**node));
            if first == Some(&self.inner.node)
                && votes(&placement, self.inner.node)
                && board.claim_of(group).is_none()
            {
                board.want_leader(group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGGER: Duration = Duration::from_secs(1);

    fn placement() -> Placement {
        Placement {
            order: [4, 1, 3].into_iter().map(NodeId::new).collect(),
            ..Placement::default()
        }
    }

    #[test]
    fn voters_that_are_heard_stand_in_order() {
        let since = Instant::now();
        let four_is_dead = |node: NodeId| node != NodeId::new(4);
        let at = |node| {
            due_at(
                &placement(),
                NodeId::new(node),
                since,
                STAGGER,
                four_is_dead,
                |_| None,
            )
        };
        assert_eq!(at(1), Some(since));
        assert_eq!(at(3), Some(since + STAGGER));
        assert_eq!(at(4), None, "the dead do not stand");
        assert_eq!(at(9), None, "nor do those who have no vote");
    }

    #[test]
    fn voter_that_goes_on_taking_groups_is_waited_for_but_not_for_ever() {
        let since = Instant::now();
        let at = |took: Instant| {
            let took_at = |node: NodeId| (node == NodeId::new(1)).then_some(took);
            let four_is_dead = |node: NodeId| node != NodeId::new(4);
            due_at(
                &placement(),
                NodeId::new(3),
                since,
                STAGGER,
                four_is_dead,
                took_at,
            )
        };
        let later = since + Duration::from_secs(9);
        assert_eq!(at(later), Some(later + STAGGER));
        assert_eq!(
            at(since + GETTING_ON_LIMIT * 2),
            Some(since + GETTING_ON_LIMIT)
        );
        let Some(before) = since.checked_sub(STAGGER) else {
            return;
        };
        assert_eq!(
            at(before),
            Some(since + STAGGER),
            "what it took before counts for nothing"
        );
    }
}
