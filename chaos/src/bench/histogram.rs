//! A process's own histogram, from its Prometheus text: what it measured itself between two moments.
//!
//! Owns: reading buckets. Must never: say more than the buckets do: a quantile is the upper edge of its bucket.

/// Buckets of one histogram, all series added: (upper edge, how many up to it).
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Of the histogram `name` in a Prometheus text.
    pub(super) fn of(text: &str, name: &str) -> Self {
        let prefix = format!("{name}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(&prefix)) {
            let edge = line
                .split("le=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let edge = edge.map(|edge| {
                if edge == "+Inf" {
                    f64::INFINITY
                } else {
                    edge.parse().unwrap_or(f64::NAN)
                }
            });
            let count = line
                .rsplit(' ')
                .next()
                .and_then(|count| count.parse::<f64>().ok());
            let (Some(edge), Some(count)) = (edge, count) else {
                continue;
            };
            match buckets.iter_mut().find(|(known, _)| *known == edge) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((edge, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(buckets)
    }

    /// What was added since `before`.
    pub(super) fn since(mut self, before: &Self) -> Self {
        for (edge, count) in &mut self.0 {
            let earlier = before.0.iter().find(|(known, _)| known == edge);
            *count -= earlier.map_or(0.0, |(_, count)| *count);
        }
        self
    }

    /// The upper edge of the bucket in which `share` of the samples lie; not a number when there are none.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let total = self.total();
        let within = self
            .0
            .iter()
            .find(|(_, count)| total > 0.0 && *count >= share * total);
        within.map_or(f64::NAN, |(edge, _)| *edge)
    }

    /// How many samples.
    pub(super) fn total(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE a histogram\n\
        a_bucket{code=\"x\",le=\"0.001\"} 90\na_bucket{code=\"x\",le=\"0.002\"} 99\na_bucket{code=\"x\",le=\"+Inf\"} 100\n\
        a_bucket{code=\"y\",le=\"0.001\"} 10\na_bucket{code=\"y\",le=\"0.002\"} 10\na_bucket{code=\"y\",le=\"+Inf\"} 10\n\
        a_sum{code=\"x\"} 1\nab_bucket{le=\"0.001\"} 7\n";

    #[test]
    fn series_are_added_and_a_quantile_is_its_buckets_edge() {
        let buckets = Buckets::of(TEXT, "a");
        assert_eq!(buckets.total(), 110.0);
        assert_eq!(buckets.quantile(0.5), 0.001);
        assert_eq!(buckets.quantile(0.99), 0.002);
        assert_eq!(buckets.quantile(1.0), f64::INFINITY);
        assert!(Buckets::of(TEXT, "c").quantile(0.5).is_nan());
        let nothing = buckets.clone().since(&buckets);
        assert!(nothing.quantile(0.5).is_nan());
    }
}
