//! A client that writes to any show through any node, and follows leaders as they move.
//!
//! Owns: when it asks whom. Must never: send one write under two keys, or take an open outcome for a refusal.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::submit_request::Command;
use holdfast_node_api::v1::{
    Failure, NamedSeats, PlaceHold, SubmitReply, SubmitRequest, place_hold::What, submit_reply,
};
use holdfast_region_config::NodeId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::lab::Lab;

/// How long one node is waited for. Longer than a commit between any two regions, shorter than an outage matters.
const ASK_MAX: Duration = Duration::from_secs(1);

/// A hold of named seats.
pub(super) fn place_hold(show_id: u64, seats: Vec<u32>, caller: u128, key: &str) -> SubmitRequest {
    SubmitRequest {
        show_id,
        caller: caller.to_be_bytes().to_vec().into(),
        idempotency_key: key.to_owned(),
        command: Some(Command::PlaceHold(PlaceHold {
            ttl_ms: 0,
            what: Some(What::Seats(NamedSeats { seats })),
            ..PlaceHold::default()
        })),
        ..SubmitRequest::default()
    }
}

/// Writes through the nodes of a cluster. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    nodes: Vec<(NodeId, NodeClient)>,
    /// Nodes that are lost; nobody asks them, and who waits for one stops waiting.
    lost: watch::Receiver<BTreeSet<NodeId>>,
}

/// A write that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) by: NodeId,
    pub(super) at: Instant,
}

/// What one node said.
enum Said {
    Done,
    /// Ask this one at once.
    Elsewhere(usize),
    /// Ask again, later.
    NotNow {
        maybe_happened: bool,
    },
}

impl Writer {
    /// A writer and the way to tell it which nodes are lost.
    pub(super) fn new(lab: &Lab) -> anyhow::Result<(Self, watch::Sender<BTreeSet<NodeId>>)> {
        let (tell, lost) = watch::channel(BTreeSet::new());
        let mut nodes = Vec::new();
        for node in &lab.cluster.topology().nodes {
            nodes.push((node.id, lab.node(node.id)?));
        }
        Ok((Self { nodes, lost }, tell))
    }

    /// Writes until some node acknowledges; `None` when none does before `until`. The first to be asked is `first`,
    /// between two rounds of asking it rests for `pause`.
    ///
    /// # Errors
    /// When the write is refused: the seats are another's.
    pub(super) async fn write(
        &self,
        request: &SubmitRequest,
        first: NodeId,
        pause: Duration,
        until: Instant,
    ) -> anyhow::Result<Option<Written>> {
        let mut at = self.place_of(first).unwrap_or(0);
        let mut request = request.clone();
        let mut hopped = false;
        while Instant::now() < until {
            at = self.living(at);
            match self.ask(at, &request).await? {
                Said::Done => {
                    let (by, at) = (self.nodes[at].0, Instant::now());
                    return Ok(Some(Written { by, at }));
                }
                // Two nodes may name each other while leadership moves.
                Said::Elsewhere(other) if hopped => {
                    (at, hopped) = (other, false);
                    sleep(pause).await;
                }
                Said::Elsewhere(other) => (at, hopped) = (other, true),
                Said::NotNow { maybe_happened } => {
                    request.through_log |= maybe_happened;
                    (at, hopped) = ((at + 1) % self.nodes.len(), false);
                    sleep(pause).await;
                }
            }
        }
        Ok(None)
    }

    fn place_of(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|(id, _)| *id == node)
    }

    /// The node at this place, or the next one that is not lost.
    fn living(&self, at: usize) -> usize {
        let lost = self.lost.borrow();
        let mut places = (at..self.nodes.len()).chain(0..at);
        places
            .find(|place| !lost.contains(&self.nodes[*place].0))
            .unwrap_or(at)
    }

    async fn ask(&self, at: usize, request: &SubmitRequest) -> anyhow::Result<Said> {
        let (id, node) = &self.nodes[at];
        let mut lost = self.lost.clone();
        let answer = tokio::select! {
            answer = node.pipe().submit(request.clone(), ASK_MAX) => answer,
            _ = lost.wait_for(|lost| lost.contains(id)) => return Ok(Said::NotNow { maybe_happened: true }),
        };
        match answer {
            Ok(reply) => self.understand(at, reply),
            Err(error) => Ok(Said::NotNow {
                maybe_happened: error.maybe_happened(),
            }),
        }
    }

    fn understand(&self, at: usize, reply: SubmitReply) -> anyhow::Result<Said> {
        match reply.result {
            Some(submit_reply::Result::Hold(_)) => Ok(Said::Done),
            Some(submit_reply::Result::Failure(failure)) => Ok(self.where_next(at, &failure)),
            other => anyhow::bail!("a write was refused: {other:?}"),
        }
    }

    fn where_next(&self, at: usize, failure: &Failure) -> Said {
        let leader = NodeId::new(failure.leader_node_id);
        let hinted = self.place_of(leader).filter(|place| *place != at);
        let living = hinted.filter(|_| !self.lost.borrow().contains(&leader));
        match living {
            Some(place) if !failure.maybe_happened => Said::Elsewhere(place),
            _ => Said::NotNow {
                maybe_happened: failure.maybe_happened,
            },
        }
    }
}
