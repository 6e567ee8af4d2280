//! The texts of the page, from the catalogue that scripts use too (`ui/messages/*.json`).
//!
//! Owns: looking a text up, putting values in, one and many. Must never: escape anything (the template does), or hold a text
//! of its own.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::language::Language;

/// English, as served to scripts.
pub(in crate::http) const ENGLISH: &str = include_str!("../../../ui/messages/en.json");
/// German, as served to scripts.
pub(in crate::http) const GERMAN: &str = include_str!("../../../ui/messages/de.json");

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Counted { one: String, other: String },
}

type Texts = HashMap<String, Text>;

fn parse(json: &str) -> Texts {
    // Part of the binary; a test reads it.
    serde_json::from_str(json).unwrap_or_default()
}

static TEXTS: LazyLock<[Texts; 2]> = LazyLock::new(|| [parse(ENGLISH), parse(GERMAN)]);

/// How one reader is spoken to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) language: Language,
    texts: &'static Texts,
}

impl Words {
    /// The words of `language`.
    pub(super) fn of(language: Language) -> Self {
        let [english, german] = &*TEXTS;
        let texts = match language {
            Language::English => english,
            Language::German => german,
        };
        Self { language, texts }
    }

    /// The text `key`; a key that is missing shows itself.
    pub(super) fn t(self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The text `key` when there is one.
    pub(super) fn find(self, key: &str) -> Option<String> {
        self.texts.contains_key(key).then(|| self.t(key))
    }

    /// The text `key` with `{name}` replaced.
    pub(super) fn with(self, key: &str, values: &[(&str, &str)]) -> String {
        let text = match self.texts.get(key) {
            Some(Text::One(text) | Text::Counted { other: text, .. }) => text.as_str(),
            None => key,
        };
        filled(text, values)
    }

    /// The text `key` for `n` things; `{n}` is the number. English and German tell one from the rest.
    pub(super) fn n(self, key: &str, n: usize) -> String {
        let text = match self.texts.get(key) {
            Some(Text::Counted { one, .. }) if n == 1 => one,
            Some(Text::One(text) | Text::Counted { other: text, .. }) => text,
            None => key,
        };
        filled(text, &[("n", &n.to_string())])
    }
}

/// Puts values in, in one pass: a value that looks like a placeholder stays as it is.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let mut made = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let placed = after.split_once('}').and_then(|(name, after)| {
            let value = values.iter().find(|(known, _)| *known == name)?;
            Some((value.1, after))
        });
        match placed {
            Some((value, after)) => {
                made.push_str(value);
                rest = after;
            }
            None => {
                made.push('{');
                rest = after;
            }
        }
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        let parts = text.split('{').skip(1);
        parts
            .filter_map(|part| Some(part.split_once('}')?.0))
            .collect()
    }

    #[test]
    fn every_language_says_the_same_things_with_the_same_values() {
        let [english, german]: [Texts; 2] =
            [ENGLISH, GERMAN].map(|json| serde_json::from_str(json).unwrap());
        assert_eq!(
            english.keys().collect::<BTreeSet<_>>(),
            german.keys().collect::<BTreeSet<_>>()
        );
        for (key, text) in &english {
            match (text, &german[key]) {
                (Text::One(a), Text::One(b)) => {
                    assert_eq!(placeholders(a), placeholders(b), "{key}")
                }
                (Text::Counted { other: a, .. }, Text::Counted { other: b, .. }) => {
                    assert_eq!(placeholders(a), placeholders(b), "{key}");
                }
                _ => panic!("{key} is counted in one language only"),
            }
        }
    }

    #[test]
    fn values_are_put_in_once() {
        assert_eq!(
            filled("a {x} b {y}", &[("x", "{y}"), ("y", "2")]),
            "a {y} b 2"
        );
        assert_eq!(filled("{ {z} }", &[("x", "1")]), "{ {z} }");
    }

    #[test]
    fn one_is_told_from_many() {
        let words = Words::of(Language::German);
        assert_eq!(words.n("seats", 1), "1 Platz");
        assert_eq!(words.n("seats", 3), "3 Plätze");
        assert_eq!(words.t("no.such.key"), "no.such.key");
    }
}
