//! What `holdfastctl placement explain` says, word for word, and what it says to machines.
//!
//! The texts in `golden/placement/` start with the command line that they answer. After a change that is meant, run the
//! command and look at every line that differs before replacing the file.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use clap::Parser as _;
use holdfast_node::ctl::{Answer, Args, Failure, run};
use holdfast_region_config::Topology;

async fn ask(line: &str) -> Result<Answer, Failure> {
    run(Args::try_parse_from(line.split_whitespace()).unwrap()).await
}

#[tokio::test]
async fn explanations_read_as_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/placement");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (command, expected) = text.split_once("\n\n").unwrap();
        let answer = ask(command.strip_prefix("$ ").unwrap()).await.unwrap();
        assert_eq!(answer.text, expected.trim_end(), "{}", path.display());
        tried += 1;
    }
    assert!(tried >= 4, "only {tried} files found");
}

#[tokio::test]
async fn machines_get_everything_on_one_line() {
    let line = "holdfastctl --json placement explain --preset eight-regions --home westeurope --show s7 --without n4";
    let answer = ask(line).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&answer.to_json_line()).unwrap();
    assert_eq!(json["group"], 7);
    assert_eq!(json["goal"], "region");
    assert_eq!(json["without"][0], "n4");
    assert_eq!(json["placement"]["commit_floor_ms"], 14.0);
    assert_eq!(json["placement"]["voters"][1]["role"], "secondary");
    assert_eq!(json["candidates"].as_array().unwrap().len(), 63);
    assert_eq!(json["candidates"][0]["verdict"], "chosen");
    let voters = json["placement"]["voters"].as_array().unwrap();
    assert!(voters.iter().all(|voter| voter["node"] != "n4"));
}

#[tokio::test]
async fn a_goal_that_cannot_be_kept_is_an_answer_that_is_not_well() {
    let line = "holdfastctl placement explain --preset eight-regions --home eastus --jurisdiction US --goal region";
    let answer = ask(line).await.unwrap();
    assert!(!answer.well);
    assert!(answer.json["placement"].is_null());
    let reason = answer.json["refused_because"].as_str().unwrap();
    assert!(reason.contains("needs 3 voting regions"), "{reason}");
}

#[tokio::test]
async fn a_topology_file_is_read_and_a_bad_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("topology.toml");
    let five = Topology::preset("five-regions").unwrap();
    std::fs::write(&file, five.to_toml()).unwrap();
    let line = |file: &Path| {
        format!(
            "holdfastctl placement explain --topology {} --home eastus",
            file.display()
        )
    };
    let answer = ask(&line(&file)).await.unwrap();
    assert!(answer.text.contains("commits in 89 ms"), "{}", answer.text);
    std::fs::write(&file, "cluster = 1").unwrap();
    let failure = ask(&line(&file)).await.unwrap_err();
    assert_eq!(failure.exit_code(), 5);
    assert!(failure.to_string().contains("topology.toml"), "{failure}");
}

#[tokio::test]
async fn names_that_the_topology_does_not_know_are_mistakes_on_the_command_line() {
    for (arguments, expected) in [
        ("--home mars", "there is no region mars; there are eastus"),
        (
            "--home eastus --without n99",
            "--without: there is no node n99",
        ),
        (
            "--home eastus --voters n1,n99",
            "--voters: there is no node n99",
        ),
    ] {
        let line = format!("holdfastctl placement explain --preset three-regions {arguments}");
        let failure = ask(&line).await.unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains(expected), "{failure}");
    }
    for arguments in [
        "--home eastus",
        "--preset moon --home eastus",
        "--preset local --home local --goal all",
    ] {
        let line = format!("holdfastctl placement explain {arguments}");
        assert!(
            Args::try_parse_from(line.split_whitespace()).is_err(),
            "{line}"
        );
    }
}
