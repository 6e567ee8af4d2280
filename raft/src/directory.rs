//! The directory: nodes, regions, the catalogue, and which group holds which show. Group 0's state machine.
//!
//! Owns: what every node must know from local memory. Pure like the inventory: no clock, no I/O, no hash order. Must never:
//! hold what changes with every hold (that is the shard's), or personal data.
//!
//! Creates are idempotent by *slug*: the same slug with the same content answers the first id, with other content it is
//! refused, so an import can be repeated until it succeeds. A show's record *is* its shard: creating it allocates the group
//! and places its replicas; nodes open what the record says (`host`), and the group's leader changes its membership until it
//! is what the record says (`membership`).
//!
//! Read in this order: [`records`] (what is kept), [`command`] (what can be asked), [`state`] (how it is looked up),
//! `apply` (what a command does), `codec` (bytes).

mod apply;
mod codec;
pub mod command;
pub mod records;
pub mod rejection;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod sample;
pub mod state;
pub mod steering;

pub use codec::DirectoryCodecError;
pub use command::{DirectoryCommand, DirectoryOutcome, NewEvent, NewPlan, NewShow, NewSteering};
pub use records::{
    DiskId, EventRecord, Leaving, NodeRecord, NodeRegistration, NodeState, PlanRecord,
    RegionRecord, RegionState, ReplicaFate, ShowRecord,
};
pub use rejection::DirectoryRejection;
pub use state::{Changed, DirectoryState};
pub use steering::{Steering, SteeringKey, SteeringWish};

pub(crate) use codec::{decode_commands, decode_snapshot, encode_commands, encode_snapshot};

/// Longest slug, name, city and the like, bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest description of an event, bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4_000;
/// Nodes that one cluster has ever had.
pub const NODES_MAX: usize = 1_000;
/// Jurisdictions that one show names.
pub const JURISDICTIONS_MAX: usize = 32;
/// Overrides of DNS at one time.
pub const STEERING_MAX: usize = 64;
/// Longest time that DNS is overridden, ms: a week. What shall hold longer is a change of the topology.
pub const STEERING_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;
/// Replicas that one show may have: one a region and some.
pub const REPLICAS_MAX: usize = 24;
/// Plans one cluster keeps.
pub const PLANS_MAX: usize = 2_000;
/// Bytes of all plans together, as encoded: they are in every snapshot of the directory.
pub const PLAN_BYTES_TOTAL_MAX: u64 = 128 * 1024 * 1024;
/// Events one cluster keeps.
pub const EVENTS_MAX: usize = 50_000;
/// Shows one cluster keeps. A record is about half a kilobyte in a snapshot, so this many are 50 MB.
pub const SHOWS_MAX: usize = 100_000;

const _: () = assert!(
    PLAN_BYTES_TOTAL_MAX <= crate::snapshot_store::SNAPSHOT_BYTES_MAX as u64 / 2,
    "a snapshot holds the plans and leaves room for the catalogue"
);

#[cfg(test)]
mod tests;
