//! Whether this node may write a group's first membership.
//!
//! Owns: that no group begins twice. Must never: found the directory because nobody answers: a node that joins a running cluster
//! with a newer topology, and cannot reach it, would begin a second one.

use std::time::Duration;

use futures_util::future::join_all;
use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};

use super::Host;
use crate::transport::wire::pb;

/// What a node may take to say what it has, beyond its round trip.
const ANSWER_SLACK: Duration = Duration::from_millis(500);
/// The directory as it is known here must be this young for a show's group to be begun: an old copy may not know that the
/// group has long been running elsewhere.
const DIRECTORY_AGE_MAX_MS: u64 = 10_000;

impl Host {
    /// Whether a group that is empty here is empty everywhere.
    pub(super) async fn may_found(&self, group: GroupId, first_voters: &[NodeId]) -> bool {
        if group.is_directory() {
            return self.directory_is_nowhere(first_voters).await;
        }
        let node = self.inner.node;
        let (may, as_of) = self.directory().read(|directory| {
            let record = directory.shows().get(&ShowId(group.get()));
            record.is_some_and(|record| record.may_initialise(node))
        });
        may && as_of.age_ms <= DIRECTORY_AGE_MAX_MS
    }

    /// Asks every node; true when a majority of the first voters, this one included, has nothing and nobody has anything.
    async fn directory_is_nowhere(&self, first_voters: &[NodeId]) -> bool {
        let asked = self.inner.fabric.links().into_iter();
        let asked = asked.map(|(node, _)| async move { (node, self.has_directory(node).await) });
        let answers = join_all(asked).await;
        if let Some((node, _)) = answers.iter().find(|(_, has)| *has == Some(true)) {
            tracing::info!(%node, "another node has the directory, it is not begun here");
            return false;
        }
        let empty = |voter: &&NodeId| {
            **voter == self.inner.node || answers.contains(&(**voter, Some(false)))
        };
        first_voters.iter().filter(empty).count() * 2 > first_voters.len()
    }

    /// Whether `node` has a log of the directory; `None` = it did not say. A pre-vote asks and changes nothing there.
    async fn has_directory(&self, node: NodeId) -> Option<bool> {
        let link = self.inner.fabric.link(node)?;
        let limit = link.rtt() * 2 + ANSWER_SLACK;
        let vote = pb::Vote {
            term: 0,
            node: self.inner.node.get(),
            committed: false,
        };
        let body = pb::frame::Body::PreVote(pb::VoteRequest {
            vote: Some(vote),
            ..pb::VoteRequest::default()
        });
        let answer = tokio::time::timeout(limit, link.call(GroupId::DIRECTORY, body)).await;
        match answer {
            Ok(Ok(pb::frame::Body::VoteReply(reply))) => Some(reply.last_log_id.is_some()),
            _ => None,
        }
    }
}
