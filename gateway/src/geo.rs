//! Where on Earth an address is, and which regions are near it.
//!
//! ```text
//!   networks the operator placed ─► country the edge named ─► database file ─► measured round trips ─► nobody knows: as from here
//!                                                        └─► coordinates ─► distance ──┴─► regions, nearest first
//! ```
//!
//! Owns: that order, and how wide an answer holds: an answer about one address is true for the whole range that it was
//! found under, so that a resolver may keep it for all of them and for nobody else. Must never: keep anybody waiting for what
//! it does not know yet ([`exchange`] asks others in its own time), or keep an address: round trips are those of networks.

pub mod countries;
pub mod database;
pub mod distance;
pub mod echo;
pub mod exchange;
pub mod measured;
pub mod origins;
pub mod told;
mod triangle;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_region_config::ids::RegionId;
use holdfast_region_config::topology::{Region, Topology};
use serde::Deserialize;

use self::countries::Country;
use self::database::{Database, DatabaseError};
use self::distance::Position;
use self::measured::{Measured, network_of};
use self::origins::RoundTripConfig;
use crate::network::{Network, plain};
use crate::{chance, clock};

/// Networks that an operator may place by hand.
pub const NETWORKS_MAX: usize = 1_024;
/// An answer is never said to hold for a range narrower than this: a resolver does not send us more of an address either.
const PREFIX_LEN_MAX_V4: u8 = 24;
/// The same for IPv6.
const PREFIX_LEN_MAX_V6: u8 = 56;

/// What an operator says about places. `[geo]` of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeoConfig {
    /// A country or city database in MaxMind's file format: MaxMind's, DB-IP's or one made from IPtoASN's tables.
    /// Relative to the directory of the configuration file.
    pub database: Option<PathBuf>,
    /// Networks whose region is known better than any database knows it. The longest range that fits counts.
    pub network: Vec<PlacedNetwork>,
    /// Where browsers measure how far each region is.
    pub round_trips: RoundTripConfig,
}

/// One network that an operator placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedNetwork {
    /// Its addresses.
    pub range: Network,
    /// The region that is nearest to it.
    pub region: RegionId,
}

/// How it was found out where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An operator placed its network.
    Network,
    /// A listed proxy named the country.
    Edge,
    /// The database, by coordinates.
    City,
    /// The database, by country.
    Country,
    /// Round trips to its network were measured.
    Measured,
    /// Nobody knows; taken to be where this gateway is, since that is where it turned up.
    Unknown,
}

impl Source {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Edge => "edge",
            Self::City => "city",
            Self::Country => "country",
            Self::Measured => "measured",
            Self::Unknown => "unknown",
        }
    }
}

/// Regions in the order of their distance from an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Nearest first, each with the round trip that was measured, or that such a distance costs. Every region of the topology is
    /// in it. Measured ones that differ by less than anybody would feel may stand the other way round.
    pub regions: Vec<(RegionId, Duration)>,
    /// Those of them whose round trip was measured.
    pub measured: Vec<RegionId>,
    /// The answer holds for every address that shares this many leading bits; 0 = for everybody.
    pub prefix_len: u8,
    /// How it was found out.
    pub source: Source,
    /// Two letters, when a country is known.
    pub country: Option<Country>,
}

/// What is needed to say where an address is. Cheap to ask from any number of tasks.
#[derive(Debug)]
pub struct Geo {
    own: RegionId,
    networks: Vec<PlacedNetwork>,
    database: Option<Database>,
    measured: Measured,
}

impl Geo {
    /// Reads the database, if there is one; `own` is the region of this process.
    ///
    /// # Errors
    /// When the database cannot be read, with its path.
    pub fn open(own: RegionId, config: &GeoConfig) -> Result<Self, DatabaseError> {
        let database = config.database.as_deref().map(Database::open).transpose()?;
        let mut networks = config.network.clone();
        networks.sort_by_key(|placed| std::cmp::Reverse(placed.range.prefix_len()));
        Ok(Self {
            measured: Measured::new(own.clone(), chance::draw()),
            own,
            networks,
            database,
        })
    }

    /// The regions of `topology` by their distance from `addr`.
    #[must_use]
    pub fn nearest_regions(&self, topology: &Topology, addr: IpAddr) -> Nearest {
        self.nearest_regions_of(topology, addr, None)
    }

    /// [`Self::nearest_regions`] when a listed proxy named the client's country.
    #[must_use]
    pub fn nearest_regions_of(
        &self,
        topology: &Topology,
        addr: IpAddr,
        edge: Option<Country>,
    ) -> Nearest {
        // Whoever is in a placed range that this address is not in gets another answer.
        let apart = self.networks.iter().map(|n| n.range.told_apart(addr));
        let apart = apart.max().unwrap_or(0);
        if let Some(placed) = self.networks.iter().find(|n| n.range.contains(addr)) {
            let regions = from_region(topology, &placed.region);
            let prefix_len = placed.range.prefix_len().max(apart);
            return nearest(addr, regions, prefix_len, Source::Network);
        }
        if let Some((country, position)) = edge.and_then(|c| Some((c, c.position()?))) {
            let regions = from_position(topology, position);
            return Nearest {
                country: Some(country),
                ..nearest(addr, regions, u8::MAX, Source::Edge)
            };
        }
        if let Some(found) = self.database.as_ref().and_then(|base| base.look_up(addr)) {
            let (position, source) = match (found.position, found.country) {
                (Some(position), _) => (Some(position), Source::City),
                (None, Some(country)) => (country.position(), Source::Country),
                (None, None) => (None, Source::Unknown),
            };
            if let Some(position) = position {
                let regions = from_position(topology, position);
                return Nearest {
                    country: found.country,
                    ..nearest(addr, regions, found.prefix_len.max(apart), source)
                };
            }
        }
        if let Some(nearest) = self.by_round_trips(topology, addr) {
            return nearest;
        }
        let unknown = from_region(topology, &self.own);
        nearest(addr, unknown, self.ignorance(apart), Source::Unknown)
    }

    /// By what was measured to the network of `addr`; `None` when nothing was, or only by regions that are gone.
    fn by_round_trips(&self, topology: &Topology, addr: IpAddr) -> Option<Nearest> {
        let mut measured = self.measured.of(network_of(addr), clock::now());
        measured.retain(|(region, _)| topology.region(region).is_some());
        if measured.is_empty() {
            return None;
        }
        Some(Nearest {
            regions: triangle::order(topology, &self.own, &measured),
            measured: measured.into_iter().map(|(region, _)| region).collect(),
            ..nearest(addr, Vec::new(), u8::MAX, Source::Measured)
        })
    }

    /// For how wide a range nobody knows: without a database only the placed ranges matter. Once any network was measured, a wide
    /// answer would be kept for it too, so each holds for one network.
    fn ignorance(&self, apart: u8) -> u8 {
        if self.database.is_none() && self.measured.is_empty() {
            apart
        } else {
            u8::MAX
        }
    }

    /// The database's type and when it was made, for people; `None` without one.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_ref().map(Database::describe)
    }

    /// Round trips to networks.
    #[must_use]
    pub const fn measured(&self) -> &Measured {
        &self.measured
    }
}

/// How many bits of `addr` an answer is told apart by at most.
fn prefix_len_max(addr: IpAddr) -> u8 {
    if plain(addr).is_ipv4() {
        PREFIX_LEN_MAX_V4
    } else {
        PREFIX_LEN_MAX_V6
    }
}

fn nearest(
    addr: IpAddr,
    mut regions: Vec<(RegionId, Duration)>,
    prefix_len: u8,
    source: Source,
) -> Nearest {
    // Equal distances keep the order of the topology.
    regions.sort_by_key(|(_, estimate)| *estimate);
    Nearest {
        regions,
        measured: Vec::new(),
        prefix_len: prefix_len.min(prefix_len_max(addr)),
        source,
        country: None,
    }
}

fn from_position(topology: &Topology, position: Position) -> Vec<(RegionId, Duration)> {
    let regions = topology.regions.iter();
    let estimate = |lat, lon| distance::round_trip(position.km_to(Position { lat, lon }));
    regions
        .map(|region| (region.id.clone(), estimate(region.lat, region.lon)))
        .collect()
}

fn from_region(topology: &Topology, from: &RegionId) -> Vec<(RegionId, Duration)> {
    let regions = topology.regions.iter();
    regions
        .map(|region| (region.id.clone(), between(topology, from, region)))
        .collect()
}

/// The measured round trip where the topology has one, that of the distance between the two regions where it has not.
fn between(topology: &Topology, from: &RegionId, to: &Region) -> Duration {
    let by_distance = || {
        let place = |region: &Region| Position {
            lat: region.lat,
            lon: region.lon,
        };
        let here = topology.region(from).map(place);
        distance::round_trip(here.map_or(distance::FARTHEST_KM, |here| here.km_to(place(to))))
    };
    let measured = topology.rtt.get(from, &to.id);
    measured.unwrap_or_else(by_distance)
}

#[cfg(test)]
mod tests;
