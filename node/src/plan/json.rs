//! A value in a JSON document that knows where it stands, so that every complaint can name the place.
//!
//! Owns: paths, and the wording for a missing field, a wrong type and a number out of range. Must never:
//! know what a seating plan is, or stop at a fault: each reader reports it and answers `None`.

use serde_json::Value;

use super::{COORDINATE_MAX, Report};

/// One value and its path from the root, such as `zones[0].rows[3]`.
pub(super) struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    /// The whole document; its path is empty.
    pub(super) fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    /// Where this value stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Path of the field `key` of this value, whether or not it is there.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// True for an object; any other type is a problem.
    pub(super) fn is_object(&self, report: &mut Report) -> bool {
        if self.value.is_object() {
            return true;
        }
        self.wrong_type("an object", report);
        false
    }

    /// The field `key`; absent and `null` are the same.
    pub(super) fn find(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(At {
            value,
            path: self.path_of(key),
        })
    }

    /// The field `key`; its absence is a problem, explained by `expected`.
    pub(super) fn need(&self, key: &str, expected: &str, report: &mut Report) -> Option<At<'a>> {
        let found = self.find(key);
        if found.is_none() {
            report.problem(self.path_of(key), "missing", expected);
        }
        found
    }

    /// Remarks on every field that is not in `known`: it may be a misspelt one of ours.
    pub(super) fn remark_unknown(&self, known: &[&str], report: &mut Report) {
        let Some(fields) = self.value.as_object() else {
            return;
        };
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = self.path_of(&shown(key));
            report.remark(
                path,
                "unknown field, ignored",
                format!("one of: {}", known.join(", ")),
            );
        }
    }

    /// The elements of a list of at most `count_max`.
    pub(super) fn items(&self, count_max: usize, report: &mut Report) -> Option<Vec<At<'a>>> {
        let Some(list) = self.value.as_array() else {
            self.wrong_type("a list", report);
            return None;
        };
        if list.len() > count_max {
            let what = format!("has {} elements", list.len());
            report.problem(&self.path, what, format!("at most {count_max}"));
            return None;
        }
        let at = |(n, value)| At {
            value,
            path: format!("{}[{n}]", self.path),
        };
        Some(list.iter().enumerate().map(at).collect())
    }

    /// A text of at most `bytes_max` without control characters.
    pub(super) fn text(&self, bytes_max: usize, report: &mut Report) -> Option<&'a str> {
        let Some(text) = self.value.as_str() else {
            self.wrong_type("a text", report);
            return None;
        };
        if text.len() > bytes_max {
            let what = format!("is {} bytes long", text.len());
            report.problem(&self.path, what, format!("at most {bytes_max} bytes"));
            return None;
        }
        if text.chars().any(char::is_control) {
            report.problem(
                &self.path,
                "has control characters",
                "plain text on one line",
            );
            return None;
        }
        Some(text)
    }

    /// A text that is not empty and neither begins nor ends with a space.
    pub(super) fn id(&self, bytes_max: usize, report: &mut Report) -> Option<&'a str> {
        let text = self.text(bytes_max, report)?;
        if text.is_empty() || text.trim() != text {
            let what = format!("is {text:?}");
            report.problem(
                &self.path,
                what,
                "a text without spaces at its ends, not empty",
            );
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, report: &mut Report) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false", report);
        }
        flag
    }

    /// A whole number in `1..=max`.
    pub(super) fn count(&self, max: u64, report: &mut Report) -> Option<u32> {
        let count = self.value.as_u64().filter(|n| (1..=max).contains(n));
        let count = count.and_then(|n| u32::try_from(n).ok());
        if count.is_none() {
            let what = format!("is {}", shown(&self.value.to_string()));
            report.problem(&self.path, what, format!("a whole number from 1 to {max}"));
        }
        count
    }

    /// A coordinate or a length in plan units, within ±`COORDINATE_MAX`.
    pub(super) fn coordinate(&self, report: &mut Report) -> Option<f64> {
        let Some(number) = self.value.as_f64() else {
            self.wrong_type("a number", report);
            return None;
        };
        if !number.is_finite() || number.abs() > COORDINATE_MAX {
            let what = format!("is {}", shown(&self.value.to_string()));
            let want = format!("a number from -{COORDINATE_MAX} to {COORDINATE_MAX}");
            report.problem(&self.path, what, want);
            return None;
        }
        Some(number)
    }

    fn wrong_type(&self, expected: &str, report: &mut Report) {
        let what = match self.value {
            Value::Null => "is null",
            Value::Bool(_) => "is true or false",
            Value::Number(_) => "is a number",
            Value::String(_) => "is a text",
            Value::Array(_) => "is a list",
            Value::Object(_) => "is an object",
        };
        report.problem(&self.path, what, expected);
    }
}

/// `text`, cut where it would drown the message it stands in, without control characters.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let clean = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut cut: String = clean.clone().take(CHARS_MAX).collect();
    if clean.count() > CHARS_MAX {
        cut.push('…');
    }
    cut
}
