//! The repository's texts in memory.
//!
//! Owns: which files are looked at. Must never: write.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::Finding;

/// Folders that hold what tools made.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "proptest-regressions"];
/// Endings of the texts that rules look at.
const ENDINGS: [&str; 12] = [
    "rs", "md", "toml", "proto", "json", "js", "mjs", "css", "html", "txt", "yml", "lock",
];

/// One file.
pub(super) struct File {
    /// From the repository's root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// All files.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Every path, also of files whose text is not looked at, for links.
    pub(super) paths: Vec<String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, root: &Path, folder: &str) -> anyhow::Result<()> {
        let full = root.join(folder);
        let mut entries = fs::read_dir(&full)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| full.display().to_string())?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            let kind = entry.file_type().with_context(|| path.clone())?;
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.paths.push(path.clone());
                self.read_folder(root, &path)?;
            } else if kind.is_file() {
                self.paths.push(path.clone());
                if ENDINGS
                    .iter()
                    .any(|ending| name.ends_with(&format!(".{ending}")))
                {
                    let text = fs::read(entry.path()).with_context(|| path.clone())?;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    self.files.push(File { path, text });
                }
            }
        }
        Ok(())
    }

    /// A tree of the given paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        let files: Vec<File> = files.iter().map(file).collect();
        Self {
            paths: files.iter().map(|file| file.path.clone()).collect(),
            files,
        }
    }

    pub(super) fn ending_in(&self, ending: &str) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(ending))
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// Lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Whether it is there for tests only.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/benches/")
    }
}

/// Nothing may work on one machine only, or tell where it was made.
pub(super) fn no_machine_paths(tree: &Tree) -> Vec<Finding> {
    let roots = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
    ];
    let mut findings = Vec::new();
    for file in &tree.files {
        for (n, line) in file.lines() {
            if let Some(found) = roots.iter().find(|path| starts_path(line, path)) {
                findings.push(Finding::new(
                    &file.path,
                    n,
                    format!("names a path of one machine: {found}"),
                ));
            }
        }
    }
    findings
}

/// Whether `path` begins somewhere in `line`, rather than being the middle of a longer one.
fn starts_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}' | ']'))
    })
}
