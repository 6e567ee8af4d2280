//! Carries out membership changes of the groups that this node leads.
//!
//! Owns: which groups have a change to make, one task for each, and a bound on how many work at a time. Must never: poll the
//! groups that have none, wake a group only to find that the node it waits for is still silent, or keep a place while waiting
//! for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver as _;
use openraft::{ChangeMembers, ServerState};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::news::News;
use super::plan::{Next, Step, Target, View, Waiting, next_step};
use crate::Host;
use crate::group::GroupCore;
use crate::host::wakes::WakeCause;

/// Groups whose membership is changed at a time by this node: each may be sending a snapshot.
const DRIVEN_MAX: usize = 32;
/// Changes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// How often groups that have to wait are looked at again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After a step that failed, and after one that waits in vain.
const REST: Duration = Duration::from_secs(2);
/// A group that waits gives up its place after this.
const PATIENCE: Duration = Duration::from_secs(5);
/// One step: two commits, or a transfer after catching up.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// Metrics change with every append; between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Steps of one change: learners in, voters a few at a time, learners out, and leadership handed over in between.
const STEPS_MAX: usize = 256;

/// Why a group is left alone for a while.
#[derive(Debug, Clone)]
struct Rest {
    /// Generation of the target; another one ends the rest.
    generation: u64,
    until: Instant,
    /// While all of these are silent there is nothing to do. Empty = only time ends the rest.
    silent: BTreeSet<NodeId>,
}

/// Groups under work, and those that rest.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// `None` = a task works on it.
    groups: Mutex<BTreeMap<GroupId, Option<Rest>>>,
}

impl Driven {
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<GroupId, Option<Rest>>> {
        // Whole entries only are inserted and removed.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins unless a task is at it or it rests.
    fn begin(&self, group: GroupId, generation: u64, is_heard: impl Fn(NodeId) -> bool) -> bool {
        let mut groups = self.locked();
        let rests = match groups.get(&group) {
            Some(None) => return false,
            Some(Some(rest)) => {
                let in_vain =
                    !rest.silent.is_empty() && !rest.silent.iter().any(|node| is_heard(*node));
                rest.generation == generation && (in_vain || rest.until > Instant::now())
            }
            None => false,
        };
        if !rests {
            groups.insert(group, None);
        }
        !rests
    }

    fn end(&self, group: GroupId, rest: Option<Rest>) {
        let mut groups = self.locked();
        match rest {
            Some(rest) => groups.insert(group, Some(rest)),
            None => groups.remove(&group),
        };
    }

    fn forget_all_but(&self, groups: &BTreeSet<GroupId>) {
        self.locked()
            .retain(|group, rest| rest.is_none() || groups.contains(group));
    }
}

/// What a group's membership shall be.
struct Wanted {
    /// Another one for another target.
    generation: u64,
    target: Target,
    preference: Vec<NodeId>,
}

impl Host {
    /// Works on every group that this node leads and that is not what it shall be, until stopped.
    pub(crate) async fn drive_until_stopped(self) {
        let mut news = News::of(&self, GATHER);
        let limit = Arc::new(Semaphore::new(DRIVEN_MAX));
        loop {
            news.all_seen();
            let waiting = self.drive_due(&limit);
            // Silence grows without an event, and whoever is silent for too long leaves the directory.
            let leads = self.directory().leadership().borrow().leads;
            let watching = waiting || (leads && self.somebody_is_silent());
            if !news.wait(watching.then_some(RETRY_INTERVAL)).await {
                return;
            }
        }
    }

    /// Begins on every group that is due; true when there are any that this node leads and that are not settled.
    fn drive_due(&self, limit: &Arc<Semaphore>) -> bool {
        let me = self.inner.node;
        let board = &self.inner.fabric.board;
        let (unsettled, _) = self.directory().read(|directory| {
            let shows = directory.unsettled().iter();
            let generation = |show: &ShowId| directory.shows().get(show).map(|r| r.generation);
            shows
                .filter_map(|show| Some((GroupId::new(show.get()), generation(show)?)))
                .collect::<Vec<_>>()
        });
        let led = |group: GroupId| {
            board
                .claim_of(group)
                .is_some_and(|claim| claim.leader == me)
        };
        let mut due: Vec<(GroupId, u64)> = unsettled
            .into_iter()
            .filter(|(group, _)| led(*group))
            .collect();
        if let Some(generation) = self.directory_due() {
            due.push((GroupId::DIRECTORY, generation));
        }
        let groups = due.iter().map(|(group, _)| *group).collect();
        self.inner.driven.forget_all_but(&groups);
        for (group, generation) in &due {
            let begun = self
                .inner
                .driven
                .begin(*group, *generation, |node| board.is_heard(node));
            if begun {
                let (host, group) = (self.clone(), *group);
                let limit = Arc::clone(limit);
                self.inner.group_tasks.spawn(async move {
                    let rest = match limit.acquire().await {
                        Ok(_place) => host.drive(group).await,
                        Err(_) => None,
                    };
                    host.inner.driven.end(group, rest);
                });
            }
        }
        !due.is_empty()
    }

    /// The generation of the directory's target, when this node leads the directory and its members are others.
    fn directory_due(&self) -> Option<u64> {
        let directory = self.directory();
        if !directory.leadership().borrow().leads {
            return None;
        }
        let wanted = self.wanted(GroupId::DIRECTORY)?;
        let status = directory.status();
        let differs = status.voters.into_iter().collect::<BTreeSet<_>>() != wanted.target.voters
            || status.learners.into_iter().collect::<BTreeSet<_>>() != wanted.target.learners;
        differs.then_some(wanted.generation)
    }

    /// Takes steps until the group is settled or has to wait for long; returns how long to leave it alone then.
    async fn drive(&self, group: GroupId) -> Option<Rest> {
        let stop = self.inner.stop_duties.clone();
        let rest = |generation| {
            Some(Rest {
                generation,
                until: Instant::now() + REST,
                silent: BTreeSet::new(),
            })
        };
        let mut patience = Instant::now() + PATIENCE;
        let mut steps = 0;
        while steps < STEPS_MAX && !stop.is_cancelled() {
            let wanted = self.wanted(group)?;
            let Ok(core) = self.lead_awake(group, WakeCause::Membership).await else {
                return rest(wanted.generation);
            };
            let _inside = core.gate.enter_quietly()?;
            let view = self.view(&core, &wanted.target)?;
            match next_step(&view, &wanted.target, &wanted.preference) {
                Next::Do(step) => {
                    steps += 1;
                    patience = Instant::now() + PATIENCE;
                    if !self.take(&core, &step).await {
                        return rest(wanted.generation);
                    }
                }
                Next::Wait(waiting) => {
                    let missing = missing(&waiting);
                    let silent = |node: &NodeId| !self.inner.fabric.board.is_heard(*node);
                    if !missing.is_empty() && missing.iter().all(silent) {
                        return Some(Rest {
                            generation: wanted.generation,
                            until: Instant::now() + REST,
                            silent: missing,
                        });
                    }
                    if Instant::now() >= patience {
                        tracing::debug!(%group, ?waiting, "membership change has to wait");
                        return rest(wanted.generation);
                    }
                    let mut metrics = core.raft.metrics();
                    // What is waited for shows in the metrics, or in what the fabric hears; the latter is looked at soon.
                    let _ = tokio::time::timeout(RETRY_INTERVAL, metrics.changed()).await;
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
                Next::Settled => {
                    if !group.is_directory() {
                        let show = ShowId(group.get());
                        self.inner.reports.settled(show, wanted.generation);
                    }
                    return rest(wanted.generation);
                }
            }
        }
        None
    }

    /// What the group's membership shall be; `None` when there is nothing to do for this node.
    fn wanted(&self, group: GroupId) -> Option<Wanted> {
        if group.is_directory() {
            let (target, preference) = self.directory_target();
            return Some(Wanted {
                generation: target.number(),
                target,
                preference,
            });
        }
        let (record, _) = self
            .directory()
            .read(|directory| directory.shows().get(&ShowId(group.get())).cloned());
        let record = record.filter(|record| !record.is_settled())?;
        Some(Wanted {
            generation: record.generation,
            target: Target {
                voters: record.voters.iter().copied().collect(),
                learners: record.learners.iter().copied().collect(),
            },
            preference: record.leader_order(),
        })
    }

    /// The group as its leader sees it; `None` when this replica does not lead.
    fn view(&self, core: &GroupCore, target: &Target) -> Option<View> {
        let board = &self.inner.fabric.board;
        let metrics = core.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader {
            return None;
        }
        let membership = metrics.membership_config.membership();
        let nodes = |set: &BTreeSet<u64>| set.iter().copied().map(NodeId::new).collect();
        let replication = metrics.replication.as_ref()?;
        let matched = replication.iter().filter_map(|(node, matched)| {
            let index = matched.as_ref()?.index();
            Some((NodeId::new(*node), index))
        });
        let members = membership.nodes().map(|(node, ())| NodeId::new(*node));
        #[cfg(feature = "simulation")]
        let matched = {
            let early = crate::simulation::sabotaged(crate::simulation::Sabotage::PromoteEarly);
            let last = metrics.last_log_index.filter(|_| early);
            let all = membership.nodes().map(|(node, ())| NodeId::new(*node));
            matched.chain(all.filter_map(move |node| Some((node, last?))))
        };
        let wanted = target.voters.iter().chain(&target.learners).copied();
        let is_live = |node: &NodeId| *node == core.node || board.is_heard(*node);
        Some(View {
            me: core.node,
            configs: membership.get_joint_config().iter().map(nodes).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            membership_index: metrics
                .membership_config
                .log_id()
                .as_ref()
                .map_or(0, |id| id.index()),
            committed_index: metrics.last_applied.map_or(0, |id| id.index()),
            last_index: metrics.last_log_index.unwrap_or_default(),
            matched: matched.collect(),
            live: members.chain(wanted).filter(is_live).collect(),
        })
    }

    /// Takes one step; false when it came to nothing within its limit. Whatever became of it, the next look sees it.
    async fn take(&self, core: &Arc<GroupCore>, step: &Step) -> bool {
        let group = core.group;
        let ids = |nodes: &BTreeSet<NodeId>| nodes.iter().map(|node| node.get()).collect();
        let change = match step {
            Step::HandOver(to) => {
                let moved = self.move_group_leader(group, *to).await;
                tracing::info!(%group, %to, ok = moved.is_ok(), "leadership handed over for a membership change");
                return moved.is_ok();
            }
            Step::AddLearners(nodes) => {
                // One that was a member before may have been deleted since.
                nodes
                    .iter()
                    .for_each(|node| core.kinship.forget(node.get()));
                let nodes = nodes.iter().map(|node| (node.get(), ()));
                ChangeMembers::AddNodes(nodes.collect())
            }
            Step::ChangeVoters(voters) => ChangeMembers::ReplaceAllVoters(ids(voters)),
            Step::RemoveLearners(nodes) => ChangeMembers::RemoveNodes(ids(nodes)),
        };
        core.gate.wrote();
        // Voters that are replaced stay as learners until the new membership is committed, and are removed by a step of
        // their own.
        let changing = core.raft.change_membership(change, true);
        match tokio::time::timeout(STEP_LIMIT, changing).await {
            Ok(Ok(_)) => {
                tracing::info!(%group, ?step, "membership changed");
                true
            }
            Ok(Err(error)) => {
                tracing::debug!(%group, ?step, %error, "membership not changed yet");
                false
            }
            Err(_) => false,
        }
    }
}

/// The nodes that have to act before the change goes on.
fn missing(waiting: &Waiting) -> BTreeSet<NodeId> {
    match waiting {
        Waiting::CatchUp(nodes) | Waiting::Spread(nodes) => nodes.clone(),
        Waiting::Commit | Waiting::Quorum | Waiting::Heir => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_waits_for_a_silent_node_is_worked_on_again_when_it_shall_be_another() {
        let (driven, group) = (Driven::default(), GroupId::DIRECTORY);
        let is_heard = |node: NodeId| node != NodeId::new(4);
        assert!(driven.begin(group, 1, is_heard));
        assert!(!driven.begin(group, 2, is_heard), "a task is at it");
        let rest = Rest {
            generation: 1,
            until: Instant::now(),
            silent: [NodeId::new(4)].into(),
        };
        driven.end(group, Some(rest.clone()));
        assert!(!driven.begin(group, 1, is_heard), "it would be in vain");
        assert!(driven.begin(group, 2, is_heard));
        driven.end(group, Some(rest));
        assert!(driven.begin(group, 1, |_| true), "the node is back");
    }
}
