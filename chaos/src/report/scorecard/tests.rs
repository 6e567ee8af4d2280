//! What counts as a proof.

use super::*;
use crate::drill::result::{Expectation, Run};

/// A run that tests [`Promise::Recovery`], measured `rto_s`.
fn run(at: &str, rto_s: f64, held: bool) -> DrillResult {
    DrillResult {
        format: FORMAT,
        run: Run {
            drill: "d".into(),
            started_at: at.into(),
            promises: vec![Promise::Recovery],
            ..Run::default()
        },
        verdict: if held {
            Verdict::Held
        } else {
            Verdict::NotHeld
        },
        recovery: vec![crate::drill::result::Recovery {
            show: "s1".into(),
            hot: true,
            fault: 0,
            rto_s: Some(rto_s),
        }],
        expectations: vec![Expectation {
            name: "rto_max_s_max".into(),
            text: String::new(),
            promise: Promise::Recovery,
            bound: 6.0,
            at_least: false,
            measured: Some(rto_s),
            held,
        }],
        ..DrillResult::default()
    }
}

fn recovery(results: Vec<DrillResult>) -> Line {
    let card = Scorecard::from_results(results);
    let mut lines = card.promises.into_iter();
    lines
        .find(|line| line.promise == Promise::Recovery)
        .unwrap()
}

#[test]
fn the_newest_run_that_held_is_the_proof_and_its_margin_is_to_the_target() {
    let line = recovery(vec![
        run("2026-02-01", 1.5, true),
        run("2026-01-01", 3.0, true),
    ]);
    let proof = line.proven.clone().unwrap();
    assert_eq!(proof.at, "2026-02-01");
    assert_eq!(proof.margin, Some(0.5));
    assert_eq!((line.worst, line.runs), (Some(3.0), 2));
    assert!(line.failed_since.is_none());
    assert_eq!(line.state(), "proven");
}

#[test]
fn a_newer_failure_is_said_beside_the_older_proof() {
    let line = recovery(vec![
        run("2026-01-01", 1.0, true),
        run("2026-02-01", 9.0, false),
    ]);
    assert_eq!(line.proven.as_ref().unwrap().at, "2026-01-01");
    assert_eq!(line.failed_since.as_ref().unwrap().at, "2026-02-01");
    let card = Scorecard::from_results(vec![run("2026-02-01", 9.0, false)]);
    assert!(!card.is_good());
    assert!(card.text().contains("FAILED"));
}

#[test]
fn an_aborted_run_proves_nothing_and_a_promise_without_a_run_says_so() {
    let mut aborted = run("2026-01-01", 1.0, true);
    aborted.verdict = Verdict::Aborted;
    let line = recovery(vec![aborted]);
    assert_eq!((line.proven.clone(), line.runs), (None, 0));
    assert_eq!(line.state(), "never drilled");
}

#[test]
fn a_promise_that_a_run_expected_nothing_about_is_not_proven_by_it() {
    let mut silent = run("2026-01-01", 1.0, true);
    silent.expectations.clear();
    let line = recovery(vec![silent]);
    assert!(line.proven.is_none() && line.failed_since.is_none());
    assert_eq!(line.state(), "never drilled");
}

#[test]
fn a_run_that_did_not_hold_for_another_reason_neither_proves_nor_breaks_a_promise() {
    let mut other = run("2026-02-01", 1.0, true);
    other.verdict = Verdict::NotHeld;
    let line = recovery(vec![run("2026-01-01", 2.0, true), other.clone()]);
    assert_eq!(line.proven.as_ref().unwrap().at, "2026-01-01");
    assert_eq!((line.runs, line.state()), (1, "proven"));
    let line = recovery(vec![run("2026-01-01", 9.0, false), other]);
    assert_eq!(line.state(), "FAILED since");
}

#[test]
fn results_are_found_below_a_directory_and_written_as_three_forms() {
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("d-1");
    std::fs::create_dir(&one).unwrap();
    crate::report::write(&run("2026-01-01", 1.0, true), &one).unwrap();
    let card = Scorecard::of(dir.path()).unwrap();
    assert_eq!((card.runs, card.held), (1, 1));
    card.write(dir.path()).unwrap();
    let html = std::fs::read_to_string(dir.path().join(HTML)).unwrap();
    assert!(html.contains("recovery") && html.contains("</html>"));
    assert!(dir.path().join(JSON).is_file());
}
