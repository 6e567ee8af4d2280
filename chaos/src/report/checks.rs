//! What the checker and the replicas say.
//!
//! Owns: that table. Must never: call a check passed that did not come to its end.

use super::table::{seconds, table};
use crate::drill::result::DrillResult;

pub(super) fn section(result: &DrillResult) -> String {
    let rows: Vec<Vec<String>> = result
        .checks
        .iter()
        .map(|check| {
            let said = match (check.violations.len(), check.complete) {
                (0, true) => "holds".to_owned(),
                (0, false) => "not finished".to_owned(),
                (count, _) => format!("BROKEN, {count} times: {}", check.violations.join("; ")),
            };
            vec![check.name.clone(), check.looked_at.to_string(), said]
        })
        .collect();
    let replicas = &result.replicas;
    let agreed = format!(
        "<p>Replicas of {} of {} shows had the same state hash at the same index, the last after {}; replicas counted {} broken invariants themselves.</p>",
        replicas.agreed,
        replicas.shows,
        seconds(replicas.took_s),
        replicas.invariant_violations
    );
    let head = ["Check", "Looked at", "Verdict"];
    format!("{}{agreed}", table("Checks over the history", &head, &rows))
}
