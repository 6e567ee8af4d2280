//! What was broken, from when to when, and everything else that happened.
//!
//! Owns: that table and the timeline. Must never: leave out what was chosen by lot.

use super::frame::letter;
use super::table::{seconds, table};
use crate::drill::result::DrillResult;

pub(super) fn section(result: &DrillResult) -> String {
    let faults: Vec<Vec<String>> = result
        .faults
        .iter()
        .enumerate()
        .map(|(at, fault)| {
            vec![
                letter(at),
                fault.text.clone(),
                format!("{:.1} s", fault.from_s),
                format!("{:.1} s", fault.to_s),
                listed(&fault.regions),
                listed(&fault.nodes),
            ]
        })
        .collect();
    let head = ["Fault", "What", "From", "To", "Regions", "Nodes"];
    let faults = table("What was broken", &head, &faults);
    let moments: Vec<Vec<String>> = result
        .timeline
        .iter()
        .map(|moment| vec![format!("{:.2} s", moment.at_s), moment.text.clone()])
        .collect();
    let moments = table("Everything that happened", &["At", "What"], &moments);
    format!("{faults}{}{moments}", commands(result))
}

fn commands(result: &DrillResult) -> String {
    if result.commands.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = result
        .commands
        .iter()
        .map(|run| {
            vec![
                run.text.clone(),
                format!("{:.1} s", run.at_s),
                seconds(Some(run.took_s)),
                run.exit
                    .map_or_else(|| "signal".to_owned(), |code| code.to_string()),
            ]
        })
        .collect();
    let head = ["Command", "At", "Took", "Exit code"];
    table("Operator commands", &head, &rows)
}

pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "–".to_owned()
    } else {
        names.join(", ")
    }
}
