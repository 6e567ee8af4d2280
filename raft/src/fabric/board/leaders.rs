//! Who leads what, and what has lost its leader.
//!
//! Owns: how a claim and the orphans it makes or takes change together. Must never: elect anybody.

use std::time::Duration;

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

use super::{Board, locked};
use crate::fabric::claims::{Claim, Parked};
use crate::transport::wire::pb;

/// A leader that gives a group up has mostly handed it to another, whose claim is on its way.
const HANDED_OVER: Duration = Duration::from_secs(2);

impl Board {
    /// What `node` led has no leader.
    pub(super) fn bereave(&self, node: NodeId, due: Instant) {
        let given_up = locked(&self.claims).replace(node, &[]);
        locked(&self.orphans).bereave(given_up, due);
    }

    pub(crate) fn claim_of(&self, group: GroupId) -> Option<Claim> {
        locked(&self.claims).get(group)
    }

    pub(crate) fn claims_of(&self, node: NodeId) -> Vec<(GroupId, Claim)> {
        locked(&self.claims).of(node)
    }

    pub(crate) fn leaders(&self) -> Vec<(GroupId, NodeId)> {
        locked(&self.claims).all()
    }

    /// This node leads the group, or (`None`) does not any more.
    pub(crate) fn claim_here(&self, group: GroupId, claim: Option<(u64, Option<Parked>)>) -> bool {
        let changed = match claim {
            Some((term, parked)) => self.take_claim(group, self.me, term, parked),
            None => self.withdraw(group),
        };
        if changed {
            self.touch();
        }
        changed
    }

    fn withdraw(&self, group: GroupId) -> bool {
        let withdrawn = locked(&self.claims).withdraw(group, self.me);
        if withdrawn {
            // As the others do: whoever wants the group here meanwhile must not stand against whom it was handed to.
            let due = Instant::now() + HANDED_OVER;
            locked(&self.orphans).bereave(vec![group], due);
        }
        withdrawn
    }

    pub(super) fn take_claim(
        &self,
        group: GroupId,
        leader: NodeId,
        term: u64,
        parked: Option<Parked>,
    ) -> bool {
        let claim = Claim {
            leader,
            term,
            parked,
        };
        let mut claims = locked(&self.claims);
        let led_before = claims
            .get(group)
            .is_some_and(|known| known.leader == leader);
        let changed = claims.claim(group, claim);
        drop(claims);
        if changed && led_before {
            locked(&self.orphans).forget(group);
        } else if changed {
            locked(&self.orphans).taken(group, leader, Instant::now());
        }
        changed
    }

    /// Groups that have lost their leader, with since when something may be done. Not those that another node claims: when a
    /// majority finds that one dead, they are looked for by its claims; when only this node does not hear it, the term of a takeover that
    /// nobody grants would depose the leader of those who do. But whoever is called by a voter that stood in vain stands all the same.
    pub(crate) fn orphans(&self) -> Vec<(GroupId, Instant)> {
        let mut all = locked(&self.orphans).all();
        all.retain(|(group, _)| {
            let claim = self.claim_of(*group);
            let is_anothers = claim.is_some_and(|claim| claim.leader != self.me);
            !is_anothers || self.is_called(*group) || self.outran(*group).is_some()
        });
        all
    }

    /// Whether a voter of the group stood in vain and calls the others.
    pub(crate) fn is_called(&self, group: GroupId) -> bool {
        locked(&self.orphans).is_called(group)
    }

    /// A candidate that stands in `term` cannot be elected without this node, and lacks entries that are here: this node is to
    /// stand past it.
    pub(crate) fn stand_past(&self, group: GroupId, term: u64) {
        if self.is_led(group) {
            return;
        }
        let news = locked(&self.orphans).outrun(group, term, Instant::now());
        if news {
            self.touch();
        }
    }

    /// The term of a candidate that this node is to stand past.
    pub(crate) fn outran(&self, group: GroupId) -> Option<u64> {
        locked(&self.orphans).outran(group)
    }

    /// When `node` last took a group to lead.
    pub(crate) fn took_at(&self, node: NodeId) -> Option<Instant> {
        locked(&self.orphans).took_at(node)
    }

    /// The group is to be led: it is an orphan from now on, unless a live node claims it. If one claims it that is not heard here, it
    /// is stood for when others do not hear that one either, see [`Board::orphans`].
    pub(crate) fn want_leader(&self, group: GroupId) {
        if self.is_led(group) {
            return;
        }
        let news = locked(&self.orphans).want(group, Instant::now());
        if news {
            self.touch();
        }
    }

    /// A caller waits for the group to be led: [`Board::want_leader`], before those that nobody waits for.
    pub(crate) fn wait_for_leader(&self, group: GroupId) {
        if self.is_led(group) {
            return;
        }
        let news = locked(&self.orphans).wait_for(group, Instant::now());
        if news {
            self.touch();
        }
    }

    /// Whether a caller does.
    pub(crate) fn is_waited_for(&self, group: GroupId) -> bool {
        locked(&self.orphans).is_waited_for(group)
    }

    fn is_led(&self, group: GroupId) -> bool {
        let claim = self.claim_of(group);
        claim.is_some_and(|claim| self.is_heard(claim.leader))
    }

    /// The group is nobody's concern here any more.
    pub(crate) fn forget_group(&self, group: GroupId) {
        locked(&self.orphans).forget(group);
    }

    /// A voter stood for the group in vain and calls the others.
    pub(super) fn call_voters(&self, group: GroupId) {
        locked(&self.orphans).call(group);
        self.touch();
    }

    /// Takes in what `from` says that it leads, and what it led.
    pub(super) fn note_claims(&self, from: NodeId, claims: &pb::Claims) {
        let named = |claim: &pb::Claim| {
            let taken = Claim {
                leader: from,
                term: claim.term,
                parked: claim.parked_at.map(|index| Parked {
                    index,
                    since_ms: claim.parked_ms,
                }),
            };
            (GroupId::new(claim.group), taken)
        };
        let due = Instant::now() + HANDED_OVER;
        let (withdrawn, held): (Vec<_>, Vec<_>) =
            claims.claims.iter().partition(|claim| claim.withdrawn);
        let held: Vec<_> = held.into_iter().map(named).collect();
        let mut given_up = Vec::new();
        if claims.full {
            given_up = locked(&self.claims).replace(from, &held);
        }
        for (group, claim) in held {
            self.take_claim(group, from, claim.term, claim.parked);
            locked(&self.orphans).forget(group);
        }
        for claim in withdrawn {
            let group = GroupId::new(claim.group);
            if locked(&self.claims).withdraw(group, from) {
                given_up.push(group);
            }
        }
        locked(&self.orphans).bereave(given_up, due);
        self.touch();
    }
}
