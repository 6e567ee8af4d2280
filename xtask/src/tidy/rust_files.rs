//! Rules for single Rust files: names, heads, lengths, leftovers.
//!
//! Owns: their wording. Must never: need a parser; rustfmt's layout is enough to find where a function ends.

use super::Finding;
use super::ratchet::{
    FILE_LINES_MAX, FUNCTION_LINES_MAX, LONG_FILES, LONG_FUNCTIONS, TEST_FILE_LINES_MAX,
    TEST_FUNCTION_LINES_MAX,
};
use super::tree::{File, Tree};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 4] = ["mod", "utils", "common", "helpers"];

/// `foo.rs` beside `foo/`, and a noun of the domain.
pub(super) fn modules_have_names(tree: &Tree) -> Vec<Finding> {
    let stem = |file: &File| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(".rs").to_owned()
    };
    let nameless = |file: &&File| EMPTY_NAMES.contains(&stem(file).as_str());
    let message = "name the module for what it holds, as foo.rs beside foo/";
    tree.ending_in(".rs")
        .filter(nameless)
        .map(|file| Finding::new(&file.path, 0, message))
        .collect()
}

/// The first line of every file opens its head.
pub(super) fn files_say_what_they_own(tree: &Tree) -> Vec<Finding> {
    let headless = |file: &&File| !file.text.starts_with("//! ");
    let message = "does not begin with //! saying what it owns and must never do";
    tree.ending_in(".rs")
        .filter(headless)
        .map(|file| Finding::new(&file.path, 1, message))
        .collect()
}

/// A file fits in one head; what is longer is two things.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending_in(".rs") {
        let lines = production_lines(&file.text);
        let limit = if file.is_test() {
            TEST_FILE_LINES_MAX
        } else {
            FILE_LINES_MAX
        };
        let excused = LONG_FILES
            .iter()
            .find(|(path, _)| *path == file.path)
            .map(|(_, lines)| *lines);
        findings.extend(ratchet(file, 0, "the file", lines, limit, excused));
    }
    findings
}

/// A function fits on a screen.
pub(super) fn functions_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending_in(".rs") {
        let tests_from = production_lines(&file.text);
        for (n, name, lines) in functions(&file.text) {
            let in_test = file.is_test() || n > tests_from;
            let limit = if in_test {
                TEST_FUNCTION_LINES_MAX
            } else {
                FUNCTION_LINES_MAX
            };
            let excused = LONG_FUNCTIONS
                .iter()
                .find(|(path, f, _)| *path == file.path && *f == name);
            let what = format!("function {name}");
            findings.extend(ratchet(
                file,
                n,
                &what,
                lines,
                limit,
                excused.map(|(_, _, lines)| *lines),
            ));
        }
    }
    findings
}

/// What is known to be missing is an issue, not a comment.
pub(super) fn nothing_is_left_to_do(tree: &Tree) -> Vec<Finding> {
    let marks = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("db", "g!("),
    ];
    let mut findings = Vec::new();
    for file in tree.ending_in(".rs") {
        for (n, line) in file.lines() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                findings.push(Finding::new(
                    &file.path,
                    n,
                    format!("{mark} is not for committing"),
                ));
            }
        }
    }
    findings
}

fn ratchet(
    file: &File,
    line: usize,
    what: &str,
    lines: usize,
    limit: usize,
    excused: Option<usize>,
) -> Option<Finding> {
    let message = match excused {
        None if lines > limit => format!("{what} has {lines} lines; at most {limit}"),
        Some(max) if lines > max => {
            format!("{what} has {lines} lines and had {max}: it may only shrink")
        }
        Some(_) if lines <= limit => {
            format!("{what} fits now: remove its entry in xtask/src/tidy/ratchet.rs")
        }
        _ => return None,
    };
    Some(Finding::new(&file.path, line, message))
}

/// Lines before the inline tests, if there are any.
fn production_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

/// Line, name and length of each function with a body of more than one line.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else {
            continue;
        };
        let indent = &line[..line.len() - code.len()];
        let close = format!("{indent}}}");
        // A declaration without a body ends in a semicolon at the same depth.
        let end = lines[n..].iter().position(|line| *line == close);
        let bodiless = lines[n..].iter().position(|line| line.ends_with(';'));
        let opens = lines[n..].iter().position(|line| line.ends_with('{'));
        if let (Some(end), Some(opens)) = (end, opens)
            && bodiless.is_none_or(|semicolon| opens <= semicolon)
        {
            found.push((n + 1, name, end + 1));
        }
    }
    found
}

fn function_name(code: &str) -> Option<String> {
    const BEFORE: [&str; 5] = ["pub", "pub(crate)", "pub(super)", "const", "async"];
    let mut words = code.split_whitespace();
    let word = words.find(|word| !BEFORE.contains(word))?;
    let name = (word == "fn").then(|| words.next()).flatten()?;
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    Some(name[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::{functions, production_lines};

    #[test]
    fn functions_are_measured_from_fn_to_closing_brace() {
        let text = "impl A {\n    pub(crate) async fn f(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n\n    fn g();\n}\nfn h() {}\n";
        assert_eq!(functions(text), [(2, "f".to_owned(), 5)]);
    }

    #[test]
    fn inline_tests_do_not_count() {
        assert_eq!(
            production_lines("fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n"),
            2
        );
        assert_eq!(
            production_lines("#[cfg(test)]\nmod tests;\n\nfn a() {}\n"),
            4
        );
    }
}
