//! What the invariants are told.
//!
//! Owns: the vocabulary between the simulated world and its judges. Must never: carry an opinion.

use std::collections::BTreeSet;

use holdfast_inventory::ids::RequestId;
use holdfast_inventory::outcome::Outcome;
use holdfast_region_config::{GroupId, NodeId};

use crate::transport::wire::pb;

/// A command of a committed entry and what it came to.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) request: RequestId,
    pub(super) outcome: Outcome,
}

/// Who replicates a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) voters: BTreeSet<NodeId>,
    pub(super) learners: BTreeSet<NodeId>,
}

/// One thing that happened.
pub(super) enum Fact<'a> {
    /// A machine gave a frame to the network.
    FrameSent {
        connection: u64,
        from: NodeId,
        frame: &'a pb::Frame,
    },
    /// A process started.
    Started { node: NodeId },
    /// A replica's state begins at this point: empty (`None`), or a snapshot of its own or of the leader.
    Loaded {
        node: NodeId,
        group: GroupId,
        index: Option<u64>,
        state_hash: u64,
    },
    /// A replica applied an entry.
    Applied {
        node: NodeId,
        group: GroupId,
        term: u64,
        index: u64,
        payload_hash: u64,
        /// Not for every entry: it costs an encoding of the whole state.
        state_hash: Option<u64>,
        judged: &'a [Judged],
    },
    /// A replica was deleted because its node is a member no more.
    Retired { node: NodeId, group: GroupId },
    /// A client was told the outcome of its command.
    Acknowledged {
        group: GroupId,
        index: u64,
        request: RequestId,
        outcome: &'a Outcome,
    },
    /// A replica answered a read. Everything acknowledged up to index `acknowledged` was so before the moment for which
    /// the answer claims to be current.
    Read {
        node: NodeId,
        group: GroupId,
        kind: &'static str,
        index: u64,
        acknowledged: u64,
    },
    /// At the end, everything healed: the members of a group that a replica knows, and those that the directory wants.
    Member {
        node: NodeId,
        group: GroupId,
        knows: Members,
        wanted: Members,
    },
    /// At the end, everything healed: how far a replica is and what its state is.
    Settled {
        node: NodeId,
        group: GroupId,
        index: u64,
        state_hash: u64,
    },
}
