//! Where things are: regions, nodes, gateways, the round trips between them, and what follows from those.
//!
//! Owns: topology files, their validation, placement of replicas, timing of elections. Everything but
//! [`Topology::load`] is pure. Must never: open a socket, read a clock, know what a seat is.
//!
//! Read in this order: [`ids`], [`topology`], [`validate`], [`rtt`], [`placement`], [`timing`].
//!
//! ```
//! use holdfast_region_config::{GroupId, GroupTiming, RegionId, Topology, place};
//!
//! let topology = Topology::preset("three-regions").expect("a preset of this crate");
//! let home = RegionId::new("westeurope")?;
//! let placement = place(&topology, &home, GroupId::new(7))?;
//! assert_eq!(placement.voters.len(), 3);
//! // A write led from Amsterdam is durable once Virginia has it too.
//! assert_eq!(placement.commit_floor.as_millis(), 91);
//! let timing = GroupTiming::for_voters(&topology, &placement.voters, 0);
//! assert!(timing.election_timeout_max_ms < 2_500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod change;
pub mod ids;
pub mod labels;
pub mod placement;
mod presets;
mod reshape;
pub mod rtt;
pub mod timing;
pub mod topology;
pub mod validate;

pub use change::TopologyChange;
pub use ids::{GroupId, IdError, NodeId, RegionId};
pub use labels::{Jurisdiction, LabelError, ZoneId};
pub use placement::{
    Placement, PlacementError, PlacementRequest, Replicas, SurvivalGoal, explain,
    explain_replacement, place, place_directory, place_for, replace, strongest_goal,
};
pub use presets::PRESET_NAMES;
pub use reshape::ReshapeError;
pub use rtt::RttMatrix;
pub use timing::GroupTiming;
pub use topology::{Gateway, Node, Region, Topology, TopologyError};
pub use validate::Violation;
