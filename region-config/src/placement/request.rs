//! What is asked of a placement: the home, the goal, the constraints.
//!
//! Owns: the words for goals. Must never: look at a topology.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, NodeId, RegionId};
use crate::labels::Jurisdiction;

/// What may be lost while a group stays writable. Ordered from the strongest to the weakest, so the weaker of two is their
/// maximum:
///
/// ```
/// use holdfast_region_config::SurvivalGoal::{Nothing, Region, Zone};
///
/// assert!(Region < Zone && Zone < Nothing);
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum SurvivalGoal {
    /// Any one region. Three voters in three regions, or five as 2-2-1 where the home region and another have two
    /// nodes, so that a successor sits beside the leader.
    #[default]
    Region,
    /// Any one zone (any one node where nodes name no zones). Three voters, all at home where there are three zones.
    Zone,
    /// Nothing: what one or two machines can promise. As many voters as there are nodes, up to three.
    Nothing,
}

impl SurvivalGoal {
    /// All goals, the strongest first.
    pub const ALL: [Self; 3] = [Self::Region, Self::Zone, Self::Nothing];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Zone => "zone",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for SurvivalGoal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not a goal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a survival goal is region, zone or nothing; got {text:?}")]
pub struct GoalError {
    /// What was given.
    pub text: String,
}

impl FromStr for SurvivalGoal {
    type Err = GoalError;

    fn from_str(text: &str) -> Result<Self, GoalError> {
        let known = Self::ALL.into_iter().find(|goal| goal.as_str() == text);
        known.ok_or_else(|| GoalError {
            text: text.to_owned(),
        })
    }
}

/// Everything that decides where a group goes, besides the topology.
///
/// ```
/// use holdfast_region_config::{GroupId, Jurisdiction, PlacementRequest, RegionId, SurvivalGoal, Topology, place_for};
///
/// let topology = Topology::preset("eight-regions").expect("a preset of this crate");
/// let request = PlacementRequest {
///     jurisdictions: [Jurisdiction::new("EU")?].into(),
///     ..PlacementRequest::new(RegionId::new("westeurope")?, GroupId::new(7))
/// };
/// let placement = place_for(&topology, &request)?;
/// assert_eq!(placement.goal, SurvivalGoal::Region);
/// assert_eq!(placement.commit_floor.as_millis(), 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementRequest {
    /// Where the leader should be.
    pub home: RegionId,
    /// Whose turn it is decides among the nodes of a region.
    pub group: GroupId,
    /// What must be survived.
    pub goal: SurvivalGoal,
    /// Neither voters nor learners outside these; empty means anywhere.
    pub jurisdictions: BTreeSet<Jurisdiction>,
    /// Nodes that are dead or on their way out: they get nothing.
    pub unavailable: BTreeSet<NodeId>,
}

impl PlacementRequest {
    /// The default goal, anywhere, with every node.
    #[must_use]
    pub const fn new(home: RegionId, group: GroupId) -> Self {
        Self {
            home,
            group,
            goal: SurvivalGoal::Region,
            jurisdictions: BTreeSet::new(),
            unavailable: BTreeSet::new(),
        }
    }

    /// Whether a region under `jurisdiction` may carry a replica.
    #[must_use]
    pub fn allows(&self, jurisdiction: Option<&Jurisdiction>) -> bool {
        self.jurisdictions.is_empty()
            || jurisdiction.is_some_and(|named| self.jurisdictions.contains(named))
    }
}
