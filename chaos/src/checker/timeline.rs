//! A picture of what happened to one seat: one lane per process, time from left to right.
//!
//! Time is not to scale: every moment at which something begins or ends gets the same width, or a race of a millisecond
//! would be invisible beside a hold of minutes. The picture is one SVG file without scripts, fonts or links; it says the
//! same in shape, dash and words as in colour, and again as text for those who cannot see it.
//!
//! Owns: the drawing. Must never: decide what belongs to the story.

use std::fmt::Write as _;

use crate::history::{Call, History, Name, Op, Outcome};

/// Width of one moment, of a lane's name, height of a lane; px.
const STEP_PX: usize = 62;
const NAME_PX: usize = 150;
const LANE_PX: usize = 66;
const TOP_PX: usize = 84;
/// Lanes and moments, at most: more cannot be read, and the excerpt beside the picture has everything.
const CALLS_MAX: usize = 60;

/// What to draw.
#[derive(Debug)]
pub(super) struct Timeline<'h> {
    pub(super) history: &'h History,
    pub(super) title: String,
    pub(super) seat: Name,
    pub(super) show: Name,
    /// Places of the calls that matter, by start.
    pub(super) calls: &'h [usize],
    /// Answers that came later are not part of the story; ns since the origin.
    pub(super) until_ns: u64,
}

struct Bar<'h> {
    call: &'h Call,
    from: usize,
    /// Past the last moment when no answer came.
    until: usize,
    open: bool,
    label: String,
}

impl Timeline<'_> {
    /// The picture.
    pub(super) fn svg(&self) -> String {
        let shown: Vec<&Call> = self
            .calls
            .iter()
            .take(CALLS_MAX)
            .map(|at| &self.history.calls[*at])
            .collect();
        let moments = self.moments(&shown);
        let bars: Vec<Bar<'_>> = shown.iter().map(|call| self.bar(call, &moments)).collect();
        let mut lanes: Vec<Name> = Vec::new();
        for call in &shown {
            if !lanes.contains(&call.process) {
                lanes.push(call.process);
            }
        }
        let width = NAME_PX + (moments.len() + 2) * STEP_PX;
        let height = TOP_PX + (lanes.len() + 1) * LANE_PX + 40;
        let mut svg = String::new();
        self.head(&mut svg, width, height, &bars);
        self.marks(&mut svg, &moments, height);
        axis(&mut svg, &moments, height);
        for (row, lane) in lanes.iter().enumerate() {
            let y = TOP_PX + row * LANE_PX;
            let name = escape(&shorten(self.history.text(*lane), 20));
            let (text_y, line_y) = (y + 20, y + LANE_PX - 4);
            let _ = writeln!(
                svg,
                r##"<text x="8" y="{text_y}">{name}</text><line x1="8" y1="{line_y}" x2="{width}" y2="{line_y}" stroke="#bbb"/>"##
            );
            for (number, bar) in bars
                .iter()
                .filter(|bar| bar.call.process == *lane)
                .enumerate()
            {
                draw(&mut svg, bar, y, number);
            }
        }
        let hidden = self.calls.len().saturating_sub(CALLS_MAX);
        let more = if hidden > 0 {
            format!(" {hidden} more calls are in the excerpt only.")
        } else {
            String::new()
        };
        let _ = writeln!(
            svg,
            r#"<text x="8" y="{}" class="s">solid: ok · dashed: rejected · dotted, open to the right: unknown · round: a look. Time is not to scale.{more}</text></svg>"#,
            height - 12
        );
        svg
    }

    /// Every time at which something begins or ends, once, in order.
    fn moments(&self, shown: &[&Call]) -> Vec<u64> {
        let ends = shown
            .iter()
            .map(|call| call.end.at_ns)
            .filter(|end_ns| *end_ns <= self.until_ns && *end_ns != u64::MAX);
        let mut moments: Vec<u64> = shown
            .iter()
            .map(|call| call.invoked_ns)
            .chain(ends)
            .collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    fn bar<'h>(&self, call: &'h Call, moments: &[u64]) -> Bar<'h> {
        let place = |t_ns: u64| moments.partition_point(|moment| *moment < t_ns);
        let unanswered = call.end.at_ns > self.until_ns || call.end.at_ns == u64::MAX;
        let open = unanswered || call.end.outcome == Outcome::Unknown;
        Bar {
            call,
            from: place(call.invoked_ns),
            until: if open {
                moments.len()
            } else {
                place(call.end.at_ns)
            },
            open,
            label: self.label(call, open),
        }
    }

    fn label(&self, call: &Call, open: bool) -> String {
        let seen = || {
            let shows = self
                .history
                .shows
                .iter()
                .find(|show| show.show == self.history.text(self.show));
            let position = shows?
                .seats
                .iter()
                .position(|seat| seat == self.history.text(self.seat))?;
            call.end.states.as_bytes().get(position).copied()
        };
        let what = match call.op {
            Op::ReadSeats => match seen() {
                Some(b'a') => "sees it available".to_owned(),
                Some(b'h') => "sees it held".to_owned(),
                Some(b's') => "sees it sold".to_owned(),
                Some(b'b') => "sees it blocked".to_owned(),
                _ => "looks".to_owned(),
            },
            op => {
                let id = if matches!(op, Op::Hold | Op::Extend | Op::Release) {
                    call.hold_id()
                } else {
                    call.order_id()
                };
                format!("{} {}", word(op), self.history.text(id))
                    .trim_end()
                    .to_owned()
            }
        };
        let end = if open {
            "?".to_owned()
        } else if call.end.outcome == Outcome::Rejected {
            format!("no: {}", self.history.text(call.end.code))
        } else {
            self.history.text(call.end.state).to_owned()
        };
        if end.is_empty() {
            what
        } else {
            format!("{what}: {end}")
        }
    }

    fn head(&self, svg: &mut String, width: usize, height: usize, bars: &[Bar<'_>]) {
        let title = escape(&self.title);
        let mut said = String::new();
        for bar in bars {
            let call = bar.call;
            let ended = if bar.open {
                "no answer".to_owned()
            } else {
                format!("{} ms", ms(call.end.at_ns))
            };
            let process = self.history.text(call.process);
            let _ = write!(
                said,
                "Call {} by {process}, {} ms to {ended}: {}. ",
                call.id,
                ms(call.invoked_ns),
                bar.label
            );
        }
        let _ = writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-labelledby="t d">
<title id="t">{title}</title>
<desc id="d">{}</desc>
<style>text{{font:13px system-ui,sans-serif;fill:#000}}.s{{font-size:11px}}.b{{font-weight:bold;font-size:15px}}</style>
<defs><pattern id="h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" stroke="#888" stroke-width="2"/></pattern></defs>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="24" class="b">{title}</text>"##,
            escape(&said)
        );
    }

    /// What was done to the system meanwhile, hatched behind everything.
    fn marks(&self, svg: &mut String, moments: &[u64], height: usize) {
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
            return;
        };
        let mut row = 0;
        for mark in &self.history.marks {
            let until_ns = mark.until_ns.max(mark.t_ns);
            if until_ns < *first || mark.t_ns > *last {
                continue;
            }
            let place =
                |t_ns: u64| NAME_PX + (moments.partition_point(|m| *m < t_ns) + 1) * STEP_PX;
            let (from, until) = (place(mark.t_ns), place(until_ns).max(place(mark.t_ns) + 4));
            let what = escape(&mark.what);
            let _ = writeln!(
                svg,
                r##"<rect x="{from}" y="58" width="{}" height="{}" fill="url(#h)" fill-opacity="0.35"/><text x="{from}" y="{}" class="s">{what}</text>"##,
                until - from,
                height - 90,
                54 - (row % 2) * 12
            );
            row += 1;
        }
    }
}

fn axis(svg: &mut String, moments: &[u64], height: usize) {
    for (at, moment) in moments.iter().enumerate() {
        let x = NAME_PX + (at + 1) * STEP_PX;
        let _ = writeln!(
            svg,
            r##"<line x1="{x}" y1="{}" x2="{x}" y2="{}" stroke="#ddd"/><text x="{x}" y="{}" text-anchor="middle" class="s">{}</text>"##,
            TOP_PX - 8,
            height - 44,
            TOP_PX - 12,
            ms(*moment)
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="8" y="{}" class="s">ms since the origin</text>"#,
        TOP_PX - 12
    );
}

/// The bar, and its words below it: in two rows by turns, so that neighbours do not write over each other.
fn draw(svg: &mut String, bar: &Bar<'_>, y: usize, number: usize) {
    let x = NAME_PX + (bar.from + 1) * STEP_PX;
    let width = ((bar.until - bar.from) * STEP_PX).max(8);
    let (dash, fill) = match (bar.open, bar.call.end.outcome) {
        (true, _) => ("2 4", "#fff3d6"),
        (false, Outcome::Rejected) => ("7 4", "#f3f3f3"),
        (false, _) => ("none", "#d6e9ff"),
    };
    let round = if bar.call.op.is_read() { 11 } else { 0 };
    let _ = writeln!(
        svg,
        r##"<rect x="{x}" y="{}" width="{width}" height="22" rx="{round}" fill="{fill}" stroke="#000" stroke-width="1.5" stroke-dasharray="{dash}"/>"##,
        y + 4
    );
    if bar.open {
        let (tip, middle) = (x + width, y + 15);
        let _ = writeln!(
            svg,
            r##"<path d="M{tip} {} l12 11 l-12 11" fill="none" stroke="#000" stroke-dasharray="2 4"/>"##,
            middle - 11
        );
    }
    let _ = writeln!(
        svg,
        r#"<text x="{x}" y="{}" class="s">{}</text>"#,
        y + 39 + (number % 2) * 14,
        escape(&bar.label)
    );
}

const fn word(op: Op) -> &'static str {
    match op {
        Op::Hold => "hold",
        Op::Extend => "extend",
        Op::Release => "release",
        Op::Order => "order",
        Op::Pay => "pay",
        Op::Cancel => "cancel",
        Op::Refund => "refund",
        Op::Block => "block",
        Op::Unblock => "unblock",
        Op::ReadSeats | Op::ReadHold | Op::ReadOrder => "look",
    }
}

/// With one decimal place.
fn ms(t_ns: u64) -> String {
    let tenths = t_ns / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn shorten(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let head: String = text.chars().take(characters_max - 1).collect();
    format!("{head}…")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
