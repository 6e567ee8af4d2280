//! Who a buyer is: a random guest identity in a signed, expiring token.
//!
//! Owns: making and checking tokens. Must never: hold personal data, or accept a token whose signature was not checked
//! first. Every gateway shares one key, so a guest of one region is known in all.
//!
//! ```text
//! token = base64url( version:1 | buyer:16 | expires_at_s:8 BE | HMAC-SHA256(version|buyer|expires_at_s):32 )
//! ```

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::chance;

const VERSION: u8 = 1;
const BUYER_BYTES: usize = 16;
const CLAIM_BYTES: usize = 1 + BUYER_BYTES + 8;
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = CLAIM_BYTES + MAC_BYTES;
/// Length of a token's text; anything longer is refused before it is decoded.
const TOKEN_TEXT_BYTES: usize = TOKEN_BYTES.div_ceil(3) * 4;
const KEY_BYTES: usize = 32;

/// A buyer: 16 random bytes, meaningless outside Holdfast.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Buyer(pub [u8; BUYER_BYTES]);

impl Buyer {
    /// As it travels on the wire.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

impl std::fmt::Display for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for Buyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buyer({self})")
    }
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of ours, or somebody changed it.
    #[error("the token is malformed or its signature does not match")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("session key file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not a key.
    #[error(
        "session key file {path} must hold exactly 64 hexadecimal digits (32 bytes), found {found}"
    )]
    Content {
        /// The file.
        path: String,
        /// What was found instead, without showing it.
        found: String,
    },
}

/// Makes and checks guest tokens with one secret key.
pub struct Sessions {
    keyed: Hmac<Sha256>,
    lifetime: Duration,
}

impl Sessions {
    /// Uses `key` (32 secret bytes); tokens last `lifetime`.
    #[must_use]
    pub fn new(key: [u8; KEY_BYTES], lifetime: Duration) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        Self { keyed, lifetime }
    }

    /// Reads the key from `path`: 64 hexadecimal digits, white space around them ignored.
    ///
    /// # Errors
    /// [`KeyError`] names the file and what is wrong with it, never its content.
    pub fn from_key_file(path: &Path, lifetime: Duration) -> Result<Self, KeyError> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| KeyError::Read {
            path: shown.clone(),
            source,
        })?;
        let key = decode_hex(text.trim()).ok_or_else(|| KeyError::Content {
            path: shown,
            found: format!("{} bytes of text", text.trim().len()),
        })?;
        Ok(Self::new(key, lifetime))
    }

    /// A secret for another purpose: every gateway of the cluster derives the same, and none says anything about the key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(b"derive ");
        keyed.update(purpose.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// How long a token is good for.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A key for another purpose, which tells nothing about this one. Every gateway derives the same.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> [u8; KEY_BYTES] {
        // What tokens are signed over begins with their version, never with this.
        let mac = self.keyed.clone().chain_update(b"key for ");
        mac.chain_update(purpose.as_bytes())
            .finalize()
            .into_bytes()
            .into()
    }

    /// A new buyer that nobody can guess.
    #[must_use]
    pub fn new_buyer() -> Buyer {
        Buyer(chance::draw())
    }

    /// A token for `buyer`; also says when it expires, seconds since the Unix epoch.
    #[must_use]
    pub fn issue(&self, buyer: Buyer, now_ms: u64) -> (String, u64) {
        let expires_at_s = now_ms / 1000 + self.lifetime.as_secs();
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&buyer.0);
        bytes.extend_from_slice(&expires_at_s.to_be_bytes());
        let mac = self
            .keyed
            .clone()
            .chain_update(&bytes)
            .finalize()
            .into_bytes();
        bytes.extend_from_slice(&mac);
        (URL_SAFE_NO_PAD.encode(bytes), expires_at_s)
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] before anything in the token is believed, [`TokenError::Expired`] after.
    pub fn verify(&self, token: &str, now_ms: u64) -> Result<Buyer, TokenError> {
        if token.len() > TOKEN_TEXT_BYTES {
            return Err(TokenError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Invalid)?;
        let (claim, mac) = bytes
            .split_at_checked(CLAIM_BYTES)
            .ok_or(TokenError::Invalid)?;
        self.keyed
            .clone()
            .chain_update(claim)
            .verify_slice(mac)
            .map_err(|_| TokenError::Invalid)?;
        let (version, rest) = claim.split_first().ok_or(TokenError::Invalid)?;
        if *version != VERSION {
            return Err(TokenError::Invalid);
        }
        let (buyer, expires) = rest
            .split_at_checked(BUYER_BYTES)
            .ok_or(TokenError::Invalid)?;
        let buyer = buyer.try_into().map_err(|_| TokenError::Invalid)?;
        let expires_at_s = u64::from_be_bytes(expires.try_into().map_err(|_| TokenError::Invalid)?);
        if now_ms / 1000 >= expires_at_s {
            return Err(TokenError::Expired);
        }
        Ok(Buyer(buyer))
    }
}

fn decode_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0u8; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| {
            char::from(c)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Sessions {
        Sessions::new([7; KEY_BYTES], Duration::from_secs(60))
    }

    #[test]
    fn a_token_names_its_buyer_until_it_expires() {
        let sessions = sessions();
        let buyer = Sessions::new_buyer();
        let (token, expires_at_s) = sessions.issue(buyer, 5_000);
        assert_eq!(expires_at_s, 65);
        assert_eq!(sessions.verify(&token, 64_999), Ok(buyer));
        assert_eq!(sessions.verify(&token, 65_000), Err(TokenError::Expired));
    }

    #[test]
    fn every_changed_bit_spoils_the_token() {
        let sessions = sessions();
        let (token, _) = sessions.issue(Buyer([1; 16]), 0);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(
                sessions.verify(&changed, 0),
                Err(TokenError::Invalid),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_token_of_another_key_or_of_no_key_is_refused() {
        let (token, _) = Sessions::new([8; 32], Duration::from_secs(60)).issue(Buyer([1; 16]), 0);
        let long = "A".repeat(10_000);
        for bad in [
            token.as_str(),
            "",
            "x",
            "====",
            &token[..token.len() - 1],
            &long,
        ] {
            assert_eq!(sessions().verify(bad, 0), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_key_file_is_64_hexadecimal_digits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let life = Duration::from_secs(1);
        assert!(matches!(
            Sessions::from_key_file(&path, life),
            Err(KeyError::Read { .. })
        ));
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63)] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(
                Sessions::from_key_file(&path, life),
                Err(KeyError::Content { .. })
            ));
        }
        std::fs::write(&path, format!("{}\n", "aB".repeat(32))).unwrap();
        assert!(Sessions::from_key_file(&path, life).is_ok());
    }
}
