//! Holds as multiples of their floors.
//!
//! Owns: what counts as typical and as late. Must never: let many pairs hide one that is always late.

use super::super::report::Measurement;
use super::super::stats::quantile;

/// Targets for p50 and p99 (design, section 8).
const TARGETS: [(&str, f64, &str); 2] = [("p50", 0.5, "<= 1.05"), ("p99", 0.99, "<= 1.25")];

/// The holds of several pairs of gateway and leader.
#[derive(Debug, Default)]
pub(super) struct Ratios {
    all: Vec<f64>,
    /// The greatest p50 and p99 of one pair.
    worst: [f64; TARGETS.len()],
}

impl Ratios {
    /// Adds a pair's times, sorted, in the unit of its floor.
    pub(super) fn add(&mut self, times: &[f64], floor: f64) {
        self.all.extend(times.iter().map(|time| time / floor));
        for (worst, (_, share, _)) in self.worst.iter_mut().zip(TARGETS) {
            *worst = worst.max(quantile(times, share) / floor);
        }
    }

    /// Of all holds together, and of the worst pair: the p99 of a pair is its slowest hold while it has fewer than a hundred.
    pub(super) fn measurements(mut self, leader: &str) -> Vec<Measurement> {
        self.all.sort_by(f64::total_cmp);
        let each = TARGETS.into_iter().zip(self.worst);
        each.flat_map(|((name, share, target), worst)| {
            [
                (format!("{name}_ratio"), quantile(&self.all, share)),
                (format!("worst_{name}_ratio"), worst),
            ]
            .map(|(what, value)| {
                Measurement::new(format!("leader_{leader}.{what}"), value, "x floor")
                    .against(target)
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_hold_is_the_p99_of_its_pair_and_not_of_all() {
        let mut ratios = Ratios::default();
        for _ in 0..4 {
            ratios.add(&[101.0; 40], 100.0);
        }
        ratios.add(&[[22.0; 39].as_slice(), &[100.0]].concat(), 20.0);
        let figures = ratios.measurements("away");
        let figures: Vec<_> = figures.iter().map(|m| (m.name.as_str(), m.value)).collect();
        assert_eq!(
            figures,
            [
                ("leader_away.p50_ratio", 1.01),
                ("leader_away.worst_p50_ratio", 1.1),
                ("leader_away.p99_ratio", 1.1),
                ("leader_away.worst_p99_ratio", 5.0),
            ]
        );
    }
}
