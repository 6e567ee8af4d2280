//! What one session has seen of each show, in a signed token.
//!
//! ```text
//! token = base64url( version:1 | count:1 | count × (show, index as varints) | HMAC-SHA256 of all that, first 16 bytes )
//! ```
//!
//! A committed index of a show's log means the same entries on every replica for ever, whoever led when it was written, so an
//! index alone says how far a session has seen. Any gateway of the cluster has the key: a token got from one is honoured by
//! all, and a session that moves to another region neither misses its own writes nor sees the map go back.
//!
//! Owns: the table and its text. Must never: believe an index that is not signed, or hold more than a few shows: a browser
//! sends the token with every request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Shows in one token; who looks at a ninth forgets the first.
pub const SHOWS_MAX: usize = 8;
const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
/// Ten bytes hold any varint of 64 bits.
const BYTES_MAX: usize = 2 + SHOWS_MAX * 20 + MAC_BYTES;
/// Longest text of a token; anything longer is refused before it is decoded.
pub const TEXT_BYTES_MAX: usize = BYTES_MAX.div_ceil(3) * 4;

/// Shows with the highest index seen of each, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    seen: Vec<(u64, u64)>,
}

impl Positions {
    /// The highest index seen of show `show_id`; 0 when there is none.
    #[must_use]
    pub fn index_of(&self, show_id: u64) -> u64 {
        let seen = self.seen.iter().find(|(show, _)| *show == show_id);
        seen.map_or(0, |(_, index)| *index)
    }

    /// Index `index` of show `show_id` was seen. Says whether that is news.
    pub fn saw(&mut self, show_id: u64, index: u64) -> bool {
        let before = self.seen.iter().position(|(show, _)| *show == show_id);
        let known = before.map_or(0, |at| self.seen.remove(at).1);
        self.seen.insert(0, (show_id, known.max(index)));
        self.seen.truncate(SHOWS_MAX);
        index > known
    }

    /// Whether nothing was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// The text is not a token of ours, or somebody changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is malformed or its signature does not match; leave it out to begin anew")]
pub struct BadPositions;

/// Signs and reads tokens with one secret key.
pub struct PositionTokens {
    keyed: Hmac<Sha256>,
}

impl PositionTokens {
    /// Uses `key`, which must be used for nothing else.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        Self { keyed }
    }

    /// The token of `positions`.
    #[must_use]
    pub fn sign(&self, positions: &Positions) -> String {
        let count = u8::try_from(positions.seen.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![VERSION, count];
        for (show, index) in &positions.seen {
            put_varint(&mut bytes, *show);
            put_varint(&mut bytes, *index);
        }
        let mac = self.keyed.clone().chain_update(&bytes).finalize();
        bytes.extend(mac.into_bytes().iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The positions in a token.
    ///
    /// # Errors
    /// [`BadPositions`] before anything in it is believed.
    pub fn read(&self, token: &str) -> Result<Positions, BadPositions> {
        if token.len() > TEXT_BYTES_MAX {
            return Err(BadPositions);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadPositions)?;
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or(BadPositions)?;
        let (claim, mac) = bytes.split_at(at);
        let keyed = self.keyed.clone().chain_update(claim);
        keyed.verify_truncated_left(mac).map_err(|_| BadPositions)?;
        let [VERSION, count, rest @ ..] = claim else {
            return Err(BadPositions);
        };
        let (mut rest, mut seen) = (rest, Vec::new());
        for _ in 0..usize::from(*count).min(SHOWS_MAX) {
            let show = take_varint(&mut rest).ok_or(BadPositions)?;
            let index = take_varint(&mut rest).ok_or(BadPositions)?;
            seen.push((show, index));
        }
        Ok(Positions { seen })
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0x7f);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> PositionTokens {
        PositionTokens::new(&[7; 32])
    }

    fn positions(seen: &[(u64, u64)]) -> Positions {
        let mut positions = Positions::default();
        for (show, index) in seen {
            positions.saw(*show, *index);
        }
        positions
    }

    #[test]
    fn a_token_carries_what_was_seen() {
        for seen in [
            &[][..],
            &[(1, 1)],
            &[(1, 5), (u64::MAX, u64::MAX), (300, 0)],
        ] {
            let positions = positions(seen);
            let token = tokens().sign(&positions);
            assert!(token.len() <= TEXT_BYTES_MAX);
            assert_eq!(tokens().read(&token), Ok(positions));
        }
    }

    #[test]
    fn an_index_never_goes_back_and_the_oldest_show_is_forgotten() {
        let mut positions = positions(&[(1, 9)]);
        assert!(!positions.saw(1, 8));
        assert_eq!(positions.index_of(1), 9);
        assert!(positions.saw(1, 10));
        for show in 2..=9 {
            assert!(positions.saw(show, u64::MAX));
        }
        assert_eq!(positions.index_of(1), 0, "nine shows are one too many");
        assert_eq!(positions.index_of(2), u64::MAX);
        assert!(tokens().sign(&positions).len() <= TEXT_BYTES_MAX);
    }

    #[test]
    fn every_changed_bit_spoils_the_token() {
        let token = tokens().sign(&positions(&[(1, 700)]));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(tokens().read(&changed), Err(BadPositions), "bit {bit}");
        }
    }

    #[test]
    fn other_peoples_tokens_and_no_tokens_are_refused() {
        let other = PositionTokens::new(&[8; 32]).sign(&positions(&[(1, 1)]));
        let long = "A".repeat(100_000);
        for bad in [other.as_str(), "", "x", "====", "é", &long] {
            assert_eq!(tokens().read(bad), Err(BadPositions));
        }
    }
}
