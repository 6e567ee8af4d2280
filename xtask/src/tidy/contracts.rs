//! What the code promises to readers outside it: invariants, error codes, metric names.
//!
//! Owns: that promise and page exist together. Must never: import the crates it reads; it compiles before them.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{File, Tree};

const INVARIANTS: &str = "docs/INVARIANTS.md";
const CODES: &str = "node/api/src/codes.rs";
const PAGES: &str = "docs/errors/";

/// How a metric's name may end: a unit, a kind, or the things that a gauge counts.
const METRIC_ENDINGS: &[&str] = &[
    "total",
    "seconds",
    "bytes",
    "ratio",
    "ms",
    "index",
    "info",
    "groups",
    "leaders",
    "nodes",
    "peers",
    "people",
    "shows",
    "streams",
    "connections",
    "clients",
    "commands",
    "entries",
    "requests",
    "buyers",
    "proxies",
    "proposals",
    "records",
    "snapshots",
    "tasks",
];

/// Every `INV-…` in the code is explained, and every one explained is in the code.
pub(super) fn invariants_are_documented(tree: &Tree) -> Vec<Finding> {
    let mut in_code: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    let code = |file: &&File| !file.path.starts_with("xtask/");
    for file in tree.ending_in(".rs").filter(code) {
        for (n, line) in file.lines() {
            for id in invariant_ids(line) {
                in_code.entry(id).or_insert((&file.path, n));
            }
        }
    }
    let page = tree.get(INVARIANTS).map_or("", |file| file.text.as_str());
    let documented: Vec<String> = page.lines().flat_map(invariant_ids).collect();
    let mut findings = Vec::new();
    for (id, (path, line)) in &in_code {
        if !documented.contains(id) {
            findings.push(Finding::new(
                path,
                *line,
                format!("{id} is not explained in {INVARIANTS}"),
            ));
        }
    }
    for id in documented.iter().filter(|id| !in_code.contains_key(*id)) {
        findings.push(Finding::new(
            INVARIANTS,
            0,
            format!("{id} is in no source file"),
        ));
    }
    findings
}

/// Every published code has its page, and every page its code.
pub(super) fn error_codes_have_pages(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.get(CODES) else {
        return Vec::new();
    };
    let codes = published_codes(&table.text);
    let mut findings = Vec::new();
    for code in &codes {
        let page = format!("{PAGES}{code}.md");
        if tree.get(&page).is_none() {
            findings.push(Finding::new(
                CODES,
                0,
                format!("code {code} has no page {page}"),
            ));
        }
    }
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(PAGES))
    {
        let code = file.path.trim_start_matches(PAGES).trim_end_matches(".md");
        if code != "README" && !codes.iter().any(|known| known == code) {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("{code} is no code of {CODES}"),
            ));
        }
    }
    findings
}

/// A number on a dashboard says what it is a number of.
pub(super) fn metric_names_end_in_their_unit(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending_in("metrics.rs") {
        for (n, line) in file.lines() {
            for name in line
                .split('"')
                .skip(1)
                .step_by(2)
                .filter(|text| is_metric(text))
            {
                let ending = name.rsplit('_').next().unwrap_or_default();
                if !METRIC_ENDINGS.contains(&ending) {
                    let message =
                        format!("metric {name} does not end in its unit, _total or _ratio");
                    findings.push(Finding::new(&file.path, n, message));
                }
            }
        }
    }
    findings
}

fn is_metric(text: &str) -> bool {
    text.starts_with("holdfast_")
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Every `INV-WORD-7` of a line.
fn invariant_ids(line: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, _) in line.match_indices("INV-") {
        let rest = &line[at + 4..];
        let word = rest
            .bytes()
            .take_while(|b| b.is_ascii_uppercase() || *b == b'_')
            .count();
        let digits = rest
            .bytes()
            .skip(word + 1)
            .take_while(u8::is_ascii_digit)
            .count();
        if word > 0 && digits > 0 && rest.as_bytes()[word] == b'-' {
            ids.push(line[at..at + 4 + word + 1 + digits].to_owned());
        }
    }
    ids
}

/// First argument of each row's constructor in the table.
fn published_codes(text: &str) -> Vec<String> {
    let Some((_, table)) = text.split_once("pub const CODES") else {
        return Vec::new();
    };
    let table = table.split("\n];").next().unwrap_or_default();
    let mut codes = Vec::new();
    for kind in ["rejection(", "failure(", "request("] {
        for row in table.split(kind).skip(1) {
            codes.extend(row.split('"').nth(1).map(str::to_owned));
        }
    }
    codes
}
