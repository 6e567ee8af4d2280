//! Arguments, exit codes, and what is said when nobody answers.

use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

use super::show_file::ShowFile;
use super::{Answer, Args, Failure, run};

fn args(line: &str) -> Args {
    Args::try_parse_from(line.split_whitespace()).unwrap()
}

fn run_line(line: &str) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(args(line)))
}

/// The example of `show create --help`, as a file.
fn example_show(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("show.toml");
    let text = super::show_file::HELP
        .lines()
        .skip(1)
        .collect::<Vec<_>>()
        .join("\n");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_command_line_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn a_refused_connection_says_which_address_and_what_to_try() {
    // Bound and dropped: nobody listens there now.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let failure = run_line(&format!("holdfastctl --node {address} cluster status")).unwrap_err();
    let text = failure.to_string();
    assert_eq!(failure.exit_code(), 3, "{text}");
    assert!(
        text.contains(&address.to_string()) && text.contains("connection refused"),
        "{text}"
    );
    assert!(failure.to_json_line().contains("\"code\":\"unreachable\""));
}

#[test]
fn a_listener_that_never_answers_is_given_up_on() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let line = format!("holdfastctl --node {address} --timeout-ms 50 show list");
    let failure = run_line(&line).unwrap_err();
    assert_eq!(failure.exit_code(), 3, "{failure}");
}

#[test]
fn an_address_that_cannot_be_one_is_a_mistake_on_the_command_line() {
    let failure = run_line("holdfastctl --node http:// cluster status").unwrap_err();
    assert_eq!(failure.exit_code(), 2, "{failure}");
}

#[test]
fn show_ids_are_checked_before_anyone_is_asked() {
    let error = Args::try_parse_from(["holdfastctl", "show", "status", "7"]).unwrap_err();
    assert!(
        error.to_string().contains("expected a show id, such as s7"),
        "{error}"
    );
}

#[test]
fn plan_check_needs_no_node_and_explains_every_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.json");
    let text = r#"{"name": "x", "size": {"width": 1, "height": 1}, "categories": [], "zones": []}"#;
    std::fs::write(&path, text).unwrap();
    let answer = run_line(&format!("holdfastctl plan check {}", path.display())).unwrap();
    assert!(!answer.well);
    assert_eq!(answer.json["problems"][0]["path"], "zones");

    let missing =
        run_line(&format!("holdfastctl plan check {}", dir.path().display())).unwrap_err();
    assert_eq!(missing.exit_code(), 5, "{missing}");
}

#[test]
fn a_faulty_plan_is_never_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.json");
    std::fs::write(&path, "{}").unwrap();
    // No --node is given: the check comes first.
    let answer = run_line(&format!("holdfastctl plan import {}", path.display())).unwrap();
    assert!(!answer.well);
}

#[test]
fn the_example_in_the_help_is_a_show() {
    let dir = tempfile::tempdir().unwrap();
    let show = ShowFile::read(&example_show(dir.path())).unwrap();
    let request = show.request(3, 4);
    assert_eq!(
        (
            request.event_id,
            request.plan_id,
            request.seats_per_order_max
        ),
        (3, 4, 0)
    );
    assert_eq!(request.price_minor["Stalls front"], 6_500);
}

#[test]
fn a_misspelt_field_of_a_show_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = example_show(dir.path());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("seats_per_oder_max = 4\n{text}")).unwrap();
    let failure = ShowFile::read(&path).unwrap_err();
    assert_eq!(failure.exit_code(), 5);
    assert!(
        failure.to_string().contains("seats_per_oder_max"),
        "{failure}"
    );
}
