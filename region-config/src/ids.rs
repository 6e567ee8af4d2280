//! Names of places: regions, nodes, groups.
//!
//! Owns: what a valid id looks like. Must never: allow arithmetic on ids or silent conversion from numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest region id, characters. Region ids are metric labels and parts of file names.
pub const REGION_ID_CHARS_MAX: usize = 40;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The region id is empty or too long.
    #[error("a region id has 1 to {REGION_ID_CHARS_MAX} characters, got {chars}")]
    RegionLength {
        /// How many characters were given.
        chars: usize,
    },
    /// The region id has a character that is not allowed.
    #[error("a region id is made of a-z, 0-9 and '-', and starts with a letter; got {found:?}")]
    RegionCharacter {
        /// The first character at fault.
        found: char,
    },
    /// Not a node id such as `n2` or `2`.
    #[error("{text:?} is not a node id such as n2")]
    Node {
        /// What was given.
        text: String,
    },
    /// Not a group id such as `g7` or `7`.
    #[error("{text:?} is not a group id such as g7")]
    Group {
        /// What was given.
        text: String,
    },
}

/// A region: `westeurope`. Lower-case letters, digits and dashes, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionId(String);

impl RegionId {
    /// Checks `text` and makes an id of it.
    ///
    /// # Errors
    /// [`IdError::RegionLength`] and [`IdError::RegionCharacter`].
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let chars = text.chars().count();
        if chars == 0 || chars > REGION_ID_CHARS_MAX {
            return Err(IdError::RegionLength { chars });
        }
        let allowed = |(at, c): (usize, char)| {
            c.is_ascii_lowercase() || (at > 0 && (c.is_ascii_digit() || c == '-'))
        };
        match text.chars().enumerate().find(|&pair| !allowed(pair)) {
            Some((_, found)) => Err(IdError::RegionCharacter { found }),
            None => Ok(Self(text)),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RegionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for RegionId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<RegionId> for String {
    fn from(id: RegionId) -> Self {
        id.0
    }
}

impl std::borrow::Borrow<str> for RegionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One replica server, unique in the cluster for ever. Shown as `n2`. Zero means "none" on the wire and is
/// refused in topology files.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeId(u64);

impl NodeId {
    /// The node with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for wire and disk.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix('n').unwrap_or(text);
        number(digits).map(Self).ok_or_else(|| IdError::Node {
            text: text.to_owned(),
        })
    }
}

/// One Raft group. Shown as `g7`. Group 0 is the directory; those from [`GroupId::BUYER_INDEXES_FROM`] are indexes of buyers;
/// every other group is one show's inventory.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GroupId(u64);

impl GroupId {
    /// The group that knows regions, nodes, catalogue and placement.
    pub const DIRECTORY: Self = Self(0);

    /// The first group of an index of buyers. Shows are numbered from 1 and never get this far, so that a number alone says
    /// what a group holds: a replica is opened, and a snapshot is read, before the directory can be asked.
    pub const BUYER_INDEXES_FROM: Self = Self(1_000_000_000);

    /// The group with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for wire and disk.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is [`GroupId::DIRECTORY`].
    #[must_use]
    pub const fn is_directory(self) -> bool {
        self.0 == Self::DIRECTORY.0
    }

    /// Whether this is the group of an index of buyers.
    #[must_use]
    pub const fn is_buyer_index(self) -> bool {
        self.0 >= Self::BUYER_INDEXES_FROM.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

impl FromStr for GroupId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix('g').unwrap_or(text);
        number(digits).map(Self).ok_or_else(|| IdError::Group {
            text: text.to_owned(),
        })
    }
}

/// Plain decimal only: `u64::from_str` alone would also take `+5`.
fn number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_ids_are_short_lower_case_words() {
        assert!(RegionId::new("eu-central-1").is_ok());
        assert_eq!(RegionId::new(""), Err(IdError::RegionLength { chars: 0 }));
        assert_eq!(
            RegionId::new("West"),
            Err(IdError::RegionCharacter { found: 'W' })
        );
        assert_eq!(
            RegionId::new("1west"),
            Err(IdError::RegionCharacter { found: '1' })
        );
        assert_eq!(
            RegionId::new("a/../b"),
            Err(IdError::RegionCharacter { found: '/' })
        );
        assert_eq!(
            RegionId::new("x".repeat(41)),
            Err(IdError::RegionLength { chars: 41 })
        );
    }

    #[test]
    fn node_and_group_ids_survive_their_text_form() {
        assert_eq!(NodeId::new(12).to_string().parse(), Ok(NodeId::new(12)));
        assert_eq!("7".parse(), Ok(GroupId::new(7)));
        assert_eq!("g0".parse::<GroupId>().map(GroupId::is_directory), Ok(true));
        assert!("n".parse::<NodeId>().is_err());
        assert!("+5".parse::<NodeId>().is_err());
        assert!("n99999999999999999999".parse::<NodeId>().is_err());
    }
}
