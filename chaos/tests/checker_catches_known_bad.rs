//! The checker is itself checked: it must object to every bad history, for the reason in the file's name, and to no good one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use holdfast_chaos::checker::{Conclusion, Options, Verdict, check};
use holdfast_chaos::history::{Event, History, HistoryError, Reader};

/// Known-bad histories that every check must have, at least.
const BAD_MIN: usize = 2;

/// Name without its ending, path.
fn histories(folder: &str) -> Vec<(String, PathBuf)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/histories")
        .join(folder);
    let files = std::fs::read_dir(dir).unwrap();
    let mut histories: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    histories.sort();
    assert!(!histories.is_empty());
    histories
}

fn judged(path: &Path) -> Verdict {
    check(path, &Options::default()).unwrap()
}

#[test]
fn every_bad_history_is_objected_to_by_the_check_that_it_is_named_for() {
    for (name, path) in histories("bad") {
        let (check, _) = name.split_once("--").unwrap();
        let verdict = judged(&path);
        let report = verdict
            .check(check)
            .unwrap_or_else(|| panic!("no check {check}"));
        assert_eq!(
            report.conclusion,
            Conclusion::Violated,
            "{name}:\n{verdict}"
        );
        assert!(!report.violations.is_empty(), "{name}");
    }
}

#[test]
fn no_good_history_is_objected_to() {
    for (name, path) in histories("ok") {
        let verdict = judged(&path);
        assert!(verdict.is_valid(), "{name}:\n{verdict}");
    }
}

#[test]
fn every_check_has_bad_histories_of_its_own() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in histories("bad") {
        let (check, _) = name.split_once("--").unwrap();
        *counts.entry(check.to_owned()).or_default() += 1;
    }
    let (_, any) = &histories("ok")[0];
    for check in judged(any).checks {
        let count = counts.get(check.name).copied().unwrap_or(0);
        assert!(count >= BAD_MIN, "{} has only {count}", check.name);
    }
}

fn read(text: &str) -> Result<History, HistoryError> {
    History::of_events(Reader::new(text.as_bytes()))
}

const HEADER: &str =
    r#"{"type":"header","version":2,"title":"t","wall_origin_ms":1,"clock_bound_ms":1}"#;

#[test]
fn what_is_no_history_is_refused_with_its_line() {
    let cases = [
        (String::new(), "first event"),
        (
            format!("{HEADER}\n# fine\n\n{{\"type\":\"dance\"}}\n"),
            "history line 4",
        ),
        (
            format!("{HEADER}\n{HEADER}\n"),
            "history line 2: a second header",
        ),
        (HEADER.replace(":2,", ":9,"), "format 9"),
        (
            format!("{HEADER}\n{{\"type\":\"ok\",\"t_ns\":1,\"call\":7}}\n"),
            "which was not asked",
        ),
    ];
    for (text, expected) in cases {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn an_answer_that_never_came_leaves_the_outcome_unknown() {
    let asked =
        r#"{"type":"invoke","t_ns":1,"call":1,"process":"p","op":"hold","show":"s1","key":"k"}"#;
    let history = read(&format!("{HEADER}\n{asked}\n")).unwrap();
    assert_eq!(history.calls[0].end.at_ns, u64::MAX);
    assert!(!history.calls[0].is_ok() && !history.complete);
}

#[test]
fn every_line_survives_its_text_form() {
    for (name, path) in histories("ok").into_iter().chain(histories("bad")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for event in Reader::new(text.as_bytes()) {
            let event = event.unwrap();
            let again: Event =
                serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
            assert_eq!(again, event, "{name}");
        }
    }
}
