//! Keys: where a ticket stands on the line.
//!
//! Owns: the two ways to a key and how keys are written. Must never: change either, because people keep proofs.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What the draw depends on.
pub type Seed = [u8; 32];
/// SHA-256 of a seed.
pub type Commit = [u8; 32];
/// A ticket's number.
pub type Qid = [u8; 16];

/// Where the late begin: behind everybody who was drawn.
pub const LATE_START: u128 = 1 << 64;
/// Bits under a millisecond, for a fair order among those who come in the same one.
const TIE_BITS: u32 = 20;

/// The promise that is published before the draw.
#[must_use]
pub fn commit(seed: &Seed) -> Commit {
    Sha256::digest(seed).into()
}

/// The key of a ticket in the draw: the first 64 bits of HMAC-SHA-256 of its number under the seed.
///
/// ```
/// use holdfast_node_api::queue::{draw_key, LATE_START};
/// let key = draw_key(&[7; 32], &[1; 16]);
/// assert!(key < LATE_START);
/// assert_eq!(key, draw_key(&[7; 32], &[1; 16]));
/// assert_ne!(key, draw_key(&[8; 32], &[1; 16]));
/// ```
#[must_use]
pub fn draw_key(seed: &Seed, qid: &Qid) -> u128 {
    // HMAC takes a key of any length, so there is always a first part of the digest.
    let mac = Hmac::<Sha256>::new_from_slice(seed).map(|mac| mac.chain_update(qid).finalize());
    let digest: [u8; 32] = mac.map_or([0; 32], |mac| mac.into_bytes().into());
    let (first, _) = digest.split_at(8);
    first
        .iter()
        .fold(0, |key, byte| key << 8 | u128::from(*byte))
}

/// The key of somebody who comes at `arrival_ms`, after the start of sale. `tie` is random; its low 20 bits count.
#[must_use]
pub fn late_key(arrival_ms: u64, sale_at_ms: u64, tie: u32) -> u128 {
    let after_ms = u128::from(arrival_ms.saturating_sub(sale_at_ms));
    let tie = u128::from(tie) & ((1 << TIE_BITS) - 1);
    LATE_START + (after_ms << TIE_BITS) + tie
}

/// A key as it is written everywhere: 32 hexadecimal digits, so that texts compare as keys do.
#[must_use]
pub fn show_key(key: u128) -> String {
    format!("{key:032x}")
}

/// Reads a key.
///
/// # Errors
/// When it is not 32 hexadecimal digits.
pub fn parse_key(text: &str) -> Result<u128, ParseHexError> {
    parse_hex::<16>(text).map(u128::from_be_bytes)
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A text is not so many hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected {digits} hexadecimal digits, found {found:?}")]
pub struct ParseHexError {
    /// Digits expected.
    pub digits: usize,
    /// What was found, shortened.
    pub found: String,
}

/// Reads exactly `N` bytes.
///
/// # Errors
/// When the text is not twice as many hexadecimal digits.
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let error = || ParseHexError {
        digits: 2 * N,
        found: text.chars().take(80).collect(),
    };
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits
        .filter(|digits| digits.len() == 2 * N)
        .ok_or_else(error)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Ok(bytes)
}
