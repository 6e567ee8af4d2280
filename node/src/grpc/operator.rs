//! The Operator service: what one node knows of the cluster and of one show.
//!
//! Owns: status messages. Must never: ask another node; an operator wants to know what *this* one sees.

use holdfast_inventory::{ids::ShowId, invariants};
use holdfast_node_api::{
    client::NodeClient,
    v1::{self, operator_server::Operator},
};
use holdfast_raft::{
    Host, ReplicaSummary,
    directory::{DirectoryCommand, DirectoryOutcome, DiskId, NodeRegistration},
};
use holdfast_region_config::{NodeId, RegionId};
use tonic::{Code, Request, Response, Status};

use super::{
    catalogue, convert, directory,
    read::{self, Reading},
    status,
};
use crate::directory_client::{Changed, DirectoryDesk};

/// The Operator service of this node.
#[derive(Clone)]
pub struct OperatorService {
    host: Host,
    desk: DirectoryDesk,
}

impl OperatorService {
    /// Answers for the node of `host`.
    #[must_use]
    pub fn new(host: Host, desk: DirectoryDesk) -> Self {
        Self { host, desk }
    }

    fn nodes(&self) -> Vec<v1::NodeStatus> {
        let (known, _) = self
            .host
            .directory()
            .read(|directory| directory.nodes().clone());
        let peers = self.host.peers();
        let own = self.host.node();
        let status = |node: &holdfast_region_config::Node| {
            let peer = peers.iter().find(|peer| peer.node == node.id);
            let is_own = node.id == own;
            v1::NodeStatus {
                node_id: node.id.get(),
                region: node.region.to_string(),
                addr: node.addr.clone(),
                last_heard_ms: if is_own {
                    Some(0)
                } else {
                    peer.and_then(|p| p.last_heard_ms)
                },
                reachable: is_own || peer.is_some_and(|peer| peer.reachable),
                version: known
                    .get(&node.id)
                    .map(|r| r.registered.release.clone())
                    .unwrap_or_default(),
            }
        };
        let topology = self.host.topology();
        topology.nodes.iter().map(status).collect()
    }

    fn replica_counts(&self, replicas: &[ReplicaSummary]) -> v1::ReplicaCounts {
        let counters = self.host.replica_counters();
        let own = Some(self.host.node());
        v1::ReplicaCounts {
            replicas: counters.replicas,
            awake: counters.loaded.saturating_sub(counters.hibernating),
            hibernating: counters.hibernating,
            unloaded: counters.replicas.saturating_sub(counters.loaded),
            led: replicas.iter().filter(|r| r.leader == own).count() as u64,
            opens_total: counters.opens_total,
            unloads_total: counters.unloads_total,
            hibernations_total: counters.hibernations_total,
            candidacies_total: counters.candidacies_total,
            silences_total: counters.silences_total,
            false_silences_total: counters.false_silences_total,
        }
    }

    /// One page of groups in their order, and where the next begins; opens no replica.
    fn groups(
        &self,
        mut replicas: Vec<ReplicaSummary>,
        request: &v1::ClusterStatusRequest,
    ) -> (Vec<v1::GroupStatus>, Option<u64>) {
        let limit = match request.limit {
            0 => GROUPS_DEFAULT,
            limit => usize::try_from(limit).map_or(GROUPS_MAX, |limit| limit.min(GROUPS_MAX)),
        };
        let after = request.after_group;
        replicas.retain(|replica| {
            let wanted =
                request.all_groups || replica.group.is_directory() || !replica.leader_alive;
            wanted && after.is_none_or(|after| replica.group.get() > after)
        });
        replicas.sort_by_key(|replica| replica.group);
        let more = replicas.len() > limit;
        replicas.truncate(limit);
        let next = replicas.last().filter(|_| more);
        let next = next.map(|replica| replica.group.get());
        let groups = replicas.iter().map(|replica| self.group(replica));
        (groups.collect(), next)
    }

    fn group(&self, replica: &ReplicaSummary) -> v1::GroupStatus {
        let group = replica.group;
        if group.is_directory() {
            return convert::group_status(&self.host.directory().status());
        }
        if let Some(loaded) = self.host.loaded_status(group) {
            return v1::GroupStatus {
                hibernating: replica.asleep,
                ..convert::group_status(&loaded)
            };
        }
        let (record, _) = self.host.directory().read(|directory| {
            let record = directory.shows().get(&ShowId(group.get()))?;
            Some((record.voters.clone(), record.learners.clone()))
        });
        let (voters, learners) = record.unwrap_or_default();
        let numbers = |nodes: Vec<NodeId>| nodes.into_iter().map(NodeId::get).collect();
        v1::GroupStatus {
            group_id: group.get(),
            show_id: convert::show_of(group),
            role: "unloaded".to_owned(),
            leader: replica.leader.map_or(0, NodeId::get),
            term: replica.term,
            voters: numbers(voters),
            learners: numbers(learners),
            ..v1::GroupStatus::default()
        }
    }
}

/// Groups in one answer when the caller does not say.
const GROUPS_DEFAULT: usize = 100;
/// And at most.
const GROUPS_MAX: usize = 1_000;

#[tonic::async_trait]
impl Operator for OperatorService {
    async fn cluster_status(
        &self,
        request: Request<v1::ClusterStatusRequest>,
    ) -> Result<Response<v1::ClusterStatusReply>, Status> {
        let request = request.into_inner();
        let node = self.host.node();
        let group = self.host.directory();
        let ((), as_of) = group.read(|_| ());
        let own = group.status();
        let directory_leader = own.leader.map_or(0, NodeId::get);
        let replicas = self.host.replicas();
        let leaderless = replicas.iter().filter(|r| !r.leader_alive).count() as u64;
        let counts = self.replica_counts(&replicas);
        let (groups, next_after_group) = self.groups(replicas, &request);
        Ok(Response::new(v1::ClusterStatusReply {
            node_id: node.get(),
            region: self
                .host
                .topology()
                .region_of(node)
                .map(RegionId::to_string)
                .unwrap_or_default(),
            directory: Some(convert::as_of(as_of, false)),
            directory_leader,
            nodes: self.nodes(),
            groups,
            replicas: Some(counts),
            leaderless,
            next_after_group,
        }))
    }

    async fn show_status(
        &self,
        request: Request<v1::ShowStatusRequest>,
    ) -> Result<Response<v1::ShowStatusReply>, Status> {
        let request = request.into_inner();
        let Reading { group, .. } = &read::group(&self.host, request.show_id).await?;
        let linearizable = read::wait(group, request.read.as_ref()).await?;
        let (show, _) = self.host.directory().read(|directory| {
            let record = directory.shows().get(&ShowId(request.show_id))?;
            Some(catalogue::show(record, directory))
        });
        let group_status = convert::group_status(&group.status());
        let (reply, as_of) = group.read(|state| {
            let counts = state.counts();
            v1::ShowStatusReply {
                as_of: None,
                show,
                group: Some(group_status),
                ready: state.is_set_up(),
                available: counts.seats.available + counts.places.available,
                held: counts.seats.held + counts.places.held,
                sold: counts.seats.sold + counts.places.sold,
                blocked: counts.seats.blocked + counts.places.blocked,
                holds_active: counts.holds_active,
                orders: counts.orders,
                outbox_pending: state.outbox_len() as u64,
                state_hash: state.state_hash(),
                invariant_violations: invariants::violations_total(),
            }
        });
        read::check_age(as_of, request.read.as_ref())?;
        let as_of = Some(convert::as_of(as_of, linearizable));
        Ok(Response::new(v1::ShowStatusReply { as_of, ..reply }))
    }

    async fn audit_show(
        &self,
        request: Request<v1::AuditShowRequest>,
    ) -> Result<Response<v1::AuditShowReply>, Status> {
        super::audit::audit(&self.host, &request.into_inner()).await
    }

    async fn probe(
        &self,
        _: Request<v1::ProbeRequest>,
    ) -> Result<Response<v1::ProbeReply>, Status> {
        let ((), as_of) = self.host.directory().read(|_| ());
        let node = self.host.node();
        let region = self
            .host
            .topology()
            .region_of(node)
            .map(ToString::to_string);
        Ok(Response::new(v1::ProbeReply {
            node_id: node.get(),
            region: region.unwrap_or_default(),
            directory: Some(convert::as_of(as_of, false)),
        }))
    }

    async fn announce_node(
        &self,
        request: Request<v1::AnnounceNodeRequest>,
    ) -> Result<Response<v1::AnnounceNodeReply>, Status> {
        let (forwarded, request) = directory::taken(request);
        let node = NodeId::new(request.node_id);
        let Some(region) = self.host.topology().region_of(node).cloned() else {
            let message = format!("node_id: {node} is not in this node's topology");
            return Err(status(Code::InvalidArgument, "invalid", message));
        };
        let disk = match request.disk.as_str() {
            "" => None,
            text => Some(
                u128::from_str_radix(text, 16)
                    .ok()
                    .and_then(DiskId::new)
                    .ok_or_else(|| {
                        directory::invalid("disk", "a hexadecimal number is expected")
                    })?,
            ),
        };
        let registered = NodeRegistration {
            region,
            zone: Some(request.zone.clone()).filter(|zone| !zone.is_empty()),
            addr: request.addr.clone(),
            disk,
            release: request.version.clone(),
        };
        let command = DirectoryCommand::RegisterNode { node, registered };
        let pass_on = (!forwarded).then_some(|client: NodeClient| {
            let request = directory::passed_on(request.clone());
            async move { directory::outcome_of(client.operator().announce_node(request).await) }
        });
        match self.desk.change(command, pass_on).await {
            Ok(Ok(Changed::Here(rejected @ DirectoryOutcome::Rejected(_)))) => {
                Err(directory::unexpected(rejected))
            }
            Ok(Ok(_)) => Ok(Response::new(v1::AnnounceNodeReply {})),
            Ok(Err(refusal)) => Err(refusal),
            Err(error) => Err(directory::change_refused(&error)),
        }
    }
}
