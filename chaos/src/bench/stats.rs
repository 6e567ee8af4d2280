//! Quantiles of what was measured.
//!
//! Owns: the arithmetic, by nearest rank. Must never: throw a sample away.

use std::time::Duration;

use super::report::Measurement;

/// Times of many attempts. Four bytes each, so that a loop of a million of them costs the generator little.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    micros: Vec<u32>,
}

/// The quantiles that matter, ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantiles {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Times {
    pub(super) fn push(&mut self, time: Duration) {
        self.push_micros(micros(time));
    }

    pub(super) fn push_micros(&mut self, time: u32) {
        self.micros.push(time);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.micros.len() as u64
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
    }

    pub(super) fn quantiles(&mut self) -> Quantiles {
        self.micros.sort_unstable();
        let at = |share: f64| {
            rank(self.micros.len(), share).map_or(f64::NAN, |rank| f64::from(self.micros[rank]))
        };
        Quantiles {
            p50_ms: at(0.5) / 1_000.0,
            p99_ms: at(0.99) / 1_000.0,
            p999_ms: at(0.999) / 1_000.0,
            max_ms: at(1.0) / 1_000.0,
        }
    }
}

impl Quantiles {
    /// `PREFIX.p50`, `.p99`, `.p999` and `.max`, ms.
    pub(super) fn measurements(&self, prefix: &str) -> Vec<Measurement> {
        let each = [
            ("p50", self.p50_ms),
            ("p99", self.p99_ms),
            ("p999", self.p999_ms),
            ("max", self.max_ms),
        ];
        each.map(|(name, ms)| Measurement::new(format!("{prefix}.{name}"), ms, "ms"))
            .into()
    }
}

/// Whole microseconds, at most 71 minutes.
pub(super) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// The value below which `share` of the sorted samples lie (nearest rank); not a number when there are none.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    rank(sorted.len(), share).map_or(f64::NAN, |rank| sorted[rank])
}

/// Sorts the samples and gives the one in the middle, or the mean of the two there: of two rounds neither may be dropped.
pub(super) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let (Some(lower), upper) = (rank(samples.len(), 0.5), samples.len() / 2) else {
        return f64::NAN;
    };
    f64::midpoint(samples[lower], samples[upper])
}

fn rank(count: usize, share: f64) -> Option<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank between 0 and the number of samples"
    )]
    let rank = (share * count as f64).ceil() as usize;
    (count > 0).then(|| rank.clamp(1, count) - 1)
}

/// A count as a figure; beyond 2^53 the last digits do not matter.
#[expect(clippy::cast_precision_loss, reason = "figures are read by people")]
pub(super) fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.5), 50.0);
        assert_eq!(quantile(&samples, 0.99), 99.0);
        assert_eq!(quantile(&samples, 1.0), 100.0);
        assert_eq!(quantile(&[7.0], 0.01), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn the_last_of_a_thousand_shows_in_the_tail_and_nowhere_else() {
        let mut times = Times::default();
        for _ in 0..998 {
            times.push(Duration::from_millis(1));
        }
        let mut slow = Times::default();
        slow.push(Duration::from_secs(1));
        slow.push(Duration::from_secs(2));
        times.append(slow);
        let q = times.quantiles();
        assert_eq!((q.p50_ms, q.p99_ms), (1.0, 1.0));
        assert_eq!((q.p999_ms, q.max_ms), (1_000.0, 2_000.0));
        assert!(Times::default().quantiles().p50_ms.is_nan());
    }
}
