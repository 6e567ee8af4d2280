//! Reads a JSON request body strictly: every unknown member, wrong type and value out of range is named.
//!
//! Owns: the wording of body errors. Must never: guess what a caller meant.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// The members of one JSON object that have not been read yet, and where the object is.
#[derive(Debug)]
pub(crate) struct Fields {
    pointer: String,
    members: Map<String, Value>,
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn wrong(pointer: &str, expected: &str, value: &Value) -> Problem {
    Problem::field(
        "invalid_json",
        pointer,
        format!("expected {expected}, found {}", kind(value)),
    )
}

impl Fields {
    /// Parses `body` as one JSON object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Problem::field("invalid_json", "", format!("not JSON: {error}")))?;
        Self::of(value, String::new())
    }

    fn of(value: Value, pointer: String) -> Result<Self, Problem> {
        match value {
            Value::Object(members) => Ok(Self { pointer, members }),
            other => Err(wrong(&pointer, "an object", &other)),
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// Whether member `name` is there and was not read yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn required(&mut self, name: &str) -> Result<Value, Problem> {
        let found = self.members.remove(name);
        found.ok_or_else(|| Problem::field("invalid_json", &self.at(name), "is missing"))
    }

    /// A string of 1 to `bytes_max` bytes.
    pub(crate) fn text(&mut self, name: &str, bytes_max: usize) -> Result<String, Problem> {
        let value = self.required(name)?;
        checked_text(&self.at(name), value, bytes_max)
    }

    /// Like [`Self::text`]; absent and null are both none.
    pub(crate) fn optional_text(
        &mut self,
        name: &str,
        bytes_max: usize,
    ) -> Result<Option<String>, Problem> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => checked_text(&self.at(name), value, bytes_max).map(Some),
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn count(&mut self, name: &str, min: u32, max: u32) -> Result<u32, Problem> {
        let value = self.required(name)?;
        let pointer = self.at(name);
        let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
        number
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| match value {
                Value::Number(n) => Problem::field(
                    "invalid_json",
                    &pointer,
                    format!("expected a whole number from {min} to {max}, found {n}"),
                ),
                other => wrong(
                    &pointer,
                    &format!("a whole number from {min} to {max}"),
                    &other,
                ),
            })
    }

    /// Like [`Self::count`] from 0, or 0 when absent or null.
    pub(crate) fn optional_count(&mut self, name: &str, max: u32) -> Result<u32, Problem> {
        if matches!(self.members.get(name), None | Some(Value::Null)) {
            self.members.remove(name);
            return Ok(0);
        }
        self.count(name, 0, max)
    }

    /// An array of 1 to `count_max` strings of 1 to `bytes_max` bytes.
    pub(crate) fn texts(
        &mut self,
        name: &str,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<String>, Problem> {
        let pointer = self.at(name);
        let values = match self.required(name)? {
            Value::Array(values) => values,
            other => return Err(wrong(&pointer, "an array of strings", &other)),
        };
        if values.is_empty() || values.len() > count_max {
            let reason = format!("expected 1 to {count_max} entries, found {}", values.len());
            return Err(Problem::field("invalid_json", &pointer, reason));
        }
        let entries = values.into_iter().enumerate();
        entries
            .map(|(at, value)| checked_text(&format!("{pointer}/{at}"), value, bytes_max))
            .collect()
    }

    /// A nested object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Self, Problem> {
        let value = self.required(name)?;
        Self::of(value, self.at(name))
    }

    /// Refuses whatever was not read.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::field(
                "invalid_json",
                &self.at(name),
                "is not a known member here",
            )),
        }
    }
}

fn checked_text(pointer: &str, value: Value, bytes_max: usize) -> Result<String, Problem> {
    match value {
        Value::String(text) if (1..=bytes_max).contains(&text.len()) => Ok(text),
        Value::String(text) => Err(Problem::field(
            "invalid_json",
            pointer,
            format!("expected 1 to {bytes_max} bytes, found {}", text.len()),
        )),
        other => Err(wrong(pointer, "a string", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(result: Result<impl std::fmt::Debug, Problem>) -> String {
        result.unwrap_err().body()["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_an_object_is_named() {
        assert!(reason(Fields::parse(b"")).contains("not JSON"));
        assert!(reason(Fields::parse(b"{\"a\":1,}")).contains("not JSON"));
        assert_eq!(
            reason(Fields::parse(b"[]")),
            "the body: expected an object, found an array"
        );
    }

    #[test]
    fn wrong_types_and_ranges_name_the_pointer() {
        let mut f = fields(r#"{"q":1.5,"n":-1,"s":7,"l":["a",2],"o":{"x":true}}"#);
        assert_eq!(
            reason(f.count("q", 1, 9)),
            "/q: expected a whole number from 1 to 9, found 1.5"
        );
        assert_eq!(
            reason(f.count("n", 1, 9)),
            "/n: expected a whole number from 1 to 9, found -1"
        );
        assert_eq!(
            reason(f.text("s", 9)),
            "/s: expected a string, found a number"
        );
        assert_eq!(
            reason(f.texts("l", 9, 9)),
            "/l/1: expected a string, found a number"
        );
        let mut o = f.object("o").unwrap();
        assert_eq!(
            reason(o.text("x", 9)),
            "/o/x: expected a string, found a boolean"
        );
        assert_eq!(reason(o.text("y", 9)), "/o/y: is missing");
    }

    #[test]
    fn a_member_nobody_asked_for_is_refused() {
        let mut f = fields(r#"{"hold":"h1-1","hodl":1}"#);
        assert_eq!(f.text("hold", 9).unwrap(), "h1-1");
        assert_eq!(reason(f.finish()), "/hodl: is not a known member here");
    }

    #[test]
    fn too_many_entries_are_counted() {
        let mut f = fields(r#"{"seats":["a","b","c"],"none":[]}"#);
        assert_eq!(
            reason(f.texts("seats", 2, 9)),
            "/seats: expected 1 to 2 entries, found 3"
        );
        assert_eq!(
            reason(f.texts("none", 2, 9)),
            "/none: expected 1 to 2 entries, found 0"
        );
    }
}
