//! Changes of the directory, taken by any node.
//!
//! ```text
//!  any node ── leads group 0? ── yes ─► propose here
//!                   └── no ─► its leader, over gRPC, once (a forwarded change is never forwarded again)
//! ```
//!
//! Owns: finding the leader, the bounded retries. Safe because every change is idempotent by slug. Must never: forward
//! twice, or go on beyond its budget.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use holdfast_node_api::client::{ClientOptions, NodeClient};
use holdfast_raft::{
    Host, ProposeError,
    directory::{DirectoryCommand, DirectoryOutcome},
};
use holdfast_region_config::NodeId;
use thiserror::Error;
use tokio::time::Instant;

/// Metadata key of a change that another node passed on.
pub const FORWARDED_KEY: &str = "holdfast-forwarded";

/// How long a change is tried. Longer than an election between far regions.
const BUDGET: Duration = Duration::from_secs(8);
/// Between two tries.
const RETRY_DELAY: Duration = Duration::from_millis(150);
/// One proposal or one forwarded call. A plan of some MiB crosses an ocean in less.
const TRY_LIMIT: Duration = Duration::from_secs(4);

/// Why a change was not made, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// No leader of the directory answered within the budget. The change may have happened; it is idempotent.
    #[error("the directory has no leader that can be reached now")]
    Unavailable,
    /// It was passed on to this node, which does not lead the directory.
    #[error("this node does not lead the directory")]
    NotLeader,
    /// The entry is larger than an entry may be.
    #[error("too large: {0}")]
    TooLarge(String),
}

/// What became of a change.
#[derive(Debug)]
pub enum Changed<R> {
    /// Applied here.
    Here(DirectoryOutcome),
    /// Passed on; the leader's reply.
    There(R),
}

/// What a forwarded call came to.
#[derive(Debug)]
pub enum Forwarded<R, E> {
    /// The leader's reply.
    Reply(R),
    /// The leader refused for good.
    Refused(E),
    /// No answer, or no leader there any more: try again.
    TryAgain,
}

/// A cheap handle for changes of the directory.
#[derive(Clone)]
pub struct DirectoryDesk {
    host: Host,
    /// Guards the clients made so far, with their addresses; held for a lookup only, never over an await.
    clients: Arc<Mutex<BTreeMap<NodeId, (String, NodeClient)>>>,
}

impl DirectoryDesk {
    /// A desk of the node that `host` belongs to.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            clients: Arc::default(),
        }
    }

    /// Makes a change here or, when `forward` is given, at the leader's node.
    ///
    /// # Errors
    /// `Ok(Err(_))` is the leader's refusal; [`ChangeError`] when no leader decided.
    pub async fn change<R, E, F>(
        &self,
        command: DirectoryCommand,
        forward: Option<impl Fn(NodeClient) -> F>,
    ) -> Result<Result<Changed<R>, E>, ChangeError>
    where
        F: Future<Output = Forwarded<R, E>>,
    {
        let until = Instant::now() + BUDGET;
        loop {
            let leader = match self.propose_here(command.clone()).await {
                Ok(outcome) => return Ok(Ok(Changed::Here(outcome))),
                Err(ProposeError::TooLarge {
                    bytes, bytes_max, ..
                }) => {
                    return Err(ChangeError::TooLarge(format!(
                        "{bytes} of {bytes_max} bytes"
                    )));
                }
                Err(error) => error.leader(),
            };
            let Some(forward) = &forward else {
                return Err(ChangeError::NotLeader);
            };
            if let Some(client) = leader.and_then(|leader| self.client(leader)) {
                match tokio::time::timeout(TRY_LIMIT, forward(client)).await {
                    Ok(Forwarded::Reply(reply)) => return Ok(Ok(Changed::There(reply))),
                    Ok(Forwarded::Refused(refusal)) => return Ok(Err(refusal)),
                    Ok(Forwarded::TryAgain) | Err(_) => {}
                }
            }
            if Instant::now() + RETRY_DELAY > until {
                return Err(ChangeError::Unavailable);
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn propose_here(
        &self,
        command: DirectoryCommand,
    ) -> Result<DirectoryOutcome, ProposeError> {
        let directory = self.host.directory();
        let group = directory.group_id();
        let leadership = *directory.leadership().borrow();
        if !leadership.leads {
            return Err(ProposeError::NotLeader {
                group,
                leader: leadership.leader,
            });
        }
        match tokio::time::timeout(TRY_LIMIT, directory.propose(command)).await {
            Ok(proposed) => proposed.map(|(_, outcome)| outcome),
            Err(_) => Err(ProposeError::NoQuorum { group }),
        }
    }

    /// Whether this node leads the directory, and else a client of the node that does.
    ///
    /// # Errors
    /// [`ChangeError::Unavailable`] when no leader is known.
    pub fn leader(&self) -> Result<Option<NodeClient>, ChangeError> {
        let leadership = *self.host.directory().leadership().borrow();
        if leadership.leads {
            return Ok(None);
        }
        let client = leadership.leader.and_then(|leader| self.client(leader));
        client.map(Some).ok_or(ChangeError::Unavailable)
    }

    /// A client of another node; `None` for this one, and for one that cannot be dialled.
    pub(crate) fn client(&self, node: NodeId) -> Option<NodeClient> {
        if node == self.host.node() {
            return None;
        }
        let topology = self.host.topology();
        let address = &topology.node(node)?.addr;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = clients.get(&node)
            && known == address
        {
            return Some(client.clone());
        }
        match NodeClient::new(address, &ClientOptions::default()) {
            Ok(client) => {
                clients.insert(node, (address.clone(), client.clone()));
                Some(client)
            }
            Err(error) => {
                tracing::warn!(%node, %error, "node cannot be dialled");
                None
            }
        }
    }
}
