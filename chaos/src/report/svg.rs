//! A small SVG writer.
//!
//! Owns: escaping, and that every picture has a title and a description for those who do not see it. Must never: know
//! what is drawn.

use std::fmt::Write as _;

use super::palette::Mark;

/// Text made safe inside elements and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters are no XML, whoever put them into a name.
            letter if letter.is_control() && letter != '\n' => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A picture being drawn.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    id: String,
    title: String,
    description: String,
    size: (f64, f64),
}

/// Where a text's place is in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// `id` is unique in the page.
    pub(super) fn new(id: &str, title: &str, description: &str, size: (f64, f64)) -> Self {
        Self {
            body: String::new(),
            id: id.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            size,
        }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, dash: &str) {
        self.push(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}"{}/>"#,
            from.0,
            from.1,
            to.0,
            to.1,
            dashed(dash)
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, dash: &str) {
        let mut list = String::new();
        for (x, y) in points {
            let _ = write!(list, "{x:.1},{y:.1} ");
        }
        self.push(format_args!(
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.8"{}/>"#,
            list.trim_end(),
            dashed(dash)
        ));
    }

    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), attributes: &str) {
        self.push(format_args!(
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" {attributes}/>"#,
            at.0,
            at.1,
            size.0.max(0.0),
            size.1.max(0.0)
        ));
    }

    /// Defines a hatched filling; the attributes with which a rectangle uses it.
    pub(super) fn hatch(&mut self) -> String {
        let id = self.id.clone();
        self.push(format_args!(
            r##"<defs><pattern id="{id}-h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#f3f3f3"/><line x1="0" y1="0" x2="0" y2="6" stroke="#bdbdbd" stroke-width="2"/></pattern></defs>"##
        ));
        format!(r##"fill="url(#{id}-h)" stroke="#8c8c8c" stroke-width="0.5""##)
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            at.0,
            at.1,
            escape(text)
        ));
    }

    pub(super) fn mark(&mut self, mark: Mark, at: (f64, f64), colour: &str) {
        let (x, y) = at;
        const R: f64 = 3.2;
        let points = |places: [(f64, f64); 4]| {
            let places = places.map(|(dx, dy)| format!("{:.1},{:.1}", x + dx * R, y + dy * R));
            places.join(" ")
        };
        let shape = match mark {
            Mark::Disc => {
                self.push(format_args!(
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="{R}" fill="{colour}"/>"#
                ));
                return;
            }
            Mark::Cross => {
                self.line((x - R, y - R), (x + R, y + R), colour, "");
                self.line((x - R, y + R), (x + R, y - R), colour, "");
                return;
            }
            Mark::Square => points([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]),
            Mark::Triangle => points([(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9), (0.0, -1.2)]),
            Mark::Diamond => points([(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        };
        self.push(format_args!(
            r#"<polygon points="{shape}" fill="{colour}"/>"#
        ));
    }

    /// The whole element.
    pub(super) fn finish(self) -> String {
        let Self {
            body,
            id,
            title,
            description,
            size: (width, height),
        } = self;
        format!(
            r#"<svg viewBox="0 0 {width:.0} {height:.0}" role="img" aria-labelledby="{id}-t {id}-d" xmlns="http://www.w3.org/2000/svg">
<title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>
{body}</svg>"#,
            escape(&title),
            escape(&description)
        )
    }
}

fn dashed(dash: &str) -> String {
    if dash.is_empty() {
        String::new()
    } else {
        format!(r#" stroke-dasharray="{dash}""#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        let mut svg = Svg::new("p", "a<b", "\"&\u{7}", (10.0, 10.0));
        svg.text((0.0, 0.0), Anchor::Start, "</svg><script>");
        let text = svg.finish();
        assert!(text.contains("a&lt;b") && text.contains("&quot;&amp; "));
        assert!(!text.contains("<script>"));
        assert_eq!(text.matches("</svg>").count(), 1);
    }
}
