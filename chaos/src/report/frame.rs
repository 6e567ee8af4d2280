//! The frame of every plot over time: axes, grid, legend, and a hatched bar for each fault.
//!
//! Owns: where things are on the page, the same in every plot, so that they can be read one below the other. Must never:
//! know what the values mean.

use super::axis::{Axis, label};
use super::palette::Style;
use super::svg::{Anchor, Svg};
use crate::drill::result::FaultSpan;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 40.0;
const GRID: &str = "#d9d9d9";
const INK: &str = "#333333";
/// Points of a line between two marks; more would hide the line.
const MARK_EVERY: usize = 6;

/// One line of a plot.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) style: Style,
    /// Seconds and value; a missing value breaks the line.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// What a plot is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// Unique in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What one would tell somebody on the telephone.
    pub(super) description: &'a str,
    /// Of the values.
    pub(super) unit: &'a str,
    /// End of the time axis, s.
    pub(super) until_s: f64,
    pub(super) faults: &'a [FaultSpan],
}

/// A plot over time with values from 0 up.
#[derive(Debug)]
pub(super) struct Frame {
    svg: Svg,
    x: Axis,
    y: Axis,
    bottom: f64,
    legend_x: f64,
}

impl Frame {
    /// An empty plot whose values go up to `value_max`, `height` px high inside.
    pub(super) fn new(about: &About<'_>, value_max: f64, height: f64) -> Self {
        let bottom = TOP + height;
        let svg = Svg::new(
            about.id,
            about.title,
            about.description,
            (WIDTH, bottom + BOTTOM),
        );
        let mut frame = Self {
            svg,
            x: Axis::new(0.0, about.until_s, LEFT, WIDTH - RIGHT),
            y: Axis::new(0.0, value_max * 1.05, bottom, TOP),
            bottom,
            legend_x: LEFT,
        };
        frame.fault_bars(about.faults);
        frame.axes(about.unit);
        frame
    }

    fn fault_bars(&mut self, faults: &[FaultSpan]) {
        let hatch = self.svg.hatch();
        for (at, fault) in faults.iter().enumerate() {
            let (from, to) = (self.x.at(fault.from_s), self.x.at(fault.to_s));
            let width = (to - from).max(1.5);
            self.svg
                .rect((from, TOP), (width, self.bottom - TOP), &hatch);
            self.svg
                .text((from + width / 2.0, TOP - 4.0), Anchor::Middle, &letter(at));
        }
    }

    fn axes(&mut self, unit: &str) {
        for tick in self.y.ticks(5) {
            let y = self.y.at(tick);
            self.svg.line((LEFT, y), (WIDTH - RIGHT, y), GRID, "");
            self.svg
                .text((LEFT - 6.0, y + 4.0), Anchor::End, &label(tick));
        }
        for tick in self.x.ticks(10) {
            let x = self.x.at(tick);
            self.svg
                .line((x, self.bottom), (x, self.bottom + 4.0), INK, "");
            self.svg
                .text((x, self.bottom + 16.0), Anchor::Middle, &label(tick));
        }
        self.svg
            .line((LEFT, self.bottom), (WIDTH - RIGHT, self.bottom), INK, "");
        self.svg.line((LEFT, TOP), (LEFT, self.bottom), INK, "");
        let under = self.bottom + 32.0;
        self.svg
            .text((WIDTH - RIGHT, under), Anchor::End, "seconds");
        self.svg.text((4.0, TOP - 8.0), Anchor::Start, unit);
    }

    /// Adds a line and its place in the legend.
    pub(super) fn line(&mut self, line: &Line) {
        self.legend(&line.name, line.style);
        let mut piece = Vec::new();
        for (at, (time, value)) in line.points.iter().enumerate() {
            let Some(value) = value else {
                self.piece(&mut piece, line.style);
                continue;
            };
            let place = (self.x.at(*time), self.y.at(*value));
            piece.push(place);
            if at % MARK_EVERY == 0 {
                self.svg.mark(line.style.mark, place, line.style.colour);
            }
        }
        self.piece(&mut piece, line.style);
    }

    fn piece(&mut self, points: &mut Vec<(f64, f64)>, style: Style) {
        match points.as_slice() {
            [] => {}
            [only] => self.svg.mark(style.mark, *only, style.colour),
            many => self.svg.path(many, style.colour, style.dash),
        }
        points.clear();
    }

    fn legend(&mut self, name: &str, style: Style) {
        let (x, y) = (self.legend_x, 14.0);
        self.svg
            .line((x, y - 4.0), (x + 24.0, y - 4.0), style.colour, style.dash);
        self.svg.mark(style.mark, (x + 12.0, y - 4.0), style.colour);
        self.svg.text((x + 29.0, y), Anchor::Start, name);
        // About as wide as the letters are; a legend that runs out of the page is cut there.
        self.legend_x += 48.0 + 6.6 * f64::from(u32::try_from(name.chars().count()).unwrap_or(0));
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        self.svg.finish()
    }
}

/// The greatest value of several lines, at least `least`.
pub(super) fn greatest<'a>(lines: impl IntoIterator<Item = &'a Line>, least: f64) -> f64 {
    let points = lines.into_iter().flat_map(|line| &line.points);
    points.filter_map(|(_, value)| *value).fold(least, f64::max)
}

/// The name of the fault at this place: A, B, …
pub(super) fn letter(at: usize) -> String {
    let letter = u8::try_from(at % 26).map_or('?', |at| char::from(b'A' + at));
    match at / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::palette;

    #[test]
    fn a_missing_value_breaks_the_line() {
        let faults = [FaultSpan {
            text: "x".into(),
            from_s: 1.0,
            on_s: 1.0,
            to_s: 2.0,
            regions: Vec::new(),
            nodes: Vec::new(),
        }];
        let about = About {
            id: "p",
            title: "t",
            description: "d",
            unit: "u",
            until_s: 10.0,
            faults: &faults,
        };
        let line = Line {
            name: "l".into(),
            style: palette::series(0),
            points: vec![
                (0.0, Some(1.0)),
                (1.0, Some(2.0)),
                (2.0, None),
                (3.0, Some(1.0)),
                (4.0, Some(1.0)),
            ],
        };
        let mut frame = Frame::new(&about, greatest([&line], 0.0), 100.0);
        frame.line(&line);
        let text = frame.finish();
        assert_eq!(text.matches("<polyline").count(), 2);
        assert!(text.contains(">A</text>"), "the fault has its letter");
        assert_eq!((letter(1), letter(27)), ("B".into(), "B1".into()));
    }
}
