//! Counters of a process, from its Prometheus text.
//!
//! Owns: reading that text. Must never: mind labels; a counter is the sum of its series.

use std::net::SocketAddr;

use anyhow::Context;

/// The counters of one process at one moment.
#[derive(Debug, Default)]
pub(super) struct Counters(String);

impl Counters {
    pub(super) async fn of(http: &reqwest::Client, addr: SocketAddr) -> anyhow::Result<Self> {
        let answer = http.get(format!("http://{addr}/metrics")).send().await;
        let text = answer
            .context("metrics")?
            .error_for_status()?
            .text()
            .await?;
        Ok(Self(text))
    }

    /// Sum over all series of `name`; zero when there is none.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let series = self.0.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// The one series of this name and these labels; zero when there is none.
    pub(super) fn series(&self, name_and_labels: &str) -> f64 {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name_and_labels)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// How much `name` grew since `before`.
    pub(super) fn since(&self, before: &Self, name: &str) -> f64 {
        self.sum(name) - before.sum(name)
    }
}

impl From<String> for Counters {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_added_and_longer_names_left_out() {
        let text =
            "# HELP a_total x\na_total{group=\"1\"} 3\na_total{group=\"2\"} 4.5\na_total_more 9\n";
        let counters = Counters(text.to_owned());
        assert_eq!(counters.sum("a_total"), 7.5);
        assert_eq!(counters.sum("b_total"), 0.0);
        assert_eq!(counters.series("a_total{group=\"2\"}"), 4.5);
        assert_eq!(counters.series("a_total{group=\"3\"}"), 0.0);
        assert_eq!(
            counters.since(&Counters("a_total 2".to_owned()), "a_total"),
            5.5
        );
    }
}
