//! Every file in `topologies/invalid/` says in its head what must be found in it, and nothing else may be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use holdfast_region_config::{Topology, TopologyError};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/invalid")
}

fn expected(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("# expect: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_invalid_file_is_refused_for_its_reasons_and_no_others() {
    let mut tried = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let expected = expected(&path);
        assert!(!expected.is_empty(), "{} expects nothing", path.display());
        let error = Topology::load(&path).expect_err(&path.display().to_string());
        let text = error.to_string();
        for reason in &expected {
            assert!(text.contains(reason.as_str()), "{reason:?} not in {text:?}");
        }
        if let TopologyError::Invalid { violations, .. } = &error {
            assert_eq!(violations.len(), expected.len(), "{text}");
        }
        assert!(text.contains(&path.display().to_string()), "{text}");
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} files found");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Topology::load("no/such/file.toml").unwrap_err();
    assert!(matches!(error, TopologyError::Read { .. }));
    assert!(error.to_string().contains("no/such/file.toml"), "{error}");
}

#[test]
fn garbage_is_an_error_and_not_a_panic() {
    for text in [
        "",
        "\0",
        "cluster = 1",
        "[[region]]",
        "[rtt.ms.a]\nb = \"far\"",
        "cluster = \"c\"\nx = 1",
    ] {
        assert!(Topology::parse(text).is_err(), "{text:?}");
    }
}
