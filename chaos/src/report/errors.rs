//! Tries that failed, per second and region, and by code.
//!
//! Owns: that plot and its tables. Must never: call a refusal (a seat is taken) an error.

use super::frame::{About, Frame, greatest};
use super::table::{figure, table};
use super::throughput::{columns, per_region, per_second};
use crate::drill::result::DrillResult;

pub(super) fn section(result: &DrillResult) -> String {
    let lines = per_region(result, |bucket| Some(f64::from(bucket.failed)));
    let total: u64 = result.series.iter().map(|b| u64::from(b.failed)).sum();
    let about = About {
        id: "errors",
        title: "Errors: tries without an answer or with a 5xx, per second, by the region of the users",
        description: &format!(
            "{total} tries failed, {:.2} % of all. A refusal such as a taken seat is an answer, not an error.",
            result.users.error_ratio * 100.0
        ),
        unit: "failures/s",
        until_s: result.watched_s,
        faults: &result.faults,
    };
    let mut frame = Frame::new(&about, greatest(&lines, 5.0), 120.0);
    for line in &lines {
        frame.line(line);
    }
    let rows = per_second(result, |bucket| bucket.failed);
    let seconds = table("Failed tries in each second", &columns(result), &rows);
    let by_code: Vec<Vec<String>> = result
        .users
        .failed_tries
        .iter()
        .map(|(code, count)| vec![code.clone(), count.to_string()])
        .collect();
    let codes = table("Failed tries by code", &["Code", "Tries"], &by_code);
    let picture = figure(&frame.finish(), about.title, &seconds);
    if by_code.is_empty() {
        format!("{picture}<p>No try failed.</p>")
    } else {
        format!("{picture}{codes}")
    }
}
