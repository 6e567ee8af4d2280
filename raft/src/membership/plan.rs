//! The next step of a membership change. Pure.
//!
//! Owns: that no step leaves fewer voters than the goal has, that none is taken whose outcome could not commit, and that
//! some step is always taken when the nodes needed for it live and have caught up. Must never: remember anything.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use holdfast_region_config::NodeId;

/// A newcomer that lacks at most this many entries has caught up: a busy group commits this many within the round trip in
/// which it hears of them, so waiting for none could be for ever.
pub(crate) const LAG_MAX: u64 = 512;

/// A group's membership as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The leader.
    pub(crate) me: NodeId,
    /// Who votes; two sets while a change of voters is under way, the newer one last. Never empty.
    pub(crate) configs: Vec<BTreeSet<NodeId>>,
    /// Who only follows.
    pub(crate) learners: BTreeSet<NodeId>,
    /// Index of the entry that says so.
    pub(crate) membership_index: u64,
    /// Last index known to be committed.
    pub(crate) committed_index: u64,
    /// Last index in the leader's log.
    pub(crate) last_index: u64,
    /// Up to which index each member's log is known to match the leader's; absent = nothing is known.
    pub(crate) matched: BTreeMap<NodeId, u64>,
    /// Who is heard now; the leader is.
    pub(crate) live: BTreeSet<NodeId>,
}

/// Who shall be a member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    /// Who shall vote; never empty.
    pub(crate) voters: BTreeSet<NodeId>,
    /// Who shall only follow; none of them votes.
    pub(crate) learners: BTreeSet<NodeId>,
}

impl Target {
    /// A number that another target does not have, within this process: for a group whose targets have no generation.
    pub(crate) fn number(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// One change; the next is planned when it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bring these in without a vote.
    AddLearners(BTreeSet<NodeId>),
    /// Let exactly these vote; who no longer does stays as a learner. Also completes a change that was interrupted.
    ChangeVoters(BTreeSet<NodeId>),
    /// Send these away.
    RemoveLearners(BTreeSet<NodeId>),
    /// Give leadership to this voter, because the leader itself is to go; it goes on from there.
    HandOver(NodeId),
}

/// What a change waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The last membership entry is not committed.
    Commit,
    /// These shall vote, and are silent or lack entries.
    CatchUp(BTreeSet<NodeId>),
    /// Too few of the next voters are live and current: a change to them could stop the group.
    Quorum,
    /// The leader is to go, and no voter that stays could take over.
    Heir,
    /// These members have not got the last membership entry.
    Spread(BTreeSet<NodeId>),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Take this step.
    Do(Step),
    /// Nothing, until something changes.
    Wait(Waiting),
    /// The membership is the target, it is committed, and every member has it.
    Settled,
}

impl View {
    fn has_caught_up(&self, node: NodeId) -> bool {
        node == self.me
            || (self.live.contains(&node)
                && self
                    .matched
                    .get(&node)
                    .is_some_and(|matched| matched + LAG_MAX >= self.last_index))
    }

    /// Whether a majority of `voters` could commit at once.
    fn could_commit(&self, voters: &BTreeSet<NodeId>) -> bool {
        let ready = voters.iter().filter(|node| self.has_caught_up(**node));
        ready.count() * 2 > voters.len()
    }

    /// Who could lead in the leader's stead: a voter now and among `next`.
    fn heir(&self, next: &BTreeSet<NodeId>, preference: &[NodeId]) -> Option<NodeId> {
        let votes = |node: &NodeId| self.configs.iter().any(|config| config.contains(node));
        let able = |node: &&NodeId| {
            **node != self.me && votes(node) && self.has_caught_up(**node) && next.contains(node)
        };
        preference
            .iter()
            .find(able)
            .or_else(|| next.iter().find(able))
            .copied()
    }

    /// The change from `voters` to `next`, or what has to come before it.
    fn towards(
        &self,
        voters: &BTreeSet<NodeId>,
        mut next: BTreeSet<NodeId>,
        preference: &[NodeId],
    ) -> Next {
        if !next.contains(&self.me) {
            if let Some(heir) = self.heir(&next, preference) {
                return Next::Do(Step::HandOver(heir));
            }
            if !voters.is_disjoint(&next) {
                return Next::Wait(Waiting::Heir);
            }
            // None of those to come votes yet, so none can be handed anything: the leader stays for one change more.
            next.insert(self.me);
        }
        if self.could_commit(&next) {
            Next::Do(Step::ChangeVoters(next))
        } else {
            Next::Wait(Waiting::Quorum)
        }
    }
}

/// The next step from `view` to `target`. `preference` says who should lead, best first.
pub(crate) fn next_step(view: &View, target: &Target, preference: &[NodeId]) -> Next {
    if view.membership_index > view.committed_index {
        return Next::Wait(Waiting::Commit);
    }
    let (Some(voters), unfinished) = (view.configs.last(), view.configs.len() > 1) else {
        return Next::Wait(Waiting::Commit);
    };
    if unfinished {
        // A joint membership needs both majorities for everything; whatever is wanted now, first out of it, forward.
        if voters.contains(&view.me) {
            return Next::Do(Step::ChangeVoters(voters.clone()));
        }
        let heir = view.heir(voters, preference).map(Step::HandOver);
        return Next::Do(heir.unwrap_or_else(|| Step::ChangeVoters(voters.clone())));
    }
    let wanted: BTreeSet<NodeId> = target.voters.union(&target.learners).copied().collect();
    let members: BTreeSet<NodeId> = voters.union(&view.learners).copied().collect();
    let missing: BTreeSet<NodeId> = wanted.difference(&members).copied().collect();
    if !missing.is_empty() {
        return Next::Do(Step::AddLearners(missing));
    }
    if *voters != target.voters {
        let next = next_voters(view, voters, &target.voters);
        if next == *voters {
            let late = target.voters.difference(voters);
            let late = late.filter(|node| !view.has_caught_up(**node)).copied();
            return Next::Wait(Waiting::CatchUp(late.collect()));
        }
        return view.towards(voters, next, preference);
    }
    let extra: BTreeSet<NodeId> = view.learners.difference(&wanted).copied().collect();
    if !extra.is_empty() {
        return Next::Do(Step::RemoveLearners(extra));
    }
    let behind: BTreeSet<NodeId> = members
        .into_iter()
        .filter(|node| !has_entry(view, *node, view.membership_index))
        .collect();
    if behind.is_empty() {
        Next::Settled
    } else {
        Next::Wait(Waiting::Spread(behind))
    }
}

fn has_entry(view: &View, node: NodeId, index: u64) -> bool {
    node == view.me
        || view
            .matched
            .get(&node)
            .is_some_and(|matched| *matched >= index)
}

/// The voters to change to now: those of the target that vote already or have caught up, and for each that has not, one
/// that is to go, the leader and the living first. So there are never fewer than both sides have.
fn next_voters(
    view: &View,
    voters: &BTreeSet<NodeId>,
    target: &BTreeSet<NodeId>,
) -> BTreeSet<NodeId> {
    let stays_or_ready = |node: &&NodeId| voters.contains(node) || view.has_caught_up(**node);
    let mut next: BTreeSet<NodeId> = target.iter().filter(stays_or_ready).copied().collect();
    let mut going: Vec<NodeId> = voters.difference(target).copied().collect();
    going.sort_by_key(|node| (*node != view.me, !view.live.contains(node), *node));
    let room = target.len().saturating_sub(next.len());
    next.extend(going.into_iter().take(room));
    next
}

#[cfg(test)]
mod tests;
