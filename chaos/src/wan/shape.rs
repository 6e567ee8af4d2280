//! What a link does to the bytes that cross it: pure data.
//!
//! Owns: the round trip, the list of toxics, what is cut. Must never: touch a socket or a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_region_config::RegionId;
use serde::{Deserialize, Serialize};

use super::toxic::Toxic;

/// Which way bytes go, in Toxiproxy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the one who dialled to the server.
    Upstream,
    /// From the server back. Toxiproxy's default.
    Downstream,
}

impl Direction {
    /// As in the API and in metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// Everything that shapes one link.
#[derive(Debug, Clone)]
pub(crate) struct LinkShape {
    /// Round trip without any trouble.
    pub(crate) rtt: Duration,
    /// Disabled: connections are closed.
    pub(crate) enabled: bool,
    /// Bytes to the server stall.
    pub(crate) upstream_cut: bool,
    /// Bytes from the server stall.
    pub(crate) downstream_cut: bool,
    pub(crate) toxics: Vec<Toxic>,
}

impl LinkShape {
    pub(crate) const fn new(rtt: Duration) -> Self {
        Self {
            rtt,
            enabled: true,
            upstream_cut: false,
            downstream_cut: false,
            toxics: Vec::new(),
        }
    }

    pub(crate) const fn is_cut(&self, direction: Direction) -> bool {
        match direction {
            Direction::Upstream => self.upstream_cut,
            Direction::Downstream => self.downstream_cut,
        }
    }
}

/// Ordered pairs of regions between which nothing arrives, and processes that nothing reaches and that reach nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions {
    ways: BTreeSet<(RegionId, RegionId)>,
    processes: BTreeSet<String>,
}

impl Partitions {
    /// `to` no longer hears `from`.
    pub fn cut(&mut self, from: &RegionId, to: &RegionId) {
        self.ways.insert((from.clone(), to.clone()));
    }

    /// `to` hears `from` again.
    pub fn heal(&mut self, from: &RegionId, to: &RegionId) {
        self.ways.remove(&(from.clone(), to.clone()));
    }

    /// Nothing is cut any more.
    pub fn clear(&mut self) {
        self.ways.clear();
        self.processes.clear();
    }

    /// Whether bytes from `from` to `to` stall.
    #[must_use]
    pub fn is_cut(&self, from: &RegionId, to: &RegionId) -> bool {
        self.ways.contains(&(from.clone(), to.clone()))
    }

    /// Nothing reaches the process any more, and it reaches nobody.
    pub fn isolate_process(&mut self, name: &str) {
        self.processes.insert(name.to_owned());
    }

    /// The process is reached again.
    pub fn rejoin_process(&mut self, name: &str) {
        self.processes.remove(name);
    }

    /// Whether nothing reaches the process.
    #[must_use]
    pub fn is_isolated(&self, name: &str) -> bool {
        self.processes.contains(name)
    }

    /// Every isolated process, in name order.
    pub fn processes(&self) -> impl Iterator<Item = &str> {
        self.processes.iter().map(String::as_str)
    }

    /// Every cut way, in id order.
    pub fn iter(&self) -> impl Iterator<Item = &(RegionId, RegionId)> {
        self.ways.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_way_cut_leaves_the_other_way_open() {
        let (a, b): (RegionId, RegionId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut partitions = Partitions::default();
        partitions.cut(&a, &b);
        assert!(partitions.is_cut(&a, &b));
        assert!(!partitions.is_cut(&b, &a));
        partitions.heal(&a, &b);
        assert_eq!(partitions, Partitions::default());
    }
}
