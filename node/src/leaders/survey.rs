//! Who leads what in the whole cluster, what is not at home and why, and what is to move. Pure.
//!
//! Owns: the figures that an operator waits for. Must never: decide otherwise than the duty does; it asks the same function.

use std::collections::BTreeMap;

use holdfast_region_config::{GroupId, NodeId, RegionId};

use super::{
    conditions::{Conditions, Reach},
    fleet::GroupFacts,
    wanted::{Buyers, Reason, Subject, Verdict, wanted_leader},
};

/// Why a group is not led from its home region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Home is evacuated.
    Evacuated,
    /// All its nodes at home drain.
    Draining,
    /// An operator wants it elsewhere.
    Pinned,
    /// It follows its buyers.
    FollowsBuyers,
    /// None of its nodes at home is heard.
    Unreachable,
    /// It is on its way, or waits until home has been heard for long enough or has all entries.
    Moving,
}

impl Why {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evacuated => "evacuated",
            Self::Draining => "draining",
            Self::Pinned => "pinned",
            Self::FollowsBuyers => "follows_buyers",
            Self::Unreachable => "unreachable",
            Self::Moving => "moving",
        }
    }
}

/// What one node leads, and will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Groups led now.
    pub led: u64,
    /// Moves to it.
    pub to_gain: u64,
    /// Moves from it.
    pub to_give: u64,
}

/// A group that is not where it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Which.
    pub group: GroupId,
    /// Who leads it.
    pub leader: NodeId,
    /// Where its leader should be.
    pub home: Option<RegionId>,
    /// Why it is not.
    pub why: Why,
}

/// A move that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Which group.
    pub group: GroupId,
    /// Who leads it.
    pub from: NodeId,
    /// Who shall.
    pub to: NodeId,
    /// Why.
    pub reason: Reason,
}

/// All groups at one moment; lists in group order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Groups looked at.
    pub groups: u64,
    /// Groups without a known leader.
    pub leaderless: u64,
    /// By node; those that lead nothing and gain nothing are absent.
    pub shares: BTreeMap<NodeId, Share>,
    /// Led outside their home region.
    pub away: Vec<Away>,
    /// Moves that are due.
    pub moves: Vec<Planned>,
    /// Should leave their node, and nobody can take them.
    pub stuck: Vec<Away>,
}

/// Looks at every group; `leader` is who leads it as far as is known.
pub fn survey(groups: &[(GroupFacts, Option<NodeId>)], conditions: &Conditions) -> Survey {
    let mut conditions = conditions.clone();
    let mut survey = Survey {
        groups: groups.len() as u64,
        ..Survey::default()
    };
    for (facts, leader) in groups {
        let Some(leader) = *leader else {
            survey.leaderless += 1;
            continue;
        };
        survey.share(leader).led += 1;
        let home = facts.preference.first();
        let home = home.and_then(|node| conditions.region(*node)).cloned();
        let why = why_away(facts, leader, home.as_ref(), &conditions);
        let away = |why| Away {
            group: facts.group,
            leader,
            home: home.clone(),
            why,
        };
        survey.away.extend(why.map(away));
        let subject = Subject {
            voters: &facts.voters,
            preference: &facts.preference,
            pin: facts.pin,
            buyers: if facts.follows_buyers {
                Buyers::Here
            } else {
                Buyers::Ignored
            },
            leader,
        };
        match wanted_leader(&subject, &conditions) {
            Verdict::Stay => {}
            Verdict::Stuck { reason } => survey.stuck.push(away(stuck_by(reason))),
            Verdict::Move { to, reason } => {
                conditions.moves(leader, to);
                survey.share(leader).to_give += 1;
                survey.share(to).to_gain += 1;
                survey.moves.push(Planned {
                    group: facts.group,
                    from: leader,
                    to,
                    reason,
                });
            }
        }
    }
    survey
}

impl Survey {
    fn share(&mut self, node: NodeId) -> &mut Share {
        self.shares.entry(node).or_default()
    }
}

fn stuck_by(reason: Reason) -> Why {
    match reason {
        Reason::Evacuated => Why::Evacuated,
        Reason::Draining
        | Reason::Pinned
        | Reason::FollowsBuyers
        | Reason::Home
        | Reason::Balance => Why::Draining,
    }
}

/// `None` when `leader` is at home.
fn why_away(
    facts: &GroupFacts,
    leader: NodeId,
    home: Option<&RegionId>,
    conditions: &Conditions,
) -> Option<Why> {
    let at = conditions.region(leader);
    if at == home {
        return None;
    }
    let own = || {
        let voters = facts.voters.iter().copied();
        voters.filter(|voter| conditions.region(*voter) == home)
    };
    let pinned_here = facts.pin.is_some_and(|pin| conditions.region(pin) == at);
    Some(if own().any(|node| conditions.is_evacuated(node)) {
        Why::Evacuated
    } else if pinned_here {
        Why::Pinned
    } else if own().all(|node| conditions.reach(node) == Reach::Silent) {
        Why::Unreachable
    } else if own().all(|node| conditions.is_draining(node)) {
        Why::Draining
    } else if facts.follows_buyers {
        Why::FollowsBuyers
    } else {
        Why::Moving
    })
}

#[cfg(test)]
mod tests {
    use holdfast_region_config::Topology;

    use super::*;

    fn facts(group: u64) -> GroupFacts {
        let voters: Vec<NodeId> = (1..=3).map(NodeId::new).collect();
        GroupFacts {
            group: GroupId::new(group),
            voters: voters.clone(),
            preference: voters,
            pin: None,
            follows_buyers: false,
        }
    }

    fn conditions(silent: u64) -> Conditions {
        let topology = Topology::preset("three-regions").unwrap();
        let mut conditions = Conditions::new(&topology, |node| {
            if node.get() == silent {
                Reach::Silent
            } else {
                Reach::Steady
            }
        });
        (1..=3).for_each(|node| conditions.leads(NodeId::new(node)));
        conditions
    }

    fn led_by(leader: u64) -> Option<NodeId> {
        Some(NodeId::new(leader))
    }

    #[test]
    fn what_is_not_at_home_says_why() {
        let pinned = GroupFacts {
            pin: led_by(2),
            ..facts(3)
        };
        let follower = GroupFacts {
            follows_buyers: true,
            ..facts(4)
        };
        let groups = [
            (facts(1), led_by(1)),
            (facts(2), led_by(2)),
            (pinned, led_by(2)),
            (follower, led_by(3)),
            (facts(5), None),
        ];
        let seen = survey(&groups, &conditions(0));
        let whys: Vec<_> = seen
            .away
            .iter()
            .map(|away| (away.group.get(), away.why))
            .collect();
        assert_eq!(
            whys,
            [(2, Why::Moving), (3, Why::Pinned), (4, Why::FollowsBuyers)]
        );
        assert_eq!((seen.groups, seen.leaderless), (5, 1));
        assert_eq!(seen.moves.len(), 1);
        assert_eq!(
            seen.shares[&NodeId::new(1)],
            Share {
                led: 1,
                to_gain: 1,
                to_give: 0
            }
        );

        let seen = survey(&groups, &conditions(1));
        assert_eq!(seen.away[0].why, Why::Unreachable);
        assert_eq!(seen.moves, []);
    }

    #[test]
    fn a_wish_on_trial_shows_what_it_would_move_and_what_it_cannot() {
        let mut on_trial = conditions(0);
        on_trial.evacuate(RegionId::new("eastus").unwrap());
        let groups = [(facts(1), led_by(1)), (facts(2), led_by(2))];
        let seen = survey(&groups, &on_trial);
        assert_eq!(seen.moves.len(), 1);
        assert_eq!(seen.moves[0].reason, Reason::Evacuated);
        assert_eq!(seen.away[0].why, Why::Evacuated);
        for region in ["westeurope", "southeastasia"] {
            on_trial.evacuate(RegionId::new(region).unwrap());
        }
        let seen = survey(&groups, &on_trial);
        assert_eq!((seen.moves.len(), seen.stuck.len()), (0, 2));
    }
}
