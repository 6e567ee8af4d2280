//! How many shows are led from which region over time, and every change.
//!
//! Owns: that plot and its tables. Must never: hide shows that nobody leads.

use super::frame::{About, Frame, Line, greatest};
use super::palette::{self, TROUBLE};
use super::table::{figure, table};
use crate::drill::result::{DrillResult, LeaderSample};

pub(super) fn section(result: &DrillResult) -> String {
    let points = |value: &dyn Fn(&LeaderSample) -> u32| {
        // Processes end after the workloads: nobody is there to lead, and nobody to mind.
        let watched = |sample: &&LeaderSample| sample.at_s <= result.watched_s;
        let samples = result.leaders.iter().filter(watched);
        samples
            .map(|sample| (sample.at_s, Some(f64::from(value(sample)))))
            .collect::<Vec<_>>()
    };
    let mut lines: Vec<Line> = result
        .run
        .regions
        .iter()
        .enumerate()
        .map(|(at, region)| Line {
            name: region.clone(),
            style: palette::series(at),
            points: points(&|sample| sample.by_region.get(region).copied().unwrap_or(0)),
        })
        .collect();
    lines.push(Line {
        name: "nobody".to_owned(),
        style: TROUBLE,
        points: points(&|sample| sample.leaderless),
    });
    let unexplained = result.leader_changes.iter();
    let unexplained = unexplained.filter(|change| change.because.is_empty());
    let description = format!(
        "{} changes of leader were seen, {} of them without a cause (false failovers).",
        result.leader_changes.len(),
        unexplained.count()
    );
    let about = About {
        id: "leaders",
        title: "Leaders: shows led from each region",
        description: &description,
        unit: "shows",
        until_s: result.watched_s,
        faults: &result.faults,
    };
    let mut frame = Frame::new(&about, greatest(&lines, 1.0), 150.0);
    for line in &lines {
        frame.line(line);
    }
    let samples = table(
        "Shows led from each region, whenever it changed",
        &head(result),
        &rows(result),
    );
    format!(
        "{}<p>{description}</p>{}",
        figure(&frame.finish(), about.title, &samples),
        changes(result)
    )
}

fn changes(result: &DrillResult) -> String {
    let rows: Vec<Vec<String>> = result
        .leader_changes
        .iter()
        .map(|change| {
            let because = if change.because.is_empty() {
                "nothing: a false failover".to_owned()
            } else {
                change.because.clone()
            };
            vec![
                format!("{:.1} s", change.at_s),
                change.show.clone(),
                format!("{} → {}", change.from, change.to),
                change.term.to_string(),
                because,
            ]
        })
        .collect();
    let head = ["At", "Show", "From → to", "Term", "Because of"];
    table("Changes of leader", &head, &rows)
}

fn head(result: &DrillResult) -> Vec<&str> {
    let mut head = vec!["At"];
    head.extend(result.run.regions.iter().map(String::as_str));
    head.push("nobody");
    head
}

fn rows(result: &DrillResult) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for sample in &result.leaders {
        let regions = result.run.regions.iter();
        let mut row = vec![format!("{:.1} s", sample.at_s)];
        row.extend(regions.map(|region| {
            let count = sample.by_region.get(region).copied().unwrap_or(0);
            count.to_string()
        }));
        row.push(sample.leaderless.to_string());
        if rows.last().is_none_or(|last| last[1..] != row[1..]) {
            rows.push(row);
        }
    }
    rows
}
