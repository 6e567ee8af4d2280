//! The one openraft type configuration of this crate, and short names for what it implies.
//!
//! Owns: which types openraft is built with. Must never: let an openraft type into a public signature of the crate.
//!
//! `leader_id_std` gives one leader per term, as in the Raft paper (§5.2): a term identifies its leader, so a log id is
//! (term, index) and eight bytes shorter on the wire and on disk than the multi-leader form. Node ids are plain `u64`
//! here because openraft wants to own the trait bounds; [`holdfast_region_config::NodeId`] is the type everywhere else.

use std::fmt;

use bytes::Bytes;
use openraft::alias::{
    DefaultEntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf,
};
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};

use crate::applied::Applied;

/// What one Raft entry carries: an encoded batch, opaque to consensus and to the log store.
///
/// It is encoded once by the proposer and passed on by reference count to the log, to every peer and to `apply`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AppData {
    /// Versioned bytes of the group's state machine (`holdfast_inventory::codec`, `directory::codec` or `buyer_index::codec`).
    pub(crate) bytes: Bytes,
}

impl fmt::Debug for AppData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppData({} bytes)", self.bytes.len())
    }
}

impl fmt::Display for AppData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

/// See the module's head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl RaftTypeConfig for TypeConfig {
    type D = AppData;
    type R = Applied;
    type NodeId = u64;
    type Node = ();
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = EntryPayload<AppData, u64, ()>;
    type Entry = DefaultEntryOf<Self>;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    #[cfg(not(feature = "simulation"))]
    type AsyncRuntime = openraft::TokioRuntime;
    #[cfg(feature = "simulation")]
    type AsyncRuntime = crate::simulation::SeededRuntime;
    type ErrorSource = openraft::AnyError;
}

/// (term, index).
pub(crate) type LogId = LogIdOf<TypeConfig>;
/// A node's vote: term, candidate, and whether a quorum granted it.
pub(crate) type Vote = VoteOf<TypeConfig>;
/// One log entry.
pub(crate) type Entry = DefaultEntryOf<TypeConfig>;
/// Voters and learners.
pub(crate) type Membership = openraft::Membership<u64, ()>;
/// A membership with the log id that carries it.
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
/// The bytes of a snapshot: the versioned, checksummed encoding of a state machine.
pub(crate) type SnapshotData = Bytes;
/// A snapshot with its meta.
pub(crate) type Snapshot = SnapshotOf<TypeConfig, SnapshotData>;

/// The log id (term, index).
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}
