//! Rules for Markdown: one title, links that lead somewhere, decisions with numbers of their own.
//!
//! Owns: links inside the repository. Must never: follow a link into the network.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{File, Tree};

const DECISIONS: &str = "docs/adr/";

/// All rules for documents.
pub(super) fn documents_are_sound(tree: &Tree) -> Vec<Finding> {
    let mut findings = decision_numbers(tree);
    for file in tree.ending_in(".md") {
        findings.extend(one_title(file));
        findings.extend(links_lead_somewhere(file, tree));
    }
    findings
}

fn decision_numbers(tree: &Tree) -> Vec<Finding> {
    let mut by_number: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(DECISIONS))
    {
        let number = file.path[DECISIONS.len()..]
            .split('-')
            .next()
            .unwrap_or_default();
        if number.len() != 4 || number.parse::<u16>().is_err() {
            let message = "a decision's file begins with four digits and a dash";
            findings.push(Finding::new(&file.path, 0, message));
        }
        by_number.entry(number).or_default().push(&file.path);
    }
    for (number, paths) in by_number.iter().filter(|(_, paths)| paths.len() > 1) {
        findings.push(Finding::new(
            paths[1],
            0,
            format!("decision {number} is also {}", paths[0]),
        ));
    }
    findings
}

fn one_title(file: &File) -> Option<Finding> {
    let titles = prose(file)
        .filter(|(_, line)| line.starts_with("# "))
        .count();
    let message = format!("has {titles} titles (# …); a document has one");
    (titles != 1).then(|| Finding::new(&file.path, 0, message))
}

fn links_lead_somewhere(file: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, line) in prose(file) {
        for target in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let full = resolve(&file.path, path);
            if !tree.paths.contains(&full) {
                findings.push(Finding::new(
                    &file.path,
                    n,
                    format!("link to {target} leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// Lines outside fenced blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        if fence {
            fenced = !fenced;
        }
        !fenced && !fence
    })
}

/// `link` as seen from the document at `from`, both as paths of the repository.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}
