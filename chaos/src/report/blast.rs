//! What was predicted to be affected beside what was.
//!
//! Owns: that table. Must never: soften a prediction after the fact.

use super::faults::listed;
use super::table::table;
use crate::drill::result::DrillResult;

pub(super) fn section(result: &DrillResult) -> String {
    let blast = &result.blast;
    let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
    let rows = [
        [
            "regions whose users notice".to_owned(),
            listed(&blast.predicted_regions),
            listed(&blast.observed_regions),
        ],
        [
            "shows without a leader for a while".to_owned(),
            percent(blast.predicted_shows_ratio),
            percent(blast.observed_shows_ratio),
        ],
        [
            "requests that fail or wait".to_owned(),
            percent(blast.predicted_requests_ratio),
            percent(blast.observed_requests_ratio),
        ],
        [
            "for how long".to_owned(),
            format!("{:.1} s", blast.predicted_for_s),
            format!("{:.1} s", blast.observed_for_s),
        ],
    ];
    let rows: Vec<Vec<String>> = rows.map(Vec::from).into();
    let head = ["What", "Predicted, at most", "Observed"];
    table("Blast radius", &head, &rows)
}
