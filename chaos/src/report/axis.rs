//! From values to places on paper, and where the ticks are.
//!
//! Owns: the arithmetic of one axis. Must never: draw.

/// A linear axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    /// Value at the beginning.
    from: f64,
    /// Value at the end; greater than `from`.
    to: f64,
    /// Place of the beginning, px.
    start: f64,
    /// Place of the end, px; may be the smaller one (an axis that goes up).
    end: f64,
}

impl Axis {
    /// An axis from `from` to `to`; an empty range is widened to 1.
    pub(super) fn new(from: f64, to: f64, start: f64, end: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self {
            from,
            to,
            start,
            end,
        }
    }

    /// Place of a value; values outside land on the nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Round values, `about` of them.
    pub(super) fn ticks(&self, about: u32) -> Vec<f64> {
        let step = round_step((self.to - self.from) / f64::from(about.max(1)));
        let mut ticks = Vec::new();
        let mut number = (self.from / step).ceil();
        // A tick is a multiple: adding steps up would gather their errors.
        while number * step <= self.to + step * 1e-9 {
            ticks.push(number * step);
            number += 1.0;
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, not below `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let fits = steps.into_iter().find(|step| *step >= rough * (1.0 - 1e-9));
    fits.unwrap_or(power * 10.0)
}

/// A value beside a tick: as few digits as tell it.
pub(super) fn label(value: f64) -> String {
    let rounded = format!("{value:.3}");
    let text = rounded.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_land_where_they_should_and_outliers_on_the_edge() {
        let axis = Axis::new(0.0, 10.0, 100.0, 0.0);
        assert_eq!(axis.at(0.0), 100.0);
        assert_eq!(axis.at(5.0), 50.0);
        assert_eq!(axis.at(99.0), 0.0);
        assert_eq!(Axis::new(3.0, 3.0, 0.0, 10.0).at(3.5), 5.0);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            Axis::new(0.0, 10.0, 0.0, 1.0).ticks(5),
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        );
        let small: Vec<String> = Axis::new(0.0, 0.03, 0.0, 1.0)
            .ticks(3)
            .into_iter()
            .map(label)
            .collect();
        assert_eq!(small, ["0", "0.01", "0.02", "0.03"]);
        assert_eq!(label(1_500.0), "1500");
    }
}
