//! What a command has to say, for people and for machines.
//!
//! Owns: tables and the JSON line. Must never: decide what is said.

use serde_json::Value;

/// An answer in both forms.
#[derive(Debug)]
pub struct Answer {
    /// For people; without a newline at the end.
    pub text: String,
    /// For machines.
    pub json: Value,
    /// Whether what was asked about is as it should be; decides between exit codes 0 and 1.
    pub well: bool,
}

impl Answer {
    /// The machine form, on one line.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        self.json.to_string()
    }
}

/// Lays `rows` out in columns under `head`, two spaces apart; the last column is not padded.
///
/// ```
/// let text = holdfast_node::ctl::table(["id", "name"], &[["s7".into(), "Tides".into()]]);
/// assert_eq!(text, "id  name\ns7  Tides");
/// ```
#[must_use]
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |n: usize| {
        let cells = rows.iter().map(|row| row[n].chars().count());
        cells.chain([head[n].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(head))
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Milliseconds as people read them: `12 ms`, `3.4 s`.
pub(super) fn age(age_ms: u64) -> String {
    if age_ms == u64::MAX {
        "never current".to_owned()
    } else if age_ms < 1_000 {
        format!("{age_ms} ms")
    } else {
        format!("{}.{} s", age_ms / 1_000, age_ms % 1_000 / 100)
    }
}

/// Ids side by side: `1, 2, 3`, or `-` for none.
pub(super) fn ids(ids: &[u64]) -> String {
    if ids.is_empty() {
        return "-".to_owned();
    }
    ids.iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
