//! What a link does to the bytes that cross it: pure data.
//!
//! Owns: delays, toxics, what is cut. Must never: touch a socket or a clock.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_region_config::RegionId;
use serde::{Deserialize, Serialize};

/// Longest latency a toxic may add, ms: more is a cut.
pub const TOXIC_LATENCY_MS_MAX: u64 = 60_000;
/// Most toxics on one link.
pub const TOXICS_MAX: usize = 16;

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

/// A trouble added to a link, in Toxiproxy's form. The kind spoken so far is `latency`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toxic {
    /// Unique on the link.
    pub name: String,
    /// Always `latency`.
    #[serde(rename = "type")]
    pub kind: ToxicKind,
    /// Which way.
    pub stream: Direction,
    /// Share of connections that suffer it; only 1 so far.
    pub toxicity: f32,
    /// How much.
    pub attributes: LatencyAttributes,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToxicKind {
    /// Adds a delay.
    Latency,
}

/// Attributes of a latency toxic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyAttributes {
    /// Added one-way delay, ms.
    pub latency: u64,
    /// Added at random on top, 0 to this many ms.
    pub jitter: u64,
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

    /// One-way delay and the most that jitter may add to it.
    pub(crate) fn delay(&self, direction: Direction) -> (Duration, Duration) {
        let latencies = self.toxics.iter().filter(|toxic| toxic.stream == direction);
        let (extra_ms, jitter_ms) = latencies.fold((0, 0), |(extra, jitter), toxic| {
            (
                extra + toxic.attributes.latency,
                jitter + toxic.attributes.jitter,
            )
        });
        (
            self.rtt / 2 + Duration::from_millis(extra_ms),
            Duration::from_millis(jitter_ms),
        )
    }
}

/// Ordered pairs of regions between which nothing arrives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions(BTreeSet<(RegionId, RegionId)>);

impl Partitions {
    /// `to` no longer hears `from`.
    pub fn cut(&mut self, from: &RegionId, to: &RegionId) {
        self.0.insert((from.clone(), to.clone()));
    }

    /// `to` hears `from` again.
    pub fn heal(&mut self, from: &RegionId, to: &RegionId) {
        self.0.remove(&(from.clone(), to.clone()));
    }

    /// Nothing is cut any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether bytes from `from` to `to` stall.
    #[must_use]
    pub fn is_cut(&self, from: &RegionId, to: &RegionId) -> bool {
        self.0.contains(&(from.clone(), to.clone()))
    }

    /// Every cut way, in id order.
    pub fn iter(&self) -> impl Iterator<Item = &(RegionId, RegionId)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toxic(stream: Direction, latency: u64) -> Toxic {
        Toxic {
            name: format!("{}-{latency}", stream.as_str()),
            kind: ToxicKind::Latency,
            stream,
            toxicity: 1.0,
            attributes: LatencyAttributes { latency, jitter: 5 },
        }
    }

    #[test]
    fn toxics_add_to_their_own_direction_only() {
        let mut shape = LinkShape::new(Duration::from_millis(90));
        shape.toxics.push(toxic(Direction::Upstream, 100));
        shape.toxics.push(toxic(Direction::Upstream, 10));
        let ms = Duration::from_millis;
        assert_eq!(shape.delay(Direction::Upstream), (ms(155), ms(10)));
        assert_eq!(shape.delay(Direction::Downstream), (ms(45), ms(0)));
    }

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
