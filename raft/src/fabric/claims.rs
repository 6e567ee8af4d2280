//! Who leads which group, as the nodes say it themselves.
//!
//! Owns: the newest claim of each group. Must never: be taken for proof of leadership; a claim is where to ask first, and
//! whose death orphans the group.
//!
//! A claim outlives the replica in memory: a leader that has put an idle group away still answers for it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{GroupId, NodeId};

/// Since when a group sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parked {
    /// Nothing was appended after this log index and nothing will be before the claim is renewed.
    pub(crate) index: u64,
    /// What the leader's clock showed when nothing beyond it was acknowledged by anybody, ms; 0 = it does not know.
    pub(crate) since_ms: u64,
}

/// One node's word that it leads a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Who says so.
    pub(crate) leader: NodeId,
    /// In which term.
    pub(crate) term: u64,
    /// The group sleeps.
    pub(crate) parked: Option<Parked>,
}

/// The claims known to one node.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_group: BTreeMap<GroupId, Claim>,
    by_leader: BTreeMap<NodeId, BTreeSet<GroupId>>,
}

impl Claims {
    /// The claim on a group.
    pub(crate) fn get(&self, group: GroupId) -> Option<Claim> {
        self.by_group.get(&group).copied()
    }

    /// Every group that is claimed, with who claims it.
    pub(crate) fn all(&self) -> Vec<(GroupId, NodeId)> {
        let claims = self.by_group.iter();
        claims
            .map(|(group, claim)| (*group, claim.leader))
            .collect()
    }

    /// Everything that `leader` claims.
    pub(crate) fn of(&self, leader: NodeId) -> Vec<(GroupId, Claim)> {
        let groups = self.by_leader.get(&leader).into_iter().flatten();
        groups
            .filter_map(|group| Some((*group, self.get(*group)?)))
            .collect()
    }

    /// Takes a claim unless one of a later term is known; true when something changed.
    pub(crate) fn claim(&mut self, group: GroupId, claim: Claim) -> bool {
        match self.by_group.get(&group) {
            Some(known) if known.term > claim.term || *known == claim => return false,
            Some(known) if known.leader != claim.leader => {
                let before = known.leader;
                self.unlist(before, group);
            }
            _ => {}
        }
        self.by_group.insert(group, claim);
        self.by_leader
            .entry(claim.leader)
            .or_default()
            .insert(group);
        true
    }

    /// `leader` does not claim the group (any more); true when it did.
    pub(crate) fn withdraw(&mut self, group: GroupId, leader: NodeId) -> bool {
        if self.get(group).is_none_or(|known| known.leader != leader) {
            return false;
        }
        self.by_group.remove(&group);
        self.unlist(leader, group);
        true
    }

    /// `leader` claims exactly these; returns the groups that it gave up.
    pub(crate) fn replace(&mut self, leader: NodeId, claims: &[(GroupId, Claim)]) -> Vec<GroupId> {
        let kept: BTreeSet<GroupId> = claims.iter().map(|(group, _)| *group).collect();
        let given_up: Vec<GroupId> = self
            .of(leader)
            .into_iter()
            .map(|(group, _)| group)
            .filter(|group| !kept.contains(group))
            .collect();
        for group in &given_up {
            self.withdraw(*group, leader);
        }
        for (group, claim) in claims {
            self.claim(*group, *claim);
        }
        given_up
    }

    /// Nothing that `leader` said about sleeping groups can be relied upon: its connection broke, and what it said since is
    /// lost.
    pub(crate) fn forget_parking(&mut self, leader: NodeId) {
        for group in self.by_leader.get(&leader).into_iter().flatten() {
            if let Some(claim) = self.by_group.get_mut(group) {
                claim.parked = None;
            }
        }
    }

    fn unlist(&mut self, leader: NodeId, group: GroupId) {
        if let Some(groups) = self.by_leader.get_mut(&leader) {
            groups.remove(&group);
            if groups.is_empty() {
                self.by_leader.remove(&leader);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::new(1);
    const B: NodeId = NodeId::new(2);

    fn claim(leader: NodeId, term: u64) -> Claim {
        Claim {
            leader,
            term,
            parked: None,
        }
    }

    #[test]
    fn later_term_wins_whatever_comes_last() {
        let mut claims = Claims::default();
        let group = GroupId::new(7);
        assert!(claims.claim(group, claim(B, 5)));
        assert!(!claims.claim(group, claim(A, 4)));
        assert_eq!(claims.get(group), Some(claim(B, 5)));
        assert!(claims.claim(group, claim(A, 6)));
        assert!(!claims.withdraw(group, B), "it is not B's to give up");
        assert!(claims.of(B).is_empty());
    }

    #[test]
    fn whole_list_gives_up_what_it_does_not_name() {
        let mut claims = Claims::default();
        for group in 1..=4 {
            claims.claim(GroupId::new(group), claim(A, 1));
        }
        let kept = [
            (GroupId::new(2), claim(A, 1)),
            (GroupId::new(9), claim(A, 1)),
        ];
        let given_up = claims.replace(A, &kept);
        assert_eq!(given_up, [1, 3, 4].map(GroupId::new));
        assert_eq!(claims.of(A).len(), 2);
    }

    #[test]
    fn broken_connection_wakes_sleeping_claims() {
        let mut claims = Claims::default();
        let parked = Claim {
            parked: Some(Parked {
                index: 9,
                since_ms: 7,
            }),
            ..claim(A, 1)
        };
        claims.claim(GroupId::new(1), parked);
        claims.forget_parking(A);
        assert_eq!(claims.get(GroupId::new(1)), Some(claim(A, 1)));
    }
}
