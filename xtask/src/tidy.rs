//! The structural rules of the repository, as a test.
//!
//! Owns: which rules there are. Must never: judge style that rustfmt or clippy can judge, or have a rule without
//! a reason in CONTRIBUTING.md. Every rule is itself tested on a case that breaks it.

mod contracts;
mod documents;
mod imports;
mod ratchet;
mod rust_files;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// 1-based; 0 for the file as a whole.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

const RULES: [fn(&Tree) -> Vec<Finding>; 13] = [
    rust_files::modules_have_names,
    rust_files::files_say_what_they_own,
    rust_files::files_are_short,
    rust_files::functions_are_short,
    rust_files::nothing_is_left_to_do,
    tree::no_machine_paths,
    imports::foreign_crates_stay_at_their_address,
    imports::crates_import_only_what_they_may,
    imports::crates_take_the_workspace_lints,
    contracts::invariants_are_documented,
    contracts::error_codes_have_pages,
    contracts::metric_names_end_in_their_unit,
    documents::documents_are_sound,
];

/// Every broken rule of the repository at `root`, sorted by place.
///
/// # Errors
/// A file could not be read.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let tree = Tree::read(root)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.sort();
    Ok(findings)
}
