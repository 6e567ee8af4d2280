//! How long each show could not be written to, hot and idle, and what users noticed.
//!
//! Owns: that plot and its tables. Must never: drop a show that never came back.

use super::axis::{Axis, label};
use super::frame::letter;
use super::palette;
use super::svg::{Anchor, Svg};
use super::table::{figure, seconds, table};
use crate::drill::result::{DrillResult, Quantiles, Recovery};

const WIDTH: f64 = 860.0;
const ROW: f64 = 22.0;
const LEFT: f64 = 130.0;
const TOP: f64 = 18.0;

pub(super) fn section(result: &DrillResult) -> String {
    let quantiles = |name: &str, of: &Quantiles| {
        vec![
            name.to_owned(),
            of.count.to_string(),
            seconds(of.p50_s),
            seconds(of.p99_s),
            seconds(of.max_s),
            of.never.to_string(),
        ]
    };
    let rows = [
        quantiles("hot shows", &result.rto_hot),
        quantiles("idle shows", &result.rto_idle),
        quantiles("users around the faults", &result.users.wait),
        quantiles("users who were cut off", &result.users.wait_stranded),
    ];
    let head = ["Of", "Count", "p50", "p99", "Greatest", "Never"];
    let summary = table(
        "Recovery: from the fault to the first acknowledged write; users: from the first try to a definite answer",
        &head,
        &rows,
    );
    if result.recovery.is_empty() {
        return format!("{summary}<p>No show was probed.</p>");
    }
    let shows: Vec<Vec<String>> = result.recovery.iter().map(row).collect();
    let head = ["Show", "Kind", "Fault", "Recovery time"];
    let picture = figure(
        &picture(result),
        "Recovery time of each show after each fault",
        &table("Recovery of each show", &head, &shows),
    );
    format!("{summary}{picture}")
}

fn row(recovery: &Recovery) -> Vec<String> {
    vec![
        recovery.show.clone(),
        kind(recovery).to_owned(),
        letter(recovery.fault),
        recovery
            .rto_s
            .map_or_else(|| "never".to_owned(), |rto| seconds(Some(rto))),
    ]
}

const fn kind(recovery: &Recovery) -> &'static str {
    if recovery.hot { "hot" } else { "idle" }
}

/// A strip of points for each fault and kind: one point is one show.
fn picture(result: &DrillResult) -> String {
    let mut strips: Vec<(usize, bool)> = result.recovery.iter().map(|r| (r.fault, r.hot)).collect();
    strips.sort_unstable();
    strips.dedup();
    let rows = f64::from(u32::try_from(strips.len()).unwrap_or(u32::MAX));
    let bottom = TOP + rows * ROW;
    let times = result.recovery.iter().filter_map(|r| r.rto_s);
    let x = Axis::new(0.0, times.fold(1.0, f64::max), LEFT, WIDTH - 20.0);
    let mut svg = Svg::new(
        "recovery",
        "Recovery time of each show after each fault",
        "Each point is one show; its distance from the left is the time until it took a write again.",
        (WIDTH, bottom + 36.0),
    );
    for tick in x.ticks(8) {
        svg.line((x.at(tick), TOP), (x.at(tick), bottom), "#d9d9d9", "");
        svg.text((x.at(tick), bottom + 16.0), Anchor::Middle, &label(tick));
    }
    svg.text((WIDTH - 20.0, bottom + 32.0), Anchor::End, "seconds");
    let mut y = TOP + ROW / 2.0;
    for (fault, hot) in strips {
        let name = format!("{}, {}", letter(fault), if hot { "hot" } else { "idle" });
        svg.text((LEFT - 8.0, y + 4.0), Anchor::End, &name);
        let style = palette::series(usize::from(!hot));
        let of = result
            .recovery
            .iter()
            .filter(|r| r.fault == fault && r.hot == hot);
        for time in of.filter_map(|r| r.rto_s) {
            svg.mark(style.mark, (x.at(time), y), style.colour);
        }
        y += ROW;
    }
    svg.finish()
}
