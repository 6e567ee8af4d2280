//! Which regions are near an address, as DNS asks it.
//!
//! Owns: the question. [`Geo`] has the answer, here for the topology as it is now. Must never: be sure; a resolver may be far
//! from the user that it asks for.

use std::net::IpAddr;
use std::sync::Arc;

use holdfast_region_config::Topology;
use holdfast_region_config::ids::RegionId;

use crate::geo::Geo;

/// Where an address is near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// All regions, nearest first.
    pub order: Vec<RegionId>,
    /// Every address that shares this many leading bits with the one asked for gets the same answer.
    pub prefix_bits: u8,
}

/// Somebody who knows where addresses are.
pub trait Geography: Send + Sync {
    /// The regions near `addr`.
    fn nearest_regions(&self, addr: IpAddr) -> Nearest;
}

/// What the gateway knows about places, and the regions that there are.
#[derive(Debug)]
pub struct Places {
    geo: Arc<Geo>,
    topology: Arc<Topology>,
}

impl Places {
    /// The regions of `topology`, as `geo` sees them.
    #[must_use]
    pub const fn new(geo: Arc<Geo>, topology: Arc<Topology>) -> Self {
        Self { geo, topology }
    }
}

impl Geography for Places {
    fn nearest_regions(&self, addr: IpAddr) -> Nearest {
        let nearest = self.geo.nearest_regions(&self.topology, addr);
        Nearest {
            order: nearest
                .regions
                .into_iter()
                .map(|(region, _)| region)
                .collect(),
            prefix_bits: nearest.prefix_len,
        }
    }
}
