//! Labels that a topology puts on its places: the zone of a node, the jurisdiction of a region.
//!
//! Owns: what a valid label looks like. Must never: say what a label implies for placement.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest label, characters.
pub const LABEL_CHARS_MAX: usize = 20;

/// Why a text is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Empty, too long, or with a character that does not belong there.
    #[error(
        "a jurisdiction has 1 to {LABEL_CHARS_MAX} characters A-Z, 0-9 and '-', a letter first, as in EU; got {text:?}"
    )]
    Jurisdiction {
        /// What was given.
        text: String,
    },
    /// Empty, too long, or with a character that does not belong there.
    #[error(
        "a zone has 1 to {LABEL_CHARS_MAX} characters a-z, 0-9 and '-', as in a or az-2; got {text:?}"
    )]
    Zone {
        /// What was given.
        text: String,
    },
}

/// A territory whose law a region stands under: `EU`. Capital letters, digits and dashes, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Jurisdiction(String);

/// A part of a region that can be lost alone: `a`. Means something only inside its region. Lower-case letters, digits
/// and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneId(String);

impl Jurisdiction {
    /// Checks `text` and makes a label of it.
    ///
    /// # Errors
    /// [`LabelError::Jurisdiction`].
    pub fn new(text: impl Into<String>) -> Result<Self, LabelError> {
        let text = text.into();
        let sound = is_label(&text, |c| c.is_ascii_uppercase())
            && text.starts_with(|first: char| first.is_ascii_uppercase());
        if sound {
            Ok(Self(text))
        } else {
            Err(LabelError::Jurisdiction { text })
        }
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ZoneId {
    /// Checks `text` and makes a label of it.
    ///
    /// # Errors
    /// [`LabelError::Zone`].
    pub fn new(text: impl Into<String>) -> Result<Self, LabelError> {
        let text = text.into();
        if is_label(&text, |c| c.is_ascii_lowercase()) {
            Ok(Self(text))
        } else {
            Err(LabelError::Zone { text })
        }
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(text: &str, is_letter: impl Fn(char) -> bool) -> bool {
    (1..=LABEL_CHARS_MAX).contains(&text.len())
        && text
            .chars()
            .all(|c| is_letter(c) || c.is_ascii_digit() || c == '-')
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Jurisdiction {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl FromStr for ZoneId {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Jurisdiction {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl TryFrom<String> for ZoneId {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl From<Jurisdiction> for String {
    fn from(label: Jurisdiction) -> Self {
        label.0
    }
}

impl From<ZoneId> for String {
    fn from(label: ZoneId) -> Self {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jurisdictions_are_written_in_capitals() {
        for good in ["EU", "US", "CH-ZH", "A1"] {
            assert_eq!(Jurisdiction::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "eu", "1A", "-A", "E U", "ÄU", &"X".repeat(21)] {
            assert!(Jurisdiction::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn zones_are_written_small() {
        for good in ["a", "1", "az-2"] {
            assert_eq!(ZoneId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a/b", &"x".repeat(21)] {
            assert!(ZoneId::new(bad).is_err(), "{bad:?}");
        }
    }
}
