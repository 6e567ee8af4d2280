//! How far the cluster is with what was decided about replicas.
//!
//! Owns: the counts and the reasons. Must never: compute a placement for every show of ten thousand to answer one question.

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::v1;
use holdfast_raft::directory::{ReplicaFate, ShowRecord};
use holdfast_raft::place_again;
use holdfast_region_config::{Jurisdiction, NodeId, RegionId};
use tonic::{Code, Status};

use super::ClusterService;
use crate::grpc::{convert, status};

/// Shows that are named.
const EXAMPLES_MAX: usize = 20;
/// Shows for which a place is looked for, to say why there is none.
const LOOKED_FOR_MAX: usize = 200;

impl ClusterService {
    pub(super) fn progress(&self) -> v1::MembershipStatusReply {
        let out = self.host.unavailable_nodes();
        let topology = self.host.topology();
        let directory = self.host.directory();
        let members = directory.status();
        let ((mut reply, affected), as_of) = directory.read(|state| {
            let is_out = |node: &NodeId| out.contains(node);
            let shows = || state.shows().values();
            let affected = shows().filter(|show| {
                let mut replicas = show.voters.iter().chain(&show.learners);
                replicas.any(is_out)
            });
            let affected: Vec<_> = affected.cloned().collect();
            let examples = state.unsettled().iter().take(EXAMPLES_MAX);
            let reply = v1::MembershipStatusReply {
                shows: state.shows().len() as u64,
                moving: state.unsettled().len() as u64,
                examples: examples.map(|show| show.get()).collect(),
                on_nodes_out: affected.len() as u64,
                leaving: shows().map(|show| show.leaving.len() as u64).sum(),
                ..v1::MembershipStatusReply::default()
            };
            (reply, affected)
        });
        for record in affected.iter().take(LOOKED_FOR_MAX) {
            let Err(reason) = place_again(&topology, record, &out) else {
                continue;
            };
            reply.stuck += 1;
            if reply.stuck_examples.len() < EXAMPLES_MAX {
                reply.stuck_examples.push(v1::StuckShow {
                    show_id: record.show_id.get(),
                    reason: reason.to_string(),
                });
            }
        }
        let ids = |nodes: Vec<NodeId>| nodes.into_iter().map(NodeId::get).collect();
        v1::MembershipStatusReply {
            as_of: Some(convert::as_of(as_of, false)),
            nodes_out: ids(out.into_iter().collect()),
            directory_voters: ids(members.voters),
            directory_learners: ids(members.learners),
            ..reply
        }
    }

    pub(super) fn replicas(&self, show: ShowId) -> Result<v1::ShowReplicasReply, Status> {
        let (record, as_of) = self
            .host
            .directory()
            .read(|state| state.shows().get(&show).cloned());
        let Some(record) = record else {
            let message = format!("show {show} is not known to this node");
            return Err(status(Code::NotFound, "unknown_show", message));
        };
        let now = self.host.loaded_show(show).map(|group| group.status());
        let members = |nodes: Option<&Vec<NodeId>>| {
            let nodes = nodes.into_iter().flatten();
            nodes.map(|node| node.get()).collect()
        };
        let claimed = self.host.leader_of(show);
        let leader = claimed.or_else(|| now.as_ref().and_then(|now| now.leader));
        Ok(v1::ShowReplicasReply {
            as_of: Some(convert::as_of(as_of, false)),
            show_id: show.get(),
            group_id: record.group_id.get(),
            generation: record.generation,
            settled: record.settled,
            replicas: self.replica_list(&record),
            leader: leader.map_or(0, NodeId::get),
            leader_pin: record.leader_pin.map_or(0, NodeId::get),
            survival_goal: record.show.goal.to_string(),
            jurisdictions: record
                .show
                .jurisdictions
                .iter()
                .map(Jurisdiction::to_string)
                .collect(),
            voters_now: members(now.as_ref().map(|now| &now.voters)),
            learners_now: members(now.as_ref().map(|now| &now.learners)),
        })
    }

    fn replica_list(&self, record: &ShowRecord) -> Vec<v1::Replica> {
        let topology = self.host.topology();
        let order = record.leader_order();
        let replica = |node: NodeId, role: &str| {
            let at = order.iter().position(|other| *other == node);
            let region = topology.region_of(node).map(RegionId::to_string);
            v1::Replica {
                node_id: node.get(),
                region: region.unwrap_or_default(),
                role: role.to_owned(),
                preference: at.map_or(0, |at| u32::try_from(at + 1).unwrap_or(u32::MAX)),
                reachable: self.host.is_alive(node),
            }
        };
        let voters = order.iter().map(|node| replica(*node, "voter"));
        let learners = record.learners.iter().map(|node| replica(*node, "learner"));
        let leaving = record.leaving.iter().map(|leaving| {
            let role = match leaving.fate {
                ReplicaFate::Member => "leaving",
                ReplicaFate::Released => "released",
                ReplicaFate::Gone => "gone",
            };
            replica(leaving.node, role)
        });
        voters.chain(learners).chain(leaving).collect()
    }
}
