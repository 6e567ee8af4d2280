//! Time of granted holds per second, beside the floor of the same holds.
//!
//! Owns: that plot and its table. Must never: leave the floor away; a time without it says nothing.

use super::frame::{About, Frame, Line, greatest};
use super::palette::{self, BOUND};
use super::table::{figure, table};
use super::throughput::per_region;
use crate::drill::result::{Bucket, DrillResult};

pub(super) fn section(result: &DrillResult) -> String {
    let mut lines = per_region(result, |bucket| bucket.hold_p99_ms);
    for line in &mut lines {
        line.name = format!("{} p99", line.name);
    }
    let floor = Line {
        name: "floor, greatest".to_owned(),
        style: BOUND,
        points: floors(result),
    };
    let median = Line {
        name: "p50, greatest".to_owned(),
        style: palette::series(4),
        points: worst(result, |bucket| bucket.hold_p50_ms),
    };
    let (title, description) = (
        "Latency: time of granted holds, per second, beside the floor",
        describe(result),
    );
    let about = About {
        id: "latency",
        title,
        description: &description,
        unit: "ms",
        until_s: result.watched_s,
        faults: &result.faults,
    };
    let all = lines.iter().chain([&floor, &median]);
    let mut frame = Frame::new(&about, greatest(all, 1.0), 170.0);
    for line in lines.iter().chain([&median, &floor]) {
        frame.line(line);
    }
    let rows: Vec<Vec<String>> = result
        .series
        .iter()
        .filter(|bucket| bucket.hold_p50_ms.is_some())
        .map(|bucket| {
            let ms =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0}"));
            vec![
                format!("{} s", bucket.at_s),
                bucket.region.clone(),
                ms(bucket.hold_p50_ms),
                ms(bucket.hold_p99_ms),
                ms(bucket.floor_ms),
            ]
        })
        .collect();
    let head = ["Second", "Region", "p50, ms", "p99, ms", "Floor, ms"];
    figure(
        &frame.finish(),
        title,
        &table("Granted holds in each second", &head, &rows),
    )
}

fn describe(result: &DrillResult) -> String {
    let ratio = |value: Option<f64>| {
        value.map_or_else(|| "not measured".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    format!(
        "Before the fault a hold took {} times its floor at the median and {} times at the 99th percentile.",
        ratio(result.steady.hold_floor_ratio_p50),
        ratio(result.steady.hold_floor_ratio_p99)
    )
}

fn floors(result: &DrillResult) -> Vec<(f64, Option<f64>)> {
    worst(result, |bucket| bucket.floor_ms)
}

/// Of every second the greatest value over all regions.
fn worst(result: &DrillResult, value: impl Fn(&Bucket) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let last = result.series.iter().map(|bucket| bucket.at_s).max();
    (0..last.map_or(0, |last| last + 1))
        .map(|second| {
            let here = result.series.iter().filter(|bucket| bucket.at_s == second);
            let greatest = here.filter_map(&value).reduce(f64::max);
            (f64::from(second) + 0.5, greatest)
        })
        .collect()
}
