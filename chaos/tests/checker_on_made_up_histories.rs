//! The checker on histories of a made-up system: right ones pass whatever was lost on the way, planted defects are found,
//! and what it hands out as the offending part is small and still offends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use clap::ValueEnum as _;
use holdfast_chaos::checker::{self, Conclusion, Options, Verdict};
use holdfast_chaos::history::{Generate, History, Plant, Reader, generate};

const SEEDS: u64 = 12;

fn made_up(ops: u64, seed: u64, plant: Option<Plant>) -> History {
    let mut lines = Vec::new();
    generate(Generate { ops, seed, plant }, &mut lines).unwrap();
    History::of_events(Reader::new(lines.as_slice())).unwrap()
}

fn judged(history: &History) -> Verdict {
    checker::check_history(history, &Options::default())
}

#[test]
fn a_right_system_is_found_right_whatever_was_lost_on_the_way() {
    for seed in 1..=SEEDS {
        let history = made_up(3_000, seed, None);
        let verdict = judged(&history);
        assert!(verdict.is_valid(), "seed {seed}:\n{verdict}");
        assert!(verdict.unknown > 0, "seed {seed} lost no answer");
        for check in &verdict.checks {
            assert_eq!(
                check.conclusion,
                Conclusion::Valid,
                "seed {seed}: {} saw nothing",
                check.name
            );
        }
    }
}

#[test]
fn every_planted_defect_is_found_by_the_check_that_is_there_for_it() {
    for plant in Plant::value_variants() {
        for seed in 1..=4 {
            let verdict = judged(&made_up(6_000, seed, Some(*plant)));
            let found: Vec<&str> = verdict.violations().map(|(check, _)| check).collect();
            assert!(
                plant.caught_by().iter().any(|check| found.contains(check)),
                "seed {seed}: {plant:?} is not found by {:?}:\n{verdict}",
                plant.caught_by()
            );
        }
    }
}

#[test]
fn the_same_seed_makes_up_the_same_history() {
    let lines = |seed| {
        let mut lines = Vec::new();
        let options = Generate {
            ops: 500,
            seed,
            plant: None,
        };
        generate(options, &mut lines).unwrap();
        lines
    };
    assert_eq!(lines(7), lines(7));
    assert_ne!(lines(7), lines(8));
}

#[test]
fn the_offending_part_is_small_still_offends_and_has_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let history = made_up(6_000, 3, Some(Plant::DoubleSale));
    let verdict = judged(&history);
    let written =
        checker::write_parts(&history, &Options::default(), &verdict, dir.path()).unwrap();
    assert!(written > 0, "{verdict}");
    let mut parts = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.contains("linearizable") && name.ends_with(".jsonl") {
            parts += 1;
            let part = History::load(&path).unwrap();
            assert!(
                part.calls.len() <= 12,
                "{name} has {} calls",
                part.calls.len()
            );
            let again = judged(&part);
            let report = again.check("linearizable").unwrap();
            assert_eq!(report.conclusion, Conclusion::Violated, "{name}:\n{again}");
            let picture = std::fs::read_to_string(path.with_extension("svg")).unwrap();
            for needed in [
                "role=\"img\"",
                "<title id=\"t\">",
                "<desc id=\"d\">",
                "</svg>",
            ] {
                assert!(picture.contains(needed), "{name}: no {needed}");
            }
            assert!(!picture.contains("<script") && !picture.contains("href"));
        }
    }
    assert!(parts > 0, "{verdict}");
}

fn checked(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast-chaos"))
        .args(args)
        .output()
        .unwrap();
    let code = output.status.code().unwrap();
    (code, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_command_says_by_its_exit_code_what_it_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (good, bad, none) = (path("good.jsonl"), path("bad.jsonl"), path("none.jsonl"));
    let make = |out: &str, more: &[&str]| {
        let args = [
            "history", "generate", "--ops", "2000", "--seed", "5", "--out", out,
        ];
        assert_eq!(checked(&[&args, more].concat()).0, 0);
    };
    make(&good, &[]);
    make(&bad, &["--plant", "lost-notice"]);
    assert_eq!(checked(&["check", &good]).0, 0);
    assert_eq!(checked(&["check", &bad]).0, 1);
    std::fs::write(&none, "no history\n").unwrap();
    assert_eq!(checked(&["check", &none]).0, 2);
    let header =
        r#"{"type":"header","version":2,"title":"t","wall_origin_ms":1,"clock_bound_ms":1}"#;
    std::fs::write(&none, header).unwrap();
    assert_eq!(checked(&["check", &none]).0, 3);
    let (code, text) = checked(&["check", &bad, "--json", "--report", &path("report")]);
    let verdict: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 1);
    let outbox = verdict["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "outbox");
    assert_eq!(outbox.unwrap()["conclusion"], "violated");
    assert!(dir.path().join("report/verdict.json").exists());
}
