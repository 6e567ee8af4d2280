//! The Leaders service: who leads what, and what a change would move.
//!
//! Owns: the form of these answers, in pages. Must never: change anything, or ask another node.

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::v1::{self, leader_pin, leaders_server::Leaders, leaders_what_if::Change};
use holdfast_raft::Host;
use holdfast_region_config::{GroupId, NodeId, RegionId};
use tonic::{Code, Request, Response, Status};

use super::{convert, status};
use crate::leaders::{
    conditions::{Conditions, Reach},
    fleet::{Fleet, GroupFacts, HostFleet},
    survey::{Away, Planned, Survey, survey},
    wanted::{Buyers, Subject, Verdict, wanted_leader},
};

/// Entries of each list when the caller does not say.
const LIMIT_DEFAULT: usize = 100;
/// And at most.
const LIMIT_MAX: usize = 1_000;

/// The Leaders service of this node.
#[derive(Clone)]
pub struct LeadersService {
    host: Host,
    fleet: HostFleet,
}

impl LeadersService {
    /// Answers from what the node of `host` knows.
    #[must_use]
    pub fn new(host: Host, fleet: HostFleet) -> Self {
        Self { host, fleet }
    }

    fn node_states(&self) -> impl Fn(NodeId) -> &'static str + use<> {
        let (states, _) = self.host.directory().read(|directory| {
            let nodes = directory.nodes().iter();
            nodes
                .map(|(node, record)| (*node, record.state.as_str()))
                .collect::<std::collections::BTreeMap<_, _>>()
        });
        move |node| states.get(&node).copied().unwrap_or("serving")
    }

    fn reply(&self, seen: &Survey, conditions: &Conditions) -> v1::LeadersStatusReply {
        let state = self.node_states();
        let topology = self.fleet.topology();
        let nodes = topology.nodes.iter().map(|node| {
            let share = seen.shares.get(&node.id).copied().unwrap_or_default();
            v1::NodeLeaders {
                node_id: node.id.get(),
                region: node.region.to_string(),
                heard: conditions.reach(node.id) > Reach::Silent,
                state: state(node.id).to_owned(),
                led: share.led,
                to_gain: share.to_gain,
                to_give: share.to_give,
            }
        });
        let nodes: Vec<v1::NodeLeaders> = nodes.collect();
        let regions = topology.regions.iter().map(|region| {
            let own = || {
                nodes
                    .iter()
                    .filter(|node| node.region == region.id.as_str())
            };
            let evacuated = conditions.is_evacuated_region(&region.id);
            v1::RegionLeaders {
                region: region.id.to_string(),
                state: if evacuated { "evacuated" } else { "serving" }.to_owned(),
                led: own().map(|node| node.led).sum(),
                to_gain: own().map(|node| node.to_gain).sum(),
                to_give: own().map(|node| node.to_give).sum(),
            }
        });
        let regions = regions.collect();
        let mut away_by_why = std::collections::HashMap::new();
        for away in &seen.away {
            *away_by_why.entry(away.why.as_str().to_owned()).or_default() += 1;
        }
        v1::LeadersStatusReply {
            groups: seen.groups,
            leaderless: seen.leaderless,
            regions,
            nodes,
            away_by_why,
            away_total: seen.away.len() as u64,
            moves_total: seen.moves.len() as u64,
            stuck_total: seen.stuck.len() as u64,
            ..v1::LeadersStatusReply::default()
        }
    }
}

#[tonic::async_trait]
impl Leaders for LeadersService {
    async fn leaders_status(
        &self,
        request: Request<v1::LeadersStatusRequest>,
    ) -> Result<Response<v1::LeadersStatusReply>, Status> {
        let request = request.into_inner();
        let mut groups = self.fleet.all();
        let mut conditions = self.fleet.conditions();
        let change = request.what_if.and_then(|what_if| what_if.change);
        let pinned = match change {
            Some(change) => self.suppose(change, &mut groups, &mut conditions)?,
            None => None,
        };
        let seen = survey(&groups, &conditions);
        let page = Page {
            after: request.after_group.map(GroupId::new),
            limit: match request.limit {
                0 => LIMIT_DEFAULT,
                limit => usize::try_from(limit).map_or(LIMIT_MAX, |limit| limit.min(LIMIT_MAX)),
            },
        };
        let until = page.until(&seen);
        let ((), as_of) = self.host.directory().read(|_| ());
        Ok(Response::new(v1::LeadersStatusReply {
            directory: Some(convert::as_of(as_of, false)),
            away: page.cut(&seen.away, until, |away| away.group, away_message),
            moves: page.cut(&seen.moves, until, |planned| planned.group, move_message),
            stuck: page.cut(&seen.stuck, until, |away| away.group, away_message),
            next_after_group: until.map(GroupId::get),
            pin_node_id: pinned.map_or(0, NodeId::get),
            ..self.reply(&seen, &conditions)
        }))
    }
}

impl LeadersService {
    /// Changes `groups` and `conditions` as if the change had been made; returns the node of a pin.
    fn suppose(
        &self,
        change: Change,
        groups: &mut [(GroupFacts, Option<NodeId>)],
        conditions: &mut Conditions,
    ) -> Result<Option<NodeId>, Status> {
        match change {
            Change::EvacuateRegion(region) => conditions.evacuate(self.region(&region)?),
            Change::RestoreRegion(region) => conditions.restore(&self.region(&region)?),
            Change::DrainNode(node) => conditions.drain(self.known(node)?),
            Change::UndrainNode(node) => conditions.undrain(self.known(node)?),
            Change::UnpinShow(show) => find(groups, show)?.0.pin = None,
            Change::Pin(pin) => {
                let (facts, leader) = find(groups, pin.show_id)?;
                let node = match pin.to {
                    Some(leader_pin::To::NodeId(node)) => self.known(node)?,
                    Some(leader_pin::To::Region(region)) => {
                        best_in(facts, *leader, &self.region(&region)?, conditions)?
                    }
                    None => return Err(invalid("what_if.pin.to", "missing")),
                };
                if !facts.voters.contains(&node) {
                    let reason = format!("node {node} has no voting replica of the show");
                    return Err(invalid("what_if.pin.to", &reason));
                }
                facts.pin = Some(node);
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    fn known(&self, node: u64) -> Result<NodeId, Status> {
        let id = NodeId::new(node);
        if self.fleet.topology().node(id).is_some() {
            return Ok(id);
        }
        let message = format!("node {node} is not in this node's topology");
        Err(status(Code::NotFound, "node_unknown", message))
    }

    fn region(&self, name: &str) -> Result<RegionId, Status> {
        let regions = &self.fleet.topology().regions;
        let region = regions.iter().find(|region| region.id.as_str() == name);
        region.map(|region| region.id.clone()).ok_or_else(|| {
            let message = format!("there is no region {name} in this node's topology");
            status(Code::NotFound, "region_unknown", message)
        })
    }
}

fn find(
    groups: &mut [(GroupFacts, Option<NodeId>)],
    show: u64,
) -> Result<&mut (GroupFacts, Option<NodeId>), Status> {
    let is_it = |(facts, _): &&mut (GroupFacts, Option<NodeId>)| facts.group.get() == show;
    let found = groups
        .iter_mut()
        .filter(|(facts, _)| !facts.group.is_directory());
    found.into_iter().find(is_it).ok_or_else(|| {
        let message = format!("no show {} is known here", ShowId(show));
        status(Code::NotFound, "unknown_show", message)
    })
}

/// The voter of `region` that would lead a group, were it to be led from there.
fn best_in(
    facts: &GroupFacts,
    leader: Option<NodeId>,
    region: &RegionId,
    conditions: &Conditions,
) -> Result<NodeId, Status> {
    let there = |node: &NodeId| conditions.region(*node) == Some(region);
    let order = facts.preference.iter().chain(&facts.voters).copied();
    let voters: Vec<NodeId> = order.filter(there).collect();
    if let Some(leader) = leader.filter(there) {
        return Ok(leader);
    }
    let subject = Subject {
        voters: &voters,
        preference: &voters,
        pin: None,
        buyers: Buyers::Ignored,
        leader: leader.unwrap_or(NodeId::new(0)),
    };
    match wanted_leader(&subject, conditions) {
        Verdict::Move { to, .. } => Ok(to),
        Verdict::Stay | Verdict::Stuck { .. } => voters.first().copied().ok_or_else(|| {
            let reason = format!("the show has no voting replica in {region}");
            invalid("what_if.pin.to", &reason)
        }),
    }
}

fn invalid(field: &str, reason: &str) -> Status {
    let message = format!("{field}: {reason}");
    status(Code::InvalidArgument, "invalid", message)
}

/// Which part of the lists is asked for. One cut for all of them: a caller goes on behind one group.
struct Page {
    after: Option<GroupId>,
    limit: usize,
}

impl Page {
    /// The last group of this page; `None` when nothing comes after it.
    fn until(&self, seen: &Survey) -> Option<GroupId> {
        let last = |groups: &mut dyn Iterator<Item = GroupId>| {
            let mut behind = groups.filter(|group| self.is_behind(*group));
            let last = behind.nth(self.limit - 1)?;
            behind.next().map(|_| last)
        };
        let cuts = [
            last(&mut seen.away.iter().map(|away| away.group)),
            last(&mut seen.moves.iter().map(|planned| planned.group)),
            last(&mut seen.stuck.iter().map(|away| away.group)),
        ];
        cuts.into_iter().flatten().min()
    }

    fn is_behind(&self, group: GroupId) -> bool {
        self.after.is_none_or(|after| group > after)
    }

    fn cut<T, M>(
        &self,
        all: &[T],
        until: Option<GroupId>,
        group: impl Fn(&T) -> GroupId,
        message: impl Fn(&T) -> M,
    ) -> Vec<M> {
        let on_page = |item: &&T| {
            let group = group(item);
            self.is_behind(group) && until.is_none_or(|until| group <= until)
        };
        all.iter().filter(on_page).map(message).collect()
    }
}

fn away_message(away: &Away) -> v1::AwayLeader {
    v1::AwayLeader {
        group_id: away.group.get(),
        leader: away.leader.get(),
        home_region: away
            .home
            .as_ref()
            .map(RegionId::to_string)
            .unwrap_or_default(),
        why: away.why.as_str().to_owned(),
    }
}

fn move_message(planned: &Planned) -> v1::LeaderMove {
    v1::LeaderMove {
        group_id: planned.group.get(),
        from: planned.from.get(),
        to: planned.to.get(),
        reason: planned.reason.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaders::wanted::Reason;

    fn planned(groups: std::ops::RangeInclusive<u64>) -> Survey {
        let (from, to) = (NodeId::new(1), NodeId::new(2));
        let reason = Reason::Evacuated;
        let moves = groups.map(|group| Planned {
            group: GroupId::new(group),
            from,
            to,
            reason,
        });
        Survey {
            moves: moves.collect(),
            ..Survey::default()
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let seen = planned(1..=25);
        let (mut after, mut groups) = (None, Vec::new());
        for _ in 0..3 {
            let page = Page { after, limit: 10 };
            after = page.until(&seen);
            let moves = page.cut(&seen.moves, after, |planned| planned.group, move_message);
            groups.extend(moves.iter().map(|planned| planned.group_id));
        }
        assert_eq!(after, None);
        assert_eq!(groups, (1..=25).collect::<Vec<_>>());
    }

    #[test]
    fn the_directory_is_on_the_first_page() {
        let page = Page {
            after: None,
            limit: 1,
        };
        assert_eq!(page.until(&planned(0..=1)), Some(GroupId::DIRECTORY));
    }
}
