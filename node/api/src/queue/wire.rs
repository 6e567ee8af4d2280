//! Keys and lines on the wire.
//!
//! Owns: how 128 bits travel in protobuf. Must never: lose one of them.

use super::Line;
use crate::v1::LinePoint;

impl LinePoint {
    /// A point of the line.
    #[must_use]
    pub fn at(key: u128, count: u64) -> Self {
        let low = key & u128::from(u64::MAX);
        Self {
            key_high: u64::try_from(key >> 64).unwrap_or(u64::MAX),
            key_low: u64::try_from(low).unwrap_or(u64::MAX),
            count,
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> u128 {
        u128::from(self.key_high) << 64 | u128::from(self.key_low)
    }
}

impl Line {
    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> Vec<LinePoint> {
        let points = self.points().iter();
        points
            .map(|(key, count)| LinePoint::at(*key, *count))
            .collect()
    }

    /// As it came; `None` unless keys ascend and counts do not fall.
    #[must_use]
    pub fn from_wire(points: &[LinePoint]) -> Option<Self> {
        Self::from_points(points.iter().map(|p| (p.key(), p.count)).collect())
    }
}
