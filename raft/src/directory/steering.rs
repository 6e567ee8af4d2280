//! What an operator wants DNS to answer for a while, whatever it measures.
//!
//! Owns: the records. Each has an end, by the clocks of those who read it: one that is forgotten ends by itself. Must never:
//! change its serialised layout without a new version in `codec`.

use std::collections::BTreeMap;

use holdfast_region_config::RegionId;
use serde::{Deserialize, Serialize};

/// What is wanted, and of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SteeringKey {
    /// One region is the answer to every name that has no pin of its own.
    PinAll,
    /// One region is the answer to this name.
    Pin(String),
    /// This region gets no new users.
    Drain(RegionId),
}

/// Where to, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteeringWish {
    /// The region that is answered, or drained.
    pub region: RegionId,
    /// Its end, ms since the Unix epoch.
    pub until_ms: u64,
}

/// All wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steering {
    pub(crate) wishes: BTreeMap<SteeringKey, SteeringWish>,
    /// Version of the directory that this last changed in; 0 = there never was one.
    pub(crate) changed: u64,
}

impl Steering {
    /// Every wish, those that have ended among them until somebody makes another one.
    #[must_use]
    pub const fn wishes(&self) -> &BTreeMap<SteeringKey, SteeringWish> {
        &self.wishes
    }

    /// Regions that get no new users at `now_ms`.
    pub fn drained_at(&self, now_ms: u64) -> impl Iterator<Item = &RegionId> {
        let drains = self
            .wishes
            .iter()
            .filter(move |(_, wish)| wish.until_ms > now_ms);
        drains.filter_map(|(key, _)| match key {
            SteeringKey::Drain(region) => Some(region),
            SteeringKey::PinAll | SteeringKey::Pin(_) => None,
        })
    }
}
