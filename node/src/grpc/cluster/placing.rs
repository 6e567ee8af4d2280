//! Places shows anew when an operator asks: onto new nodes, or from one node to another.
//!
//! Owns: which shows, and that they are committed a few at a time. Must never: move a show that is where it would be placed
//! now, or one whose goal the new place would not keep.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_node_api::v1::{self, place_shows_request::What};
use holdfast_raft::directory::{DirectoryCommand, DirectoryOutcome, ShowRecord};
use holdfast_raft::{differs, request_for, set_replicas};
use holdfast_region_config::{NodeId, Placement, Topology, place_for};
use tonic::{Code, Status};

use super::ClusterService;
use crate::grpc::directory::invalid;
use crate::grpc::status;

/// New placements in one entry of the directory.
const BATCH_MAX: usize = 64;
/// Shows that are named when they cannot move.
const EXAMPLES_MAX: usize = 20;

/// What is asked for, once it is known to make sense.
enum Task {
    Onto(BTreeSet<NodeId>),
    Swap { from: NodeId, to: NodeId },
}

/// What becomes of one show.
enum Fate {
    Unchanged,
    Place(DirectoryCommand),
    Refused(String),
}

impl ClusterService {
    pub(super) async fn place(
        &self,
        request: v1::PlaceShowsRequest,
    ) -> Result<v1::PlaceShowsReply, Status> {
        let topology = self.host.topology();
        let out = self.host.unavailable_nodes();
        let task = Arc::new(self.task(request.what, &topology, &out)?);
        let directory = self.host.directory();
        let (records, _) =
            directory.read(|state| state.shows().values().cloned().collect::<Vec<_>>());
        let mut reply = v1::PlaceShowsReply::default();
        for batch in records.chunks(BATCH_MAX) {
            let (task, topology, out) = (Arc::clone(&task), Arc::clone(&topology), out.clone());
            let batch = batch.to_vec();
            // Thousands of placements are seconds of work: not on the threads that serve.
            let fates = tokio::task::spawn_blocking(move || {
                let fate = |record: &Arc<ShowRecord>| {
                    (record.show_id.get(), task.fate(&topology, record, &out))
                };
                batch.iter().map(fate).collect::<Vec<_>>()
            });
            let fates = fates
                .await
                .map_err(|error| status(Code::Internal, "internal", error.to_string()))?;
            self.commit(fates, request.dry_run, &mut reply).await?;
        }
        Ok(reply)
    }

    fn task(
        &self,
        what: Option<What>,
        topology: &Topology,
        out: &BTreeSet<NodeId>,
    ) -> Result<Task, Status> {
        let usable = |node: NodeId| {
            if topology.node(node).is_none() {
                let message =
                    format!("node {node} is not in the topology of the directory's leader");
                return Err(status(Code::NotFound, "node_unknown", message));
            }
            if out.contains(&node) {
                let reason =
                    format!("{node} is leaving, removed or silent, so it gets no replicas");
                return Err(invalid("node", &reason));
            }
            Ok(node)
        };
        match what {
            Some(What::Onto(onto)) => {
                let nodes = onto.nodes.into_iter().map(NodeId::new).map(usable);
                Ok(Task::Onto(nodes.collect::<Result<_, _>>()?))
            }
            Some(What::Swap(swap)) => {
                let (from, to) = (
                    NodeId::new(swap.from_node),
                    usable(NodeId::new(swap.to_node))?,
                );
                let known = topology.region_of(from).cloned().or_else(|| {
                    let (region, _) = self.host.directory().read(|state| {
                        let record = state.nodes().get(&from);
                        record.map(|record| record.registered.region.clone())
                    });
                    region
                });
                if known.as_ref() != topology.region_of(to) {
                    let reason = format!("{to} does not stand in the region of {from}");
                    return Err(invalid("to_node", &reason));
                }
                Ok(Task::Swap { from, to })
            }
            None => Err(invalid("what", "missing")),
        }
    }

    async fn commit(
        &self,
        fates: Vec<(u64, Fate)>,
        dry_run: bool,
        reply: &mut v1::PlaceShowsReply,
    ) -> Result<(), Status> {
        let refuse = |reply: &mut v1::PlaceShowsReply, show_id, reason| {
            reply.refused += 1;
            if reply.examples.len() < EXAMPLES_MAX {
                reply.examples.push(v1::StuckShow { show_id, reason });
            }
        };
        let mut commands = Vec::new();
        for (show, fate) in fates {
            match fate {
                Fate::Unchanged => reply.unchanged += 1,
                Fate::Refused(reason) => refuse(reply, show, reason),
                Fate::Place(command) => commands.push((show, command)),
            }
        }
        if dry_run || commands.is_empty() {
            reply.placed += commands.len() as u64;
            return Ok(());
        }
        let (shows, commands): (Vec<u64>, Vec<DirectoryCommand>) = commands.into_iter().unzip();
        let committed = self.host.directory().propose_all(&commands).await;
        let (_, outcomes) = committed
            .map_err(|error| status(Code::Unavailable, "unavailable", error.to_string()))?;
        for (show, outcome) in shows.into_iter().zip(outcomes) {
            match outcome {
                DirectoryOutcome::Rejected(reason) => refuse(reply, show, reason.to_string()),
                _ => reply.placed += 1,
            }
        }
        Ok(())
    }
}

impl Task {
    fn fate(&self, topology: &Topology, record: &ShowRecord, out: &BTreeSet<NodeId>) -> Fate {
        match self {
            Self::Onto(nodes) => onto(topology, record, out, nodes),
            Self::Swap { from, to } => swap(record, *from, *to),
        }
    }
}

/// Where it would be placed now, when that is on one of `nodes` and it is not.
fn onto(
    topology: &Topology,
    record: &ShowRecord,
    out: &BTreeSet<NodeId>,
    nodes: &BTreeSet<NodeId>,
) -> Fate {
    let placed =
        request_for(topology, record, out).and_then(|request| place_for(topology, &request));
    match placed {
        Ok(placement) => {
            let replicas = placement.voters.iter().chain(&placement.learners);
            let gains = replicas
                .filter(|node| nodes.contains(node))
                .any(|node| !record.has_replica(*node) || changes_role(record, &placement, *node));
            if gains && differs(record, &placement) {
                Fate::Place(set_replicas(record, placement))
            } else {
                Fate::Unchanged
            }
        }
        Err(reason) => Fate::Refused(reason.to_string()),
    }
}

fn changes_role(record: &ShowRecord, placement: &Placement, node: NodeId) -> bool {
    record.voters.contains(&node) != placement.voters.contains(&node)
}

/// Another node of the same region instead: whatever the goal and the law ask of regions stays true.
fn swap(record: &ShowRecord, from: NodeId, to: NodeId) -> Fate {
    if !record.has_replica(from) {
        return Fate::Unchanged;
    }
    if record.has_replica(to) {
        return Fate::Refused(format!(
            "{to} has a replica already: let {from} leave, so that the show is placed anew"
        ));
    }
    let put = |nodes: &[NodeId]| {
        let put = nodes
            .iter()
            .map(|node| if *node == from { to } else { *node });
        put.collect::<Vec<_>>()
    };
    Fate::Place(DirectoryCommand::SetReplicas {
        show: record.show_id,
        expected: record.generation,
        voters: put(&record.voters),
        learners: put(&record.learners),
        leader_preference: put(&record.leader_preference),
    })
}
