//! The head of the report: hypothesis, verdict, each expectation, and what is needed to repeat the run.
//!
//! Owns: what one sees first. Must never: say "held" of a drill that was aborted.

use super::svg::escape;
use super::table::table;
use crate::drill::result::{DrillResult, Expectation, Verdict};

/// The verdict in words.
pub(crate) const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "the hypothesis held",
        Verdict::NotHeld => "the hypothesis did not hold",
        Verdict::Aborted => "aborted: nothing was learned",
    }
}

pub(super) fn section(result: &DrillResult) -> String {
    let (class, sign) = match result.verdict {
        Verdict::Held => ("held", "✓"),
        Verdict::NotHeld => ("not-held", "✗"),
        Verdict::Aborted => ("aborted", "?"),
    };
    let because = if result.aborted_because.is_empty() {
        String::new()
    } else {
        format!("<p>{}</p>", escape(&result.aborted_because))
    };
    let rows: Vec<Vec<String>> = result.expectations.iter().map(row).collect();
    let head = ["Expectation", "Bound", "Measured", "Verdict"];
    format!(
        "<p class=\"verdict {class}\"><span aria-hidden=\"true\">{sign}</span> {}</p>{because}<h2>Hypothesis</h2><p>{}</p>{}{}",
        words(result.verdict),
        escape(&result.run.hypothesis),
        table("Expectations", &head, &rows),
        steady(result),
    )
}

fn row(expectation: &Expectation) -> Vec<String> {
    let Expectation {
        text,
        bound,
        at_least,
        measured,
        held,
        ..
    } = expectation;
    let relation = if *at_least { "≥" } else { "≤" };
    vec![
        text.clone(),
        format!("{relation} {}", short(*bound)),
        measured.map_or_else(|| "not measured".to_owned(), short),
        if *held { "met" } else { "NOT met" }.to_owned(),
    ]
}

/// Three places are enough for people.
pub(crate) fn short(value: f64) -> String {
    super::axis::label(value)
}

fn steady(result: &DrillResult) -> String {
    let steady = &result.steady;
    format!(
        "<p>Before anything was broken, over {:.0} s: {:.0} answers a second, {:.2} % of tries failed, {} leader changes without a cause.</p>",
        steady.for_s,
        steady.ops_rate,
        steady.error_ratio * 100.0,
        steady.false_failovers
    )
}

/// What is needed to repeat the run.
pub(super) fn provenance(result: &DrillResult) -> String {
    let run = &result.run;
    let rows = [
        ("Drill", format!("{} ({})", run.drill, run.class)),
        ("Begun", run.started_at.clone()),
        ("Took", format!("{:.0} s", run.duration_s)),
        ("Seed", run.seed.to_string()),
        ("Commit", format!("{} ({} build)", run.commit, run.build)),
        (
            "Topology",
            format!(
                "{}: {}, {} nodes, hash {}",
                run.topology,
                run.regions.join(", "),
                run.nodes,
                run.topology_hash
            ),
        ),
        ("Repeat with", run.repeat.clone()),
        ("Raw history", result.history.clone()),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    table("This run", &["What", "Value"], &rows)
}
