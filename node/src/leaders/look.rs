//! One look: from what is known to what should move.
//!
//! Owns: the order in which groups are judged, and what is remembered from look to look: how long nodes have been heard, where
//! buyers are. Must never: wait.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_region_config::{GroupId, NodeId, RegionId, Topology, placement::commit_floor};
use tokio::time::Instant;

use super::{
    conditions::Conditions,
    demand::{Demand, Seat},
    fleet::{Fleet, GroupFacts},
    moves::Wish,
    steady::Steadiness,
    wanted::{Buyers, Reason, Subject, Verdict, relief, wanted_leader},
};

/// Demand is looked at this often: much oftener than it can be certain.
const DEMAND_INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);

/// What is remembered between looks.
#[derive(Debug, Default)]
pub struct Lookout {
    steadiness: Steadiness,
    demands: BTreeMap<GroupId, Demand>,
}

impl Lookout {
    /// Everything that should be led elsewhere. `leaving`: this node is about to stop.
    pub fn look<F: Fleet>(&mut self, now: Instant, fleet: &F, leaving: bool) -> Vec<Wish> {
        let mut conditions = self.conditions(now, fleet);
        if leaving {
            conditions.drain(fleet.node());
        }
        let mut own = Vec::new();
        for (group, leader) in fleet.leaders() {
            conditions.leads(leader);
            if leader == fleet.node() {
                own.push(group);
            }
        }
        let led = fleet.facts(&own);
        let followers: BTreeSet<GroupId> = led
            .iter()
            .filter(|group| group.follows_buyers)
            .map(|group| group.group)
            .collect();
        self.demands.retain(|group, _| followers.contains(group));
        let mut wishes = Vec::new();
        let mut stuck = 0_usize;
        for group in &led {
            let near = self.buyers(now, fleet, group);
            let subject = subject(group, near.as_ref(), fleet.node());
            match wanted_leader(&subject, &conditions) {
                Verdict::Stay => {}
                Verdict::Stuck { .. } => stuck += 1,
                Verdict::Move { to, reason } => {
                    conditions.moves(fleet.node(), to);
                    let group = group.group;
                    wishes.push(Wish { group, to, reason });
                }
            }
        }
        if stuck > 0 {
            tracing::debug!(stuck, "groups should leave and nobody can take them");
        }
        if wishes.is_empty() {
            wishes = relieve(&led, fleet.node(), &mut conditions);
        }
        wishes
    }

    /// When the next look is due without any news.
    #[must_use]
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        let demand = (!self.demands.is_empty()).then(|| now + DEMAND_INTERVAL);
        [self.steadiness.next_change(now), demand]
            .into_iter()
            .flatten()
            .min()
    }

    /// Every node as `fleet` sees it now.
    fn conditions<F: Fleet>(&mut self, now: Instant, fleet: &F) -> Conditions {
        let topology = fleet.topology();
        for node in &topology.nodes {
            self.steadiness.look(now, node.id, fleet.is_heard(node.id));
        }
        let mut conditions = Conditions::new(&topology, |node| self.steadiness.reach(now, node));
        fleet.mark(&mut conditions);
        conditions
    }

    /// Where the group's buyers are better served, when it follows them and that is certain.
    fn buyers<F: Fleet>(
        &mut self,
        now: Instant,
        fleet: &F,
        group: &GroupFacts,
    ) -> Option<RegionId> {
        if !group.follows_buyers {
            return None;
        }
        let topology = fleet.topology();
        let here = topology.region_of(fleet.node())?;
        let demand = self.demands.entry(group.group).or_default();
        demand.count(now, fleet.take_commands(group.group));
        demand.better_than(here, &seats(&topology, &group.voters), &topology.rtt, now)
    }
}

fn subject<'a>(group: &'a GroupFacts, near: Option<&'a RegionId>, leader: NodeId) -> Subject<'a> {
    let buyers = match near {
        Some(region) => Buyers::Near(region),
        None if group.follows_buyers => Buyers::Here,
        None => Buyers::Ignored,
    };
    Subject {
        voters: &group.voters,
        preference: &group.preference,
        pin: group.pin,
        buyers,
        leader,
    }
}

/// The regions from which a group with these voters can be led, each with its best commit floor.
fn seats(topology: &Topology, voters: &[NodeId]) -> Vec<Seat> {
    let mut seats: Vec<Seat> = Vec::new();
    for voter in voters {
        let Some(region) = topology.region_of(*voter) else {
            continue;
        };
        let floor = commit_floor(topology, *voter, voters);
        match seats.iter_mut().find(|seat| seat.region == *region) {
            Some(seat) => seat.floor = seat.floor.min(floor),
            None => seats.push(Seat {
                region: region.clone(),
                floor,
            }),
        }
    }
    seats
}

/// With everything where it is preferred: takes from this node what crowds it.
fn relieve(led: &[GroupFacts], node: NodeId, conditions: &mut Conditions) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for group in led {
        let buyers = if group.follows_buyers {
            Buyers::Here
        } else {
            Buyers::Ignored
        };
        let subject = Subject {
            buyers,
            ..subject(group, None, node)
        };
        if let Some(to) = relief(&subject, conditions) {
            conditions.moves(node, to);
            wishes.push(Wish {
                group: group.group,
                to,
                reason: Reason::Balance,
            });
        }
    }
    wishes
}
