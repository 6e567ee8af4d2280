//! Figures, and how they are printed.
//!
//! Owns: the form `{bench, notes, results: [{name, value, unit, target}]}`, which `holdfast-chaos bench` shares. Must
//! never: round a figure in the JSON form.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What, with its circumstances after dots.
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// What the design promises; null when it promises nothing.
    pub(crate) target: Option<String>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            target: None,
        }
    }
}

/// A finished run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    /// What could not be measured here, and why.
    pub(crate) notes: Vec<String>,
    pub(crate) results: Vec<Figure>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            bench: "disk",
            notes: Vec::new(),
            results: Vec::new(),
        }
    }

    /// The value of a figure.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let figure = self.results.iter().find(|figure| figure.name == name);
        figure.map(|figure| figure.value)
    }

    /// Adds `over ÷ under` under `name` when both were measured.
    pub(crate) fn ratio(&mut self, name: &str, over: &str, under: &str) {
        if let Some((over, under)) = self.value(over).zip(self.value(under))
            && under > 0.0
        {
            self.results.push(Figure::new(name, over / under, "ratio"));
        }
    }

    /// Sets what the design promises for a figure.
    pub(crate) fn target(&mut self, name: &str, target: &str) {
        let found = self.results.iter_mut().find(|figure| figure.name == name);
        if let Some(figure) = found {
            figure.target = Some(target.to_owned());
        }
    }

    /// On one line.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let width = self.results.iter().map(|figure| figure.name.len()).max();
        let width = width.unwrap_or(0);
        for Figure {
            name,
            value,
            unit,
            target,
        } in &self.results
        {
            let digits = if value.abs() >= 100.0 { 0 } else { 3 };
            let target = target.as_deref().unwrap_or_default();
            let _ = writeln!(
                out,
                "{name:<width$}  {value:>14.digits$} {unit:<10} {target}"
            );
        }
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        out
    }
}
