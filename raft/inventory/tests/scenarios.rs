//! Runs the scenario files: text that a product owner can read, with the expected answers in it.
//!
//! Each line is a step; the lines under it that begin with `->` are what must come of it. The words are
//! explained in `scenarios/README.md`. After a wanted change of behaviour, `HOLDFAST_REWRITE_SCENARIOS=1
//! cargo test -p holdfast-inventory --test scenarios` writes the new answers into the files: read the
//! difference before you commit it.

#![expect(clippy::unwrap_used, reason = "a broken scenario must stop the test")]

#[path = "scenarios/language.rs"]
mod language;
#[path = "scenarios/stage.rs"]
mod stage;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use holdfast_inventory::Rejection;
use stage::Stage;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files
}

/// Plays a file; gives it back with the answers that came, and every rejection code among them.
fn play(text: &str) -> (String, BTreeSet<String>) {
    let mut stage = Stage::default();
    let mut played = String::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("->") {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        let mut block = vec![line.to_owned()];
        if line.trim() == "show" {
            for (_, line) in lines.by_ref() {
                played.push_str(line);
                played.push('\n');
                block.push(line.to_owned());
                if line.trim() == "end" {
                    break;
                }
            }
        }
        for answer in stage
            .step(&block)
            .unwrap_or_else(|e| panic!("line {}: {e}", number + 1))
        {
            played.push_str(&format!("  -> {answer}\n"));
        }
    }
    (played, stage.codes)
}

#[test]
fn every_scenario_answers_as_written() {
    let rewrite = std::env::var_os("HOLDFAST_REWRITE_SCENARIOS").is_some();
    let mut wrong = String::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (played, _) = play(&text);
        if played == text {
            continue;
        }
        if rewrite {
            std::fs::write(&path, &played).unwrap();
        }
        for (number, (is, was)) in played.lines().zip(text.lines()).enumerate() {
            if is != was {
                let file = path.file_name().unwrap().to_string_lossy();
                let line = number + 1;
                wrong.push_str(&format!(
                    "{file}:{line}\n  expected {was}\n  came     {is}\n"
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty() || rewrite, "{wrong}");
}

#[test]
fn every_rejection_code_appears_in_a_scenario() {
    let mut seen = BTreeSet::new();
    for path in files() {
        seen.extend(play(&std::fs::read_to_string(path).unwrap()).1);
    }
    let missing: Vec<_> = Rejection::ALL_CODES
        .iter()
        .filter(|c| !seen.contains(**c))
        .collect();
    assert!(missing.is_empty(), "no scenario shows {missing:?}");
}

#[test]
fn every_rejection_code_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in Rejection::ALL_CODES {
        let page = pages.join(format!("{code}.md"));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            text.starts_with(&format!("# {code}\n")),
            "{} is missing",
            page.display()
        );
    }
}
