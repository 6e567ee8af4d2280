//! The repository is tidy, and each rule catches what it is there to catch.

use super::tree::Tree;
use super::{Finding, check, contracts, documents, imports, rust_files, tree};

fn messages(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

fn one(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> String {
    let found = messages(&rule(&Tree::of(files)));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn the_repository_is_tidy() {
    let found = messages(&check(crate::repository()).unwrap());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_module_without_a_name_is_found() {
    let found = one(
        rust_files::modules_have_names,
        &[("raft/src/host/mod.rs", "//! x")],
    );
    assert!(found.starts_with("raft/src/host/mod.rs:"), "{found}");
}

#[test]
fn a_file_without_a_head_is_found() {
    one(
        rust_files::files_say_what_they_own,
        &[("a.rs", "use std::fmt;\n")],
    );
}

#[test]
fn long_files_and_functions_are_found() {
    let file = format!("//! x\n{}", "// line\n".repeat(500));
    assert!(
        one(rust_files::files_are_short, &[("a.rs", &file)]).contains("501 lines; at most 500")
    );
    let function = format!("//! x\nfn long() {{\n{}}}\n", "    step();\n".repeat(69));
    assert!(
        one(rust_files::functions_are_short, &[("a.rs", &function)])
            .contains("function long has 71")
    );
}

#[test]
fn leftovers_are_found() {
    let text = concat!("//! x\n// TO", "DO later\n");
    assert!(one(rust_files::nothing_is_left_to_do, &[("a.rs", text)]).starts_with("a.rs:2:"));
}

#[test]
fn a_path_of_one_machine_is_found_but_not_a_part_of_a_url() {
    let bad = concat!("see /ho", "me/me/x\n");
    one(tree::no_machine_paths, &[("a.md", bad)]);
    let fine = concat!("https://example.org/ho", "me/x and ./wo", "rk/\n");
    assert_eq!(tree::no_machine_paths(&Tree::of(&[("a.md", fine)])), []);
}

#[test]
fn a_foreign_crate_away_from_its_address_is_found() {
    let text = "//! x\nuse openraft::Raft;\n";
    assert!(
        one(
            imports::foreign_crates_stay_at_their_address,
            &[("node/src/a.rs", text)]
        )
        .contains("openraft")
    );
    let files = [
        ("raft/src/a.rs", text),
        (
            "node/src/b.rs",
            "//! not openraft::Raft\nuse my_openraft::X;\n",
        ),
    ];
    assert_eq!(
        imports::foreign_crates_stay_at_their_address(&Tree::of(&files)),
        []
    );
}

#[test]
fn a_forbidden_dependency_is_found() {
    let text = "[dependencies]\nholdfast-raft.workspace = true\n[lints]\nworkspace = true\n";
    let found = one(
        imports::crates_import_only_what_they_may,
        &[("gateway/Cargo.toml", text)],
    );
    assert!(
        found.contains("gateway may not depend on holdfast-raft"),
        "{found}"
    );
    let text = "[dev-dependencies]\nsled = \"1\"\n";
    let found = one(
        imports::crates_import_only_what_they_may,
        &[("chaos/Cargo.toml", text)],
    );
    assert!(found.contains("chaos may not depend on sled"), "{found}");
    one(
        imports::crates_import_only_what_they_may,
        &[("new/Cargo.toml", "")],
    );
}

#[test]
fn a_crate_without_the_lints_is_found() {
    one(
        imports::crates_take_the_workspace_lints,
        &[("raft/Cargo.toml", "[lints]\nworkspace = false\n")],
    );
}

#[test]
fn invariants_are_held_against_their_page_both_ways() {
    let files = [
        ("a.rs", "// INV-SEAT-1 and INV-SEAT-2\n"),
        ("docs/INVARIANTS.md", "INV-SEAT-1, INV-TIME-1\n"),
    ];
    let found = messages(&contracts::invariants_are_documented(&Tree::of(&files)));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].contains("INV-SEAT-2 is not explained")
            && found[1].contains("INV-TIME-1 is in no source")
    );
}

#[test]
fn error_codes_are_held_against_their_pages_both_ways() {
    let table = "pub const CODES: &[Code] = &[\n    rejection(\n        \"a_code\", 1, \"x\"),\n    failure(\"b\", 1, true, \"\"),\n];\n";
    let files = [
        ("node/api/src/codes.rs", table),
        ("docs/errors/b.md", ""),
        ("docs/errors/old.md", ""),
    ];
    let found = messages(&contracts::error_codes_have_pages(&Tree::of(&files)));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("a_code has no page") && found[1].contains("old is no code"));
}

#[test]
fn a_metric_without_a_unit_is_found() {
    let text = "//! x\nname(\"holdfast_submit_latency\"); name(\"holdfast_fsyncs_total\");\n";
    assert!(
        one(
            contracts::metric_names_end_in_their_unit,
            &[("node/src/metrics.rs", text)]
        )
        .contains("latency")
    );
}

#[test]
fn unsound_documents_are_found() {
    one(
        documents::documents_are_sound,
        &[("docs/a.md", "# One\n```\n# no title\n```\n# Two\n")],
    );
    let found = one(
        documents::documents_are_sound,
        &[("docs/a.md", "# A\n[x](../b.md#c) [y](a.md)\n")],
    );
    assert!(found.contains("../b.md#c leads nowhere"), "{found}");
    let twice = [
        ("docs/adr/0001-a.md", "# A\n"),
        ("docs/adr/0001-b.md", "# B\n"),
    ];
    assert!(one(documents::documents_are_sound, &twice).contains("decision 0001 is also"));
}
