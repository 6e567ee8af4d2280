//! Consensus for Holdfast: thousands of Raft groups on one node, their log and snapshot stores, and the links between nodes.
//!
//! Read in this order: [`group`] (what a replica offers), [`host`] (all groups of a node), [`fabric`] (who is alive and who
//! leads what), [`state_machine`] (decode, apply, answer), [`transport`] (one connection per ordered pair of nodes), [`log_store`] (what cannot be rebuilt),
//! [`snapshot_store`] (what can), [`directory`] (group 0), [`buyer_index`] (who has which orders).
//!
//! No openraft, raft-engine or sled type appears in a public signature.

mod applied;
mod blocking;
pub mod buyer_index;
pub mod clock;
mod contact;
pub mod directory;
mod disk;
mod error;
mod fabric;
mod group;
mod handles;
mod host;
mod lease;
mod log_store;
mod membership;
pub mod pace;
mod reseed;
#[cfg(feature = "simulation")]
pub mod simulation;
mod snapshot_store;
mod state_machine;
mod transport;
mod types;

pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::faults::{DiskFaults, DiskTrouble};
pub use disk::{DISK_RESERVE_BYTES_DEFAULT, DiskState};
pub use error::{
    MoveError, OpenError, ProposeError, ReadError, ReloadError, StartError, TransferError,
};
pub use fabric::PeerStatus;
pub use fabric::wall_clocks::{BoundedClock, CLOCK_BOUND_MS, clock_error_max};
pub use group::gate::Inhabitant;
pub use group::{AsOf, Committed, ENTRY_BYTES_MAX, GroupStatus, Leadership, Role};
pub use handles::{BuyerIndexGroup, DirectoryGroup, ShowGroup};
pub use host::{
    CONNECTION_WINDOW_BYTES, Host, HostOptions, IdleOptions, LogCounters, ReplicaCounters,
    ReplicaSummary, STREAM_WINDOW_BYTES, SnapshotOptions, WakeCause, WakeTotals,
};
#[doc(hidden)]
pub use log_store::measure;
pub use membership::policy::{differs, place_again, request_for, set_replicas};
pub use snapshot_store::SnapshotStats;
#[doc(hidden)]
pub use snapshot_store::measure as measure_snapshots;
