//! What was acknowledged and lost, and what became of open outcomes.
//!
//! Owns: those tables. Must never: show fewer losses than there are.

use super::table::table;
use crate::drill::result::DrillResult;

/// Rows of one table; the JSON has all.
const ROWS_MAX: usize = 200;

pub(super) fn section(result: &DrillResult) -> String {
    format!("{}{}", lost(result), ambiguous(result))
}

fn lost(result: &DrillResult) -> String {
    let rpo = &result.rpo;
    let sums = format!(
        "<p>{} acknowledged sales and {} acknowledged holds were looked up again after the drill; <strong>{} were lost</strong>{}.</p>",
        rpo.acknowledged_sales,
        rpo.acknowledged_holds,
        rpo.lost.len(),
        if rpo.unread == 0 {
            String::new()
        } else {
            format!(", {} could not be read", rpo.unread)
        }
    );
    if rpo.lost.is_empty() {
        return sums;
    }
    let rows: Vec<Vec<String>> = rpo.lost.iter().map(|line| vec![line.clone()]).collect();
    format!("{sums}{}", table("Lost", &["What"], &rows))
}

fn ambiguous(result: &DrillResult) -> String {
    let all = &result.ambiguous;
    if all.is_empty() {
        return "<p>No operation was left with an open outcome.</p>".to_owned();
    }
    let open = all.iter().filter(|one| one.resolution.is_empty()).count();
    let rows: Vec<Vec<String>> = all
        .iter()
        .take(ROWS_MAX)
        .map(|one| {
            let resolution = if one.resolution.is_empty() {
                "not resolved".to_owned()
            } else {
                one.resolution.clone()
            };
            vec![
                format!("{:.2} s", one.at_s),
                format!("{} of {}", one.op, one.subject),
                one.key.clone(),
                one.why.clone(),
                resolution,
            ]
        })
        .collect();
    let head = ["At", "What", "Key", "Open because", "Resolved"];
    let caption = format!(
        "{} operations had an open outcome at first, {open} still have",
        all.len()
    );
    table(&caption, &head, &rows)
}
