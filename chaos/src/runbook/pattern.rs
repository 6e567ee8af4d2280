//! Expected output against real output.
//!
//! | in the page | matches |
//! |---|---|
//! | a line `...` | any number of lines, none as well |
//! | `<n>` | a whole number |
//! | `<x>` | a number, perhaps with a fraction or a sign |
//! | `<age>` | an age as `holdfastctl` writes it: `12 ms`, `3.4 s`, `never` |
//! | `<hash>` | hexadecimal digits |
//! | any other `<word>` | anything but nothing, as little as fits |
//! | blanks | any number of blanks, so that columns may be wider |
//!
//! Everything else matches itself. Owns: this language. Must never: run anything.

/// One expected line, cut into what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Blanks,
    Number,
    Decimal,
    Age,
    Hash,
    Anything,
}

/// The first line that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which expected line, from 0; one past the last when there is more output than expected.
    pub expected_at: usize,
    /// What was expected there; `None` when nothing was.
    pub expected: Option<String>,
    /// The line that came instead; `None` when the output had ended.
    pub got: Option<String>,
}

/// Compares line by line; blanks at the end of a line and empty lines at the end of the output do not count.
///
/// # Errors
/// The furthest place that a match could get to.
pub fn compare(expected: &[String], output: &str) -> Result<(), Mismatch> {
    let lines: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
    let mut furthest = (0, 0);
    if lines_match(expected, &lines, (0, 0), &mut furthest) {
        return Ok(());
    }
    let (at, line) = furthest;
    Err(Mismatch {
        expected_at: at,
        expected: expected.get(at).cloned(),
        got: lines.get(line).map(|line| (*line).to_owned()),
    })
}

fn lines_match(
    expected: &[String],
    lines: &[&str],
    at: (usize, usize),
    furthest: &mut (usize, usize),
) -> bool {
    *furthest = at.max(*furthest);
    let (Some((head, rest)), offset) = (expected.split_first(), at) else {
        return lines.is_empty();
    };
    if head.trim() == "..." {
        let next = offset.0 + 1;
        return (0..=lines.len())
            .any(|skip| lines_match(rest, &lines[skip..], (next, offset.1 + skip), furthest));
    }
    let Some((line, others)) = lines.split_first() else {
        return false;
    };
    line_matches(head, line) && lines_match(rest, others, (offset.0 + 1, offset.1 + 1), furthest)
}

/// Whether one line is as expected.
#[must_use]
pub fn line_matches(expected: &str, line: &str) -> bool {
    pieces_match(&pieces(expected.trim_end()), line.trim_end())
}

fn pieces(expected: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = expected;
    while let Some(first) = rest.chars().next() {
        if first == ' ' {
            pieces.push(Piece::Blanks);
            rest = rest.trim_start_matches(' ');
        } else if let Some((name, after)) = placeholder(rest) {
            pieces.push(match name {
                "n" => Piece::Number,
                "x" => Piece::Decimal,
                "age" => Piece::Age,
                "hash" => Piece::Hash,
                _ => Piece::Anything,
            });
            rest = after;
        } else {
            let (text, after) = rest.split_at(first.len_utf8());
            match pieces.last_mut() {
                Some(Piece::Text(before)) => before.push_str(text),
                _ => pieces.push(Piece::Text(text.to_owned())),
            }
            rest = after;
        }
    }
    pieces
}

/// `<name>` at the start of `text`, and what follows.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    plain.then_some((name, after))
}

fn pieces_match(pieces: &[Piece], line: &str) -> bool {
    let Some((head, rest)) = pieces.split_first() else {
        return line.is_empty();
    };
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    match head {
        Piece::Text(text) => line
            .strip_prefix(text.as_str())
            .is_some_and(|after| pieces_match(rest, after)),
        Piece::Blanks => {
            let after = line.trim_start_matches(' ');
            after.len() < line.len() && pieces_match(rest, after)
        }
        Piece::Number => taken(line, digits(line), rest),
        Piece::Hash => taken(
            line,
            line.chars().take_while(char::is_ascii_hexdigit).count(),
            rest,
        ),
        Piece::Decimal => {
            let sign = usize::from(line.starts_with(['-', '+']));
            let number = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
            let length = line[sign..].chars().take_while(|c| number(*c)).count();
            digits(&line[sign..]) > 0 && taken(line, sign + length, rest)
        }
        Piece::Age => age_length(line).is_some_and(|length| taken(line, length, rest)),
        Piece::Anything => (1..=line.len())
            .filter(|end| line.is_char_boundary(*end))
            .any(|end| pieces_match(rest, &line[end..])),
    }
}

/// Takes all of `length` bytes, which must not be none.
fn taken(line: &str, length: usize, rest: &[Piece]) -> bool {
    length > 0 && pieces_match(rest, &line[length..])
}

fn age_length(line: &str) -> Option<usize> {
    if line.starts_with("never") {
        return Some("never".len());
    }
    let number = line
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .count();
    let unit = [" ms", " s"]
        .into_iter()
        .find(|unit| line[number..].starts_with(unit))?;
    (number > 0).then_some(number + unit.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn words_match_themselves_and_placeholders_what_they_name() {
        assert!(line_matches(
            "3  eastus  <age> ago  NO",
            "3   eastus   12.4 s ago   NO"
        ));
        assert!(!line_matches(
            "3  eastus  <age> ago  NO",
            "3 eastus 12 ago NO"
        ));
        assert!(line_matches("index <n>, <x> ms", "index 41, 0.25 ms"));
        assert!(!line_matches("index <n>", "index x"));
        assert!(line_matches("hash <hash>", "hash 00ff12ab"));
        assert!(line_matches("at <place>, led", "at 127.0.0.1:7, b, led"));
        assert!(!line_matches("at <place>, led", "at , led"));
    }

    #[test]
    fn dots_stand_for_any_lines_and_every_other_line_has_to_be_there() {
        let expected = lines("first\n...\nlast");
        assert_eq!(compare(&expected, "first\nlast\n\n"), Ok(()));
        assert_eq!(compare(&expected, "first\na\nb\nlast"), Ok(()));
        let missing = compare(&expected, "first\na\nb").unwrap_err();
        assert_eq!(missing.expected.as_deref(), Some("last"));
        assert_eq!(missing.got, None);
    }

    #[test]
    fn output_that_nobody_expects_is_a_mismatch() {
        let more = compare(&lines("one"), "one\ntwo").unwrap_err();
        assert_eq!((more.expected, more.got), (None, Some("two".to_owned())));
        let other = compare(&lines("one\ntwo"), "one\n2").unwrap_err();
        assert_eq!(other.expected_at, 1);
        assert_eq!(other.got.as_deref(), Some("2"));
    }
}
