//! The keys of box offices and other partners, whom no rate is for.
//!
//! Owns: their digests. Must never: keep a key itself, write one down, or take longer for a key that is nearly right.

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header that a key is sent in.
pub const HEADER: &str = "x-holdfast-office-key";
/// Shortest key, so that none can be guessed.
const KEY_BYTES_MIN: usize = 32;
/// Longest.
const KEY_BYTES_MAX: usize = 256;
/// Most keys; each costs one comparison.
const KEYS_MAX: usize = 256;

/// The file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OfficeKeysError {
    /// It cannot be read.
    #[error("office key file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is no key.
    #[error(
        "office key file {}: line {line} must be a key of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes, and there may be {KEYS_MAX}",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

/// See the module's head.
pub struct OfficeKeys {
    keyed: Hmac<Sha256>,
    digests: Vec<Vec<u8>>,
}

impl std::fmt::Debug for OfficeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OfficeKeys({})", self.digests.len())
    }
}

impl OfficeKeys {
    /// The keys in `text`, one a line; empty lines and those that begin with `#` are none. `secret` is only for digests.
    ///
    /// # Errors
    /// The first line that is no key.
    fn parse(text: &str, secret: [u8; 32]) -> Result<Self, usize> {
        let keyed =
            Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes a key of any length");
        let mut digests = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let key = line.trim();
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) || digests.len() == KEYS_MAX {
                return Err(at + 1);
            }
            let digest = keyed.clone().chain_update(key).finalize();
            digests.push(digest.into_bytes().to_vec());
        }
        Ok(Self { keyed, digests })
    }

    /// No keys.
    #[must_use]
    pub fn none(secret: [u8; 32]) -> Self {
        Self::parse("", secret).expect("nothing in it is wrong")
    }

    /// Reads a file of keys; `secret` is only for digests.
    ///
    /// # Errors
    /// [`OfficeKeysError`] names the file and the line, never a key.
    pub fn load(path: &Path, secret: [u8; 32]) -> Result<Self, OfficeKeysError> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| OfficeKeysError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, secret).map_err(|line| OfficeKeysError::Line {
            path: path.to_owned(),
            line,
        })
    }

    /// Whether `key` is one of them. Every digest is compared in constant time, also after one fitted.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        if key.len() > KEY_BYTES_MAX {
            return false;
        }
        let given = self.keyed.clone().chain_update(key);
        self.digests.iter().fold(false, |known, digest| {
            given.clone().verify_slice(digest).is_ok() | known
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_whole_and_never_shown() {
        let key = "k".repeat(32);
        let keys = OfficeKeys::parse(&format!("# desk 1\n\n  {key}  \n"), [1; 32]).unwrap();
        assert!(keys.knows(&key));
        for other in ["", &key[1..], &format!("{key}k"), &"k".repeat(10_000)] {
            assert!(!keys.knows(other));
        }
        assert_eq!(format!("{keys:?}"), "OfficeKeys(1)");
        assert!(!OfficeKeys::none([1; 32]).knows(""));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let good = "k".repeat(32);
        assert_eq!(
            OfficeKeys::parse(&format!("{good}\nshort"), [1; 32]).unwrap_err(),
            2
        );
        let many = vec![good; KEYS_MAX + 1].join("\n");
        assert_eq!(OfficeKeys::parse(&many, [1; 32]).unwrap_err(), KEYS_MAX + 1);
    }
}
