//! Positions of a plan, from the file's floating point to the hundredths that the rest of Holdfast uses.
//!
//! Owns: the only rounding in the system. Must never: be called where two replicas must agree; they get
//! the integers. Who is whose neighbour is worked out from those integers by `holdfast-inventory`.

/// A position or an extent in plan units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    /// To the right.
    pub(super) x: f64,
    /// Downwards.
    pub(super) y: f64,
}

impl Point {
    /// Positions in a plan are relative to what contains them.
    pub(super) fn plus(self, inner: Point) -> Point {
        Point {
            x: self.x + inner.x,
            y: self.y + inner.y,
        }
    }

    /// The same in hundredths of a plan unit, rounded half away from zero.
    pub(super) fn hundredths(self) -> (i32, i32) {
        (to_hundredths(self.x), to_hundredths(self.y))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "three coordinates within COORDINATE_MAX fit"
)]
fn to_hundredths(units: f64) -> i32 {
    (units * 100.0).round() as i32
}

#[cfg(test)]
mod tests {
    use super::Point;

    #[test]
    fn positions_round_to_hundredths_away_from_zero() {
        let at = Point {
            x: 1_261.056_731,
            y: -0.005,
        };
        assert_eq!(at.hundredths(), (126_106, -1));
    }

    #[test]
    fn the_farthest_allowed_position_fits() {
        let far = Point {
            x: super::super::COORDINATE_MAX,
            y: -super::super::COORDINATE_MAX,
        };
        assert_eq!(
            far.plus(far).plus(far).hundredths(),
            (150_000_000, -150_000_000)
        );
    }
}
