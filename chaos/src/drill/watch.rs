//! Watches who leads what, from outside: every node is asked what it says of its groups.
//!
//! Owns: the samples and the changes. Must never: take the word of a node that has not answered for a while, or of an old
//! term against a newer one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::refs::ShowRef;
use holdfast_node_api::v1::{ClusterStatusRequest, GroupStatus};
use holdfast_region_config::{NodeId, Topology};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::result::LeaderSample;
use crate::history::Recorder;
use crate::lab::Lab;

/// Between two samples.
const TICK: Duration = Duration::from_millis(250);
/// How long a node may take to answer.
const ASK_MAX: Duration = Duration::from_millis(900);
/// Older answers do not count.
const FRESH: Duration = Duration::from_millis(1_200);
/// Groups in one answer; a drill has fewer.
const GROUPS_MAX: u32 = 1_000;

/// What one node said last.
type Said = Option<(Instant, Vec<GroupStatus>)>;

/// A show as it is led.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Led {
    pub(super) leader: u64,
    pub(super) term: u64,
    pub(super) voters: Vec<u64>,
    /// It runs no timers, or is out of memory.
    pub(super) asleep: bool,
}

/// A change of a leader, without its reason.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) at_s: f64,
    pub(super) show_id: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) term: u64,
}

/// Who led a show from a moment on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reign {
    pub(super) from_s: f64,
    pub(super) led: Led,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) samples: Vec<LeaderSample>,
    pub(super) changes: Vec<Change>,
    /// By show, in order of time.
    pub(super) reigns: BTreeMap<u64, Vec<Reign>>,
    /// Shows that had no leader at some sample, with its time.
    pub(super) leaderless: Vec<(f64, u64)>,
    /// Shows whose leader was asleep or out of memory when it was last seen.
    pub(super) asleep: BTreeSet<u64>,
}

/// A running watch.
#[derive(Debug)]
pub(super) struct Watch {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    seen: Arc<Mutex<Seen>>,
    /// The newest sample, for the terminal.
    pub(super) newest: watch::Receiver<Option<LeaderSample>>,
}

impl Watch {
    /// Begins to watch every show of the lab.
    pub(super) fn start(lab: &Lab, recorder: &Recorder) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut said = Vec::new();
        for node in &lab.cluster.topology().nodes {
            let (tell, hear) = watch::channel::<Said>(None);
            said.push(hear);
            tasks.spawn(ask(lab.node(node.id)?, tell, stop.clone()));
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (tell, newest) = watch::channel(None);
        let sampler = Sampler {
            topology: lab.cluster.topology().clone(),
            shows: lab.shows.iter().map(|show| show.show_id).collect(),
            said,
            recorder: recorder.clone(),
            seen: Arc::clone(&seen),
            newest: tell,
        };
        tasks.spawn(sampler.run(stop.clone()));
        Ok(Self {
            stop,
            tasks,
            seen,
            newest,
        })
    }

    /// Ends it.
    pub(super) async fn end(mut self) -> Seen {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn ask(node: NodeClient, tell: watch::Sender<Said>, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut operator = node.operator();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let request = ClusterStatusRequest {
            all_groups: true,
            after_group: None,
            limit: GROUPS_MAX,
        };
        if let Ok(Ok(answer)) = timeout(ASK_MAX, operator.cluster_status(request)).await {
            tell.send_replace(Some((Instant::now(), answer.into_inner().groups)));
        }
    }
}

struct Sampler {
    topology: Topology,
    shows: BTreeSet<u64>,
    said: Vec<watch::Receiver<Said>>,
    recorder: Recorder,
    seen: Arc<Mutex<Seen>>,
    newest: watch::Sender<Option<LeaderSample>>,
}

impl Sampler {
    async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = Instant::now();
            let mut groups = Vec::new();
            for (said, node) in self.said.iter().zip(&self.topology.nodes) {
                if let Some((at, all)) = &*said.borrow()
                    && now.duration_since(*at) <= FRESH
                {
                    let of = all.iter().map(|group| (node.id.get(), group.clone()));
                    groups.extend(of);
                }
            }
            if groups.is_empty() && self.newest.borrow().is_none() {
                // Nobody has been asked yet.
                continue;
            }
            let at_s = seconds(self.recorder.now_ns());
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let sample = seen.take(at_s, &self.topology, &self.shows, &led(&groups));
            drop(seen);
            self.newest.send_replace(Some(sample));
        }
    }
}

/// Who says of itself that it leads, by show; of two the one with the newer term.
fn led(groups: &[(u64, GroupStatus)]) -> BTreeMap<u64, Led> {
    let mut led: BTreeMap<u64, Led> = BTreeMap::new();
    for (node, group) in groups {
        // A replica that has left memory is known by its leader alone.
        let leads = group.role == "leader" || (group.role == "unloaded" && group.leader == *node);
        let newer = led.get(&group.show_id).is_none_or(|l| l.term < group.term);
        if leads && newer {
            let now = Led {
                leader: *node,
                term: group.term,
                voters: group.voters.clone(),
                asleep: group.hibernating || group.role == "unloaded",
            };
            led.insert(group.show_id, now);
        }
    }
    led
}

impl Seen {
    fn take(
        &mut self,
        at_s: f64,
        topology: &Topology,
        shows: &BTreeSet<u64>,
        led: &BTreeMap<u64, Led>,
    ) -> LeaderSample {
        let mut sample = LeaderSample {
            at_s,
            by_region: BTreeMap::new(),
            leaderless: 0,
        };
        for show_id in shows {
            let Some(now) = led.get(show_id) else {
                sample.leaderless += 1;
                self.leaderless.push((at_s, *show_id));
                continue;
            };
            let region = topology.region_of(NodeId::new(now.leader));
            let region = region.map_or_else(String::new, ToString::to_string);
            *sample.by_region.entry(region).or_default() += 1;
            self.reign(at_s, *show_id, now);
        }
        self.samples.push(sample.clone());
        sample
    }

    fn reign(&mut self, at_s: f64, show_id: u64, now: &Led) {
        let reigns = self.reigns.entry(show_id).or_default();
        let before = reigns.last().map(|reign| reign.led.clone());
        // An unloaded replica does not know its term and voters; it is still the same leader. So it is when it is back in
        // memory, for which it stands again; it may have left memory and come back between two looks.
        let slept = self.asleep.remove(&show_id);
        if now.asleep {
            self.asleep.insert(show_id);
        }
        let same = |b: &Led| b.leader == now.leader && (now.term == 0 || b.term >= now.term);
        if before.as_ref().is_some_and(same) {
            return;
        }
        if let Some(before) = &before
            && (before.leader != now.leader || (before.term != 0 && !slept))
        {
            self.changes.push(Change {
                at_s,
                show_id,
                from: before.leader,
                to: now.leader,
                term: now.term,
            });
        }
        let mut led = now.clone();
        if led.voters.is_empty()
            && let Some(before) = before
        {
            led.voters = before.voters;
        }
        reigns.push(Reign { from_s: at_s, led });
    }

    /// Who led a show at a moment; of an unknown one nobody.
    pub(super) fn leader_at(&self, show_id: u64, at_s: f64) -> Option<&Led> {
        let reigns = self.reigns.get(&show_id)?;
        let before = reigns.partition_point(|reign| reign.from_s <= at_s);
        let reign = reigns.get(before.saturating_sub(1))?;
        Some(&reign.led)
    }
}

/// `s1`, or `directory` for group 0's show.
pub(super) fn show_name(show_id: u64) -> String {
    if show_id == 0 {
        "directory".to_owned()
    } else {
        ShowRef(show_id).to_string()
    }
}

/// ns on the history's clock as seconds.
#[expect(clippy::cast_precision_loss, reason = "a drill lasts hours at most")]
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(show_id: u64, role: &str, term: u64, leader: u64) -> GroupStatus {
        GroupStatus {
            show_id,
            role: role.to_owned(),
            term,
            leader,
            ..GroupStatus::default()
        }
    }

    #[test]
    fn of_two_who_say_that_they_lead_the_newer_term_is_right() {
        let old = (1, group(5, "leader", 3, 1));
        let new = (2, group(5, "leader", 4, 2));
        let other = (3, group(5, "follower", 4, 2));
        for groups in [[old.clone(), new.clone(), other.clone()], [other, new, old]] {
            assert_eq!(led(&groups)[&5].leader, 2);
        }
        assert!(led(&[(1, group(6, "unloaded", 0, 2))]).is_empty());
        assert_eq!(led(&[(2, group(6, "unloaded", 0, 2))])[&6].leader, 2);
    }

    #[test]
    fn a_new_leader_or_term_is_a_change_and_going_to_sleep_is_none() {
        let topology = Topology::preset("three-regions").unwrap();
        let (shows, mut seen) = (BTreeSet::from([5]), Seen::default());
        let mut at_s = 0.0;
        for group in [
            group(5, "leader", 2, 1),
            group(5, "unloaded", 0, 1),
            group(5, "leader", 2, 1),
        ] {
            seen.take(at_s, &topology, &shows, &led(&[(1, group)]));
            at_s += 1.0;
        }
        assert!(seen.changes.is_empty());
        for (role, term) in [("unloaded", 0), ("leader", 3)] {
            seen.take(
                at_s,
                &topology,
                &shows,
                &led(&[(1, group(5, role, term, 1))]),
            );
        }
        assert!(seen.changes.is_empty(), "it stood again when it was wanted");
        assert_eq!(seen.leader_at(5, at_s).unwrap().term, 3);
        seen.take(at_s, &topology, &shows, &BTreeMap::new());
        assert_eq!(seen.samples.last().unwrap().leaderless, 1);
        let moved = [(2, group(5, "leader", 4, 2))];
        seen.take(at_s + 1.0, &topology, &shows, &led(&moved));
        assert_eq!((seen.changes[0].from, seen.changes[0].to), (1, 2));
        assert_eq!(seen.leader_at(5, 2.0).unwrap().leader, 1);
        assert_eq!(seen.leader_at(5, 9.0).unwrap().leader, 2);
    }
}
