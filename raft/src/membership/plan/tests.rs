//! The plan's promises, by example and by stepping a model of a group through crashes.

use proptest::prelude::*;

use super::*;

fn node(number: u64) -> NodeId {
    NodeId::new(number)
}

fn set<const N: usize>(numbers: [u64; N]) -> BTreeSet<NodeId> {
    numbers.into_iter().map(NodeId::new).collect()
}

fn target<const N: usize, const M: usize>(voters: [u64; N], learners: [u64; M]) -> Target {
    Target {
        voters: set(voters),
        learners: set(learners),
    }
}

/// Led by node 1, everybody current and heard.
fn calm<const N: usize, const M: usize>(voters: [u64; N], learners: [u64; M]) -> View {
    let all: BTreeSet<NodeId> = set(voters).union(&set(learners)).copied().collect();
    View {
        me: node(1),
        configs: vec![set(voters)],
        learners: set(learners),
        membership_index: 5,
        committed_index: 1_000,
        last_index: 1_000,
        matched: all.iter().map(|node| (*node, 1_000)).collect(),
        live: all,
    }
}

#[test]
fn replacement_is_brought_in_caught_up_swapped_and_the_old_one_sent_away() {
    let wanted = target([1, 2, 4], []);
    let mut view = calm([1, 2, 3], []);
    view.live.remove(&node(3));
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Do(Step::AddLearners(set([4])))
    );
    view.learners.insert(node(4));
    view.live.insert(node(4));
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Wait(Waiting::CatchUp(set([4])))
    );
    view.matched.insert(node(4), 990);
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Do(Step::ChangeVoters(set([1, 2, 4])))
    );
    view.configs = vec![set([1, 2, 4])];
    view.learners = set([3]);
    view.membership_index = 1_001;
    assert_eq!(next_step(&view, &wanted, &[]), Next::Wait(Waiting::Commit));
    view.committed_index = 1_001;
    view.last_index = 1_001;
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Do(Step::RemoveLearners(set([3])))
    );
    view.learners.clear();
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Wait(Waiting::Spread(set([2, 4])))
    );
    view.matched = [(node(2), 1_001), (node(4), 1_001)].into();
    assert_eq!(next_step(&view, &wanted, &[]), Next::Settled);
}

#[test]
fn a_learner_that_is_given_up_is_sent_away_without_being_waited_for() {
    let wanted = target([1, 2, 3], []);
    let mut view = calm([1, 2, 3], [4]);
    view.live.remove(&node(4));
    view.matched.remove(&node(4));
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Do(Step::RemoveLearners(set([4])))
    );
}

#[test]
fn targets_are_told_apart_by_their_numbers() {
    let (voting, learning) = (target([1, 2, 3], []), target([1, 2], [3]));
    assert_ne!(voting.number(), learning.number());
    assert_eq!(voting.number(), target([3, 2, 1], []).number());
}

#[test]
fn interrupted_change_is_completed_first_whatever_is_wanted_by_then() {
    let mut view = calm([1, 2, 3], []);
    view.configs = vec![set([1, 2, 3]), set([1, 2, 4])];
    assert_eq!(
        next_step(&view, &target([1, 2, 5], []), &[]),
        Next::Do(Step::ChangeVoters(set([1, 2, 4])))
    );
}

#[test]
fn leader_that_is_to_go_hands_over_to_the_preferred_one_that_stays() {
    let view = calm([1, 2, 3], [4]);
    let wanted = target([2, 3, 4], []);
    assert_eq!(
        next_step(&view, &wanted, &[node(4), node(3)]),
        Next::Do(Step::HandOver(node(3))),
        "node 4 does not vote yet"
    );
}

#[test]
fn only_those_who_are_there_are_made_voters() {
    let mut view = calm([1, 2, 3], [4, 5]);
    for silent in [3, 5] {
        view.live.remove(&node(silent));
    }
    assert_eq!(
        next_step(&view, &target([1, 4, 5], []), &[]),
        Next::Do(Step::ChangeVoters(set([1, 2, 4]))),
        "node 2 stays until node 5 is there"
    );
    view.matched.remove(&node(4));
    assert_eq!(
        next_step(&view, &target([1, 4, 5], []), &[]),
        Next::Wait(Waiting::CatchUp(set([4, 5])))
    );
}

#[test]
fn voter_may_become_a_learner_and_stays_a_member() {
    let view = calm([1, 2, 3], [4]);
    let wanted = target([1, 2, 4], [3]);
    assert_eq!(
        next_step(&view, &wanted, &[]),
        Next::Do(Step::ChangeVoters(set([1, 2, 4])))
    );
}

/// A group that does what it is told, loses its leader now and then, and has nodes that sleep and wake.
#[derive(Debug, Clone)]
struct Model {
    view: View,
}

impl Model {
    fn majority_lives(&self) -> bool {
        let lives = |config: &BTreeSet<NodeId>| {
            config
                .iter()
                .filter(|node| self.view.live.contains(node))
                .count()
                * 2
                > config.len()
        };
        self.view.configs.iter().all(lives)
    }

    fn append(&mut self) {
        self.view.last_index += 1;
        self.view.membership_index = self.view.last_index;
        self.view.committed_index = self.view.last_index;
    }

    /// Takes a step; `interrupted` leaves a change of voters in its joint half.
    fn take(&mut self, step: Step, interrupted: bool) {
        match step {
            Step::AddLearners(nodes) => {
                self.view.learners.extend(nodes);
                self.append();
            }
            Step::RemoveLearners(nodes) => {
                for node in nodes {
                    assert!(self.view.learners.remove(&node), "{node} is a learner");
                }
                self.append();
            }
            Step::HandOver(to) => {
                assert!(self.view.live.contains(&to), "{to} is heard");
                self.view.me = to;
            }
            Step::ChangeVoters(next) => {
                let last = self.view.configs.last().cloned().unwrap_or_default();
                assert!(
                    self.view.configs.len() == 1 || last == next,
                    "a joint change is completed, not replaced"
                );
                for newcomer in next.difference(&last) {
                    assert!(self.view.learners.contains(newcomer), "{newcomer} learned");
                }
                let fresh = self.view.configs.len() == 1;
                self.view.learners.retain(|node| !next.contains(node));
                let old: BTreeSet<NodeId> = self.view.configs.iter().flatten().copied().collect();
                if fresh && interrupted {
                    self.view.configs.push(next);
                } else {
                    self.view.learners.extend(old.difference(&next));
                    self.view.configs = vec![next];
                }
                self.append();
            }
        }
    }

    /// Some live voter leads; `pick` chooses.
    fn elect(&mut self, pick: usize) {
        let voters: Vec<NodeId> = self
            .view
            .configs
            .iter()
            .flatten()
            .filter(|node| self.view.live.contains(node))
            .copied()
            .collect();
        self.view.me = voters[pick % voters.len()];
    }

    fn catch_up(&mut self) {
        let last = self.view.last_index;
        for node in self.view.live.clone() {
            self.view.matched.insert(node, last);
        }
    }
}

fn members(range: std::ops::Range<u64>) -> impl Strategy<Value = (Target, BTreeSet<NodeId>)> {
    let nodes: Vec<u64> = range.collect();
    let count = nodes.len();
    (Just(nodes).prop_shuffle(), 1..=3usize, 0..=2usize).prop_map(move |(nodes, half, more)| {
        let votes = (half * 2 - 1).min(count);
        let voters: BTreeSet<NodeId> = nodes[..votes].iter().copied().map(NodeId::new).collect();
        let end = (votes + more).min(count);
        let learners = nodes[votes..end].iter().copied().map(NodeId::new).collect();
        let all = nodes.iter().copied().map(NodeId::new).collect();
        (Target { voters, learners }, all)
    })
}

proptest! {
    /// From any membership to any other, with leaders dying in mid-change and nodes sleeping for a while: never fewer
    /// voters than both sides have, never a majority lost by a step, and in the end it is what was wanted.
    #[test]
    fn every_change_arrives_and_never_goes_below_the_goal(
        (from, all) in members(1..8),
        (to, _) in members(1..8),
        faults in prop::collection::vec((0..4u8, 0..7u64, 0..7usize), 0..40),
    ) {
        let first = *from.voters.first().expect("someone votes");
        let mut model = Model { view: View {
            me: first,
            configs: vec![from.voters.clone()],
            learners: from.learners.clone(),
            membership_index: 0,
            committed_index: 0,
            last_index: 0,
            matched: BTreeMap::new(),
            live: all.clone(),
        } };
        let fewest = from.voters.len().min(to.voters.len());
        let mut faults = faults.into_iter();
        for round in 0..200 {
            let fault = faults.next();
            match fault {
                Some((0, who, _)) => {
                    let mut worse = model.clone();
                    worse.view.live.remove(&node(who + 1));
                    if worse.majority_lives() { model = worse; }
                }
                Some((1, who, _)) => { model.view.live.insert(node(who + 1)); }
                Some(_) => {}
                None => model.view.live = all.clone(),
            }
            if !model.view.live.contains(&model.view.me) || matches!(fault, Some((2, ..))) {
                model.elect(fault.map_or(0, |(_, _, pick)| pick));
            }
            let next = next_step(&model.view, &to, &[]);
            match next {
                Next::Do(step) => {
                    model.take(step, matches!(fault, Some((3, ..))));
                    for config in &model.view.configs {
                        prop_assert!(config.len() >= fewest, "{config:?} of at least {fewest}");
                    }
                    prop_assert!(model.majority_lives(), "{model:?}");
                    let votes = model.view.configs.iter().any(|c| c.contains(&model.view.me));
                    if !votes { model.elect(0); }
                }
                Next::Wait(_) => model.catch_up(),
                Next::Settled => {
                    if fault.is_none() {
                        prop_assert_eq!(&model.view.configs, &vec![to.voters.clone()]);
                        prop_assert_eq!(&model.view.learners, &to.learners);
                        return Ok(());
                    }
                }
            }
            prop_assert!(round < 199, "never arrives: {model:?} to {to:?}");
        }
    }
}
