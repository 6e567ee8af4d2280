//! Requests with a definite answer, per second and region.
//!
//! Owns: that plot and its table. Must never: count a failed try as served.

use super::frame::{About, Frame, Line, greatest};
use super::palette;
use super::table::{figure, table};
use crate::drill::result::{Bucket, DrillResult};

pub(super) fn section(result: &DrillResult) -> String {
    let lines = per_region(result, |bucket| Some(f64::from(bucket.answered)));
    let about = About {
        id: "throughput",
        title: "Throughput: definite answers a second, by the region of the users",
        description: &describe(result),
        unit: "answers/s",
        until_s: result.watched_s,
        faults: &result.faults,
    };
    let mut frame = Frame::new(&about, greatest(&lines, 1.0), 170.0);
    for line in &lines {
        frame.line(line);
    }
    let rows = per_second(result, |bucket| bucket.answered);
    let table = table("Definite answers in each second", &columns(result), &rows);
    figure(&frame.finish(), about.title, &table)
}

fn describe(result: &DrillResult) -> String {
    let total: u64 = result.series.iter().map(|b| u64::from(b.answered)).sum();
    format!(
        "{total} requests were answered with yes or no over {:.0} seconds; hatched bars are faults.",
        result.watched_s
    )
}

/// One line for each region, from its buckets.
pub(super) fn per_region(
    result: &DrillResult,
    value: impl Fn(&Bucket) -> Option<f64>,
) -> Vec<Line> {
    let regions = result.run.regions.iter().enumerate();
    regions
        .map(|(at, region)| Line {
            name: region.clone(),
            style: palette::series(at),
            points: result
                .series
                .iter()
                .filter(|bucket| bucket.region == *region)
                .map(|bucket| (f64::from(bucket.at_s) + 0.5, value(bucket)))
                .collect(),
        })
        .collect()
}

/// A row for each second, a column for each region.
pub(super) fn per_second(result: &DrillResult, count: impl Fn(&Bucket) -> u32) -> Vec<Vec<String>> {
    let last = result.series.iter().map(|bucket| bucket.at_s).max();
    let seconds = 0..last.map_or(0, |last| last + 1);
    seconds
        .map(|second| {
            let cell = |region: &String| {
                let here = |bucket: &&Bucket| bucket.at_s == second && bucket.region == *region;
                let bucket = result.series.iter().find(here);
                bucket.map_or(0, &count).to_string()
            };
            let mut row = vec![format!("{second} s")];
            row.extend(result.run.regions.iter().map(cell));
            row
        })
        .collect()
}

pub(super) fn columns(result: &DrillResult) -> Vec<&str> {
    let mut columns = vec!["Second"];
    columns.extend(result.run.regions.iter().map(String::as_str));
    columns
}
