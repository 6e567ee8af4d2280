//! Who paid for a load spike.
//!
//! Owns: that table. Must never: mix onlookers with buyers.

use super::page::section as headed;
use super::table::{seconds, table};
use crate::drill::result::{DrillResult, Looking, SpikeSeen};

/// The whole section; nothing for a drill without a spike.
pub(super) fn section(result: &DrillResult) -> String {
    let spikes: String = result.spikes.iter().map(spike).collect();
    if spikes.is_empty() {
        return spikes;
    }
    headed("Load spike", &spikes)
}

fn spike(spike: &SpikeSeen) -> String {
    let looking = |name: &str, looking: &Looking| {
        vec![
            name.to_owned(),
            format!("{:.0}/s", looking.rate),
            looking.served.count.to_string(),
            looking.shed.to_string(),
            looking.shed_silently.to_string(),
            looking.failed.to_string(),
            seconds(looking.served.p50_s),
            seconds(looking.served.p99_s),
        ]
    };
    let rows = [
        looking("before", &spike.calm),
        looking("in the spike", &spike.spike),
    ];
    let head = [
        "Onlookers",
        "Asked",
        "Served",
        "Turned away, with Retry-After",
        "Turned away, without",
        "Failed otherwise",
        "p50",
        "p99",
    ];
    let caption = format!("Load × {}: onlookers", spike.factor);
    let money = format!(
        "<p>Orders and payments begun in the spike: {} tries, {} of them refused or failed; {} payments confirmed; until the definite answer p50 {}, p99 {}.</p>",
        spike.money_tries,
        spike.money_refused,
        spike.paid,
        seconds(spike.money_wait.p50_s),
        seconds(spike.money_wait.p99_s)
    );
    format!("{}{money}", table(&caption, &head, &rows))
}
