//! The Cluster service: nodes, regions and replicas, and what an operator decides about them.
//!
//! Owns: the form of these answers, and passing changes to the directory's leader. Must never: ask another node for a read:
//! every node has the directory in memory and says how old its copy is.

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::discovery::TopologySource;
use holdfast_node_api::v1::{self, cluster_server::Cluster};
use holdfast_raft::directory::{DirectoryCommand, DirectoryOutcome, NodeState, RegionState};
use holdfast_raft::{Clock as _, Host, SystemClock};
use holdfast_region_config::{NodeId, RegionId};
use tonic::{Request, Response, Status};

use super::directory::{change_refused, invalid, outcome_of, passed_on, taken, unexpected};
use crate::directory_client::{ChangeError, Changed, DirectoryDesk};
use crate::reload;

mod lists;
mod placing;
mod progress;
pub(super) mod steering;

/// The Cluster service of this node.
#[derive(Clone)]
pub struct ClusterService {
    host: Host,
    /// What this process reads its topology from.
    topology: TopologySource,
    desk: DirectoryDesk,
}

impl ClusterService {
    /// Answers for the node of `host`.
    #[must_use]
    pub fn new(host: Host, topology: TopologySource, desk: DirectoryDesk) -> Self {
        Self {
            host,
            topology,
            desk,
        }
    }

    /// Makes a change here, or has the directory's leader make it with `forward`.
    async fn change<F>(
        &self,
        command: DirectoryCommand,
        forwarded: bool,
        forward: impl Fn(NodeClient) -> F,
    ) -> Result<Response<v1::ChangeReply>, Status>
    where
        F: Future<Output = Result<Response<v1::ChangeReply>, Status>>,
    {
        let pass_on = (!forwarded).then_some(|client| {
            let call = forward(client);
            async { outcome_of(call.await) }
        });
        match self.desk.change(command, pass_on).await {
            Ok(Ok(Changed::There(reply))) => Ok(Response::new(reply)),
            Ok(Ok(Changed::Here(DirectoryOutcome::Set {
                generation,
                changed,
            }))) => Ok(Response::new(v1::ChangeReply {
                generation,
                changed,
            })),
            Ok(Ok(Changed::Here(other))) => Err(unexpected(other)),
            Ok(Err(refusal)) => Err(refusal),
            Err(error) => Err(change_refused(&error)),
        }
    }
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn list_nodes(
        &self,
        _: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesReply>, Status> {
        Ok(Response::new(self.nodes()))
    }

    async fn list_regions(
        &self,
        _: Request<v1::ListRegionsRequest>,
    ) -> Result<Response<v1::ListRegionsReply>, Status> {
        Ok(Response::new(self.regions()))
    }

    async fn set_node_state(
        &self,
        request: Request<v1::SetNodeStateRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = DirectoryCommand::SetNodeState {
            node: NodeId::new(request.node_id),
            state: match request.state() {
                v1::NodeState::Serving => NodeState::Serving,
                v1::NodeState::Draining => NodeState::Draining,
                v1::NodeState::Leaving => NodeState::Leaving,
                v1::NodeState::Removed => NodeState::Removed,
                v1::NodeState::Unspecified => return Err(invalid("state", "missing")),
            },
            expected: request.expected_generation,
        };
        let forward = |client: NodeClient| {
            let request = passed_on(request);
            async move { client.cluster().set_node_state(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn set_region_state(
        &self,
        request: Request<v1::SetRegionStateRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = DirectoryCommand::SetRegionState {
            region: region_id(&request.region)?,
            state: match request.state() {
                v1::RegionState::Serving => RegionState::Serving,
                v1::RegionState::Evacuated => RegionState::Evacuated,
                v1::RegionState::Unspecified => return Err(invalid("state", "missing")),
            },
            expected: request.expected_generation,
        };
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.cluster().set_region_state(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn pin_leader(
        &self,
        request: Request<v1::PinLeaderRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = DirectoryCommand::PinLeader {
            show: ShowId(request.show_id),
            leader: (request.node_id != 0).then(|| NodeId::new(request.node_id)),
        };
        let forward = |client: NodeClient| {
            let request = passed_on(request);
            async move { client.cluster().pin_leader(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn set_follow_buyers(
        &self,
        request: Request<v1::SetFollowBuyersRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = match (request.show_id, request.follow) {
            (0, Some(follow)) => DirectoryCommand::SetFollowBuyers { follow },
            (0, None) => return Err(invalid("follow", "missing, and no show is named")),
            (show, follow) => DirectoryCommand::SetShowFollowsBuyers {
                show: ShowId(show),
                follow,
            },
        };
        let forward = |client: NodeClient| {
            let request = passed_on(request);
            async move { client.cluster().set_follow_buyers(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn set_steering(
        &self,
        request: Request<v1::SetSteeringRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = steering::set(&request)?;
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.cluster().set_steering(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn clear_steering(
        &self,
        request: Request<v1::ClearSteeringRequest>,
    ) -> Result<Response<v1::ChangeReply>, Status> {
        let (forwarded, request) = taken(request);
        let command = steering::clear(&request)?;
        let forward = |client: NodeClient| {
            let request = passed_on(request.clone());
            async move { client.cluster().clear_steering(request).await }
        };
        self.change(command, forwarded, forward).await
    }

    async fn list_steering(
        &self,
        _: Request<v1::ListSteeringRequest>,
    ) -> Result<Response<v1::ListSteeringReply>, Status> {
        let directory = self.host.directory();
        let (overrides, as_of) = directory.read(|state| steering::overrides(state.steering()));
        Ok(Response::new(v1::ListSteeringReply {
            as_of: Some(super::convert::as_of(as_of, false)),
            overrides,
            now_ms: SystemClock.now_ms(),
        }))
    }

    async fn reload_topology(
        &self,
        _: Request<v1::ReloadTopologyRequest>,
    ) -> Result<Response<v1::ReloadTopologyReply>, Status> {
        let change = reload::topology(&self.host, &self.topology)
            .await
            .map_err(|error| invalid("topology", &error.to_string()))?;
        let nodes = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect();
        let regions = |regions: &[RegionId]| regions.iter().map(RegionId::to_string).collect();
        Ok(Response::new(v1::ReloadTopologyReply {
            changes: change.to_string(),
            nodes_added: nodes(&change.nodes_added),
            nodes_removed: nodes(&change.nodes_removed),
            regions_added: regions(&change.regions_added),
            regions_removed: regions(&change.regions_removed),
        }))
    }

    async fn place_shows(
        &self,
        request: Request<v1::PlaceShowsRequest>,
    ) -> Result<Response<v1::PlaceShowsReply>, Status> {
        let (forwarded, request) = taken(request);
        match self.desk.leader().map_err(|error| change_refused(&error))? {
            None => self.place(request).await.map(Response::new),
            Some(_) if forwarded => Err(change_refused(&ChangeError::NotLeader)),
            Some(leader) => leader.cluster().place_shows(passed_on(request)).await,
        }
    }

    async fn show_replicas(
        &self,
        request: Request<v1::ShowReplicasRequest>,
    ) -> Result<Response<v1::ShowReplicasReply>, Status> {
        self.replicas(ShowId(request.into_inner().show_id))
            .map(Response::new)
    }

    async fn membership_status(
        &self,
        _: Request<v1::MembershipStatusRequest>,
    ) -> Result<Response<v1::MembershipStatusReply>, Status> {
        Ok(Response::new(self.progress()))
    }
}

fn region_id(text: &str) -> Result<RegionId, Status> {
    RegionId::new(text).map_err(|error| invalid("region", &error.to_string()))
}
