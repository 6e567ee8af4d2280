//! The checker is itself checked: it must object to every bad history and to no good one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::BufReader;
use std::path::Path;

use holdfast_chaos::checker::{FinalState, check, check_final};
use holdfast_chaos::history::{self, Operation};

fn histories(folder: &str) -> Vec<(String, Vec<Operation>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/histories")
        .join(folder);
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let histories: Vec<_> = files
        .map(|path| {
            let file = BufReader::new(std::fs::File::open(&path).unwrap());
            (path.display().to_string(), history::read(file).unwrap())
        })
        .collect();
    assert!(histories.len() >= 3, "only {} in {folder}", histories.len());
    histories
}

#[test]
fn every_bad_history_is_objected_to() {
    for (name, operations) in histories("bad") {
        assert!(!check(&operations).is_empty(), "{name} passed");
    }
}

#[test]
fn no_good_history_is_objected_to() {
    for (name, operations) in histories("ok") {
        let violations = check(&operations);
        assert!(violations.is_empty(), "{name}: {violations:?}");
    }
}

#[test]
fn a_sale_that_is_gone_at_the_end_is_missed() {
    let (_, operations) = histories("ok")
        .into_iter()
        .find(|(n, _)| n.contains("released-in"))
        .unwrap();
    let mut state = FinalState::default();
    assert_eq!(check_final(&operations, &state).len(), 2);
    state
        .orders
        .insert("o1-2".to_owned(), "confirmed".to_owned());
    state.seats.insert("A1".to_owned(), "sold".to_owned());
    assert!(check_final(&operations, &state).is_empty());
}

#[test]
fn a_line_that_is_no_operation_is_named() {
    let error = history::read("# fine\n\n{\"op\": \"dance\"}\n".as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("history line 3"), "{error}");
}

#[test]
fn a_history_survives_its_text_form() {
    for (_, operations) in histories("ok") {
        let mut bytes = Vec::new();
        history::write(&operations, &mut bytes).unwrap();
        assert_eq!(history::read(bytes.as_slice()).unwrap(), operations);
    }
}
