//! What can go wrong with a proposal, a read, a move, a start.
//!
//! Owns: the closed sets of errors, each with "may I retry?" and "may it have happened?". Must never: carry a business "no";
//! that is an outcome.

use holdfast_region_config::{GroupId, NodeId, Violation};

/// Why a proposal has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This replica does not lead the group; nothing was appended.
    #[error("not the leader of {group}")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads, as far as this replica knows.
        leader: Option<NodeId>,
    },
    /// This replica leads but has not heard from a quorum lately; nothing was appended.
    #[error("{group} has no quorum now")]
    NoQuorum {
        /// The group.
        group: GroupId,
    },
    /// The replica was just put away because nobody used it; nothing was appended. Open it again.
    #[error("the replica of {group} was just put away")]
    PutAway {
        /// The group.
        group: GroupId,
    },
    /// The entry is larger than an entry may be; nothing was appended.
    #[error("entry of {bytes} bytes for {group} is larger than {bytes_max}")]
    TooLarge {
        /// The group.
        group: GroupId,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The group has stopped on this node: disk failure or shutdown. The entry may or may not have been appended.
    #[error("{group} has stopped on this node")]
    Stopped {
        /// The group.
        group: GroupId,
    },
    /// Leadership changed with the entry in flight; the next leader may still commit it.
    #[error("leadership of {group} changed while the entry was in flight")]
    Unknown {
        /// The group.
        group: GroupId,
        /// Who leads now, as far as this replica knows.
        leader: Option<NodeId>,
    },
}

impl ProposeError {
    /// Whether the same proposal, with the same request ids, is worth another try.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. })
    }

    /// Whether it may have happened or may yet.
    #[must_use]
    pub const fn maybe_happened(&self) -> bool {
        matches!(self, Self::Stopped { .. } | Self::Unknown { .. })
    }

    /// Who to ask instead.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        match self {
            Self::NotLeader { leader, .. } | Self::Unknown { leader, .. } => *leader,
            Self::NoQuorum { .. }
            | Self::PutAway { .. }
            | Self::TooLarge { .. }
            | Self::Stopped { .. } => None,
        }
    }
}

/// Why a linearizable or session read cannot be answered here now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Only the leader can confirm a read.
    #[error("not the leader of {group}")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads, as far as this replica knows.
        leader: Option<NodeId>,
    },
    /// No quorum answered.
    #[error("{group} has no quorum now")]
    NoQuorum {
        /// The group.
        group: GroupId,
    },
    /// The asked index was not applied here in time.
    #[error("{group} has applied {applied} entries here, index {wanted} was asked for")]
    Behind {
        /// The group.
        group: GroupId,
        /// Entries applied.
        applied: u64,
        /// The index asked for.
        wanted: u64,
    },
    /// The group has stopped on this node.
    #[error("{group} has stopped on this node")]
    Stopped {
        /// The group.
        group: GroupId,
    },
}

/// Why leadership was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// This replica does not lead.
    #[error("not the leader of {group}")]
    NotLeader {
        /// The group.
        group: GroupId,
    },
    /// The target is not a voter, is not heard, or lacks entries: handing over would stop the group for a while.
    #[error("{target} cannot take {group} now: {reason}")]
    NotReady {
        /// The group.
        group: GroupId,
        /// The target.
        target: NodeId,
        /// What is missing.
        reason: &'static str,
    },
    /// The group has stopped on this node.
    #[error("{group} has stopped on this node")]
    Stopped {
        /// The group.
        group: GroupId,
    },
}

impl TransferError {
    /// Whether waiting a moment may help: the target may catch up.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NotReady { .. })
    }
}

/// Why a leadership was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// Another node leads; ask that one.
    #[error("not the leader of {group}")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads, as far as this node knows.
        leader: Option<NodeId>,
    },
    /// The leader cannot reach a quorum.
    #[error("{group} has no quorum now")]
    NoQuorum {
        /// The group.
        group: GroupId,
    },
    /// The replica is being opened, put away or stopped; try again.
    #[error("{group} is being opened or closed here")]
    Busy {
        /// The group.
        group: GroupId,
    },
    /// The target cannot take it.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The replica could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target was asked and somebody else leads now, or nobody yet.
    #[error("{target} has not taken {group} in time")]
    NotTaken {
        /// The group.
        group: GroupId,
        /// The target.
        target: NodeId,
    },
}

/// Why a replica cannot be opened here now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The directory gives this node no replica of the group, as far as this node knows.
    #[error("this node has no replica of {group}")]
    NotHere {
        /// The group.
        group: GroupId,
    },
    /// Its files or the memory for it could not be had; worth another try later.
    #[error("{group} cannot be opened: {reason}")]
    Failed {
        /// The group.
        group: GroupId,
        /// What is wrong.
        reason: String,
    },
    /// The node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

/// Why a node's groups cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology does not name this node.
    #[error("node: {node} is not in the topology")]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// An address of the topology cannot be dialled.
    #[error("topology: {reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The data directory cannot be used.
    #[error("data_dir: {reason}")]
    DataDir {
        /// What is wrong with it.
        reason: String,
    },
    /// A group of the data directory cannot be opened.
    #[error("{group} cannot be opened: {reason}")]
    Group {
        /// The group.
        group: GroupId,
        /// What is wrong.
        reason: String,
    },
}

/// Why another version of the topology is not taken. The one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// It does not have this node, or has it in another region.
    #[error("{node} is not in the topology, or in another region than before")]
    OwnNode {
        /// This node.
        node: NodeId,
    },
    /// A running cluster cannot change in this way.
    #[error("the topology cannot change like this: {}", list(violations))]
    NotAllowed {
        /// What is wrong.
        violations: Vec<Violation>,
    },
    /// A node that it no longer has still carries replicas.
    #[error("{node} still has replicas of {shows} shows: `holdfastctl node remove {node}` first")]
    NodeInUse {
        /// The node.
        node: NodeId,
        /// How many shows.
        shows: u64,
    },
    /// An address cannot be dialled.
    #[error("{reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
}

fn list(violations: &[Violation]) -> String {
    let texts: Vec<String> = violations.iter().map(Violation::to_string).collect();
    texts.join("; ")
}
