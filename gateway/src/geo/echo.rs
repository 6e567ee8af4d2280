//! How long the way to a client and back takes.
//!
//! ```text
//! client ── asks ───────────────────────► gateway   token = sent at:8 BE, µs | HMAC-SHA256(sent at | network):32
//! client ◄─────────────────────── token ──
//! client ── asks again, with the token ──► gateway   now - sent at = the way there and back, and the client's own delay
//! ```
//!
//! A token is the only thing that is needed to answer, and nobody has it before the way there is over: a client can seem farther
//! than it is, never nearer. Every process has a key and a clock of its own, so a token means nothing to any other.
//!
//! Owns: making and reading tokens. Must never: keep anything for a client that asks.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::network::Network;

const TIME_BYTES: usize = 8;
const MAC_BYTES: usize = 32;
/// Length of a token's text; anything longer is refused before it is decoded.
const TOKEN_TEXT_BYTES: usize = (TIME_BYTES + MAC_BYTES).div_ceil(3) * 4;
/// A token is no good for longer: who comes back later was doing something else.
pub const TOKEN_AGE_MAX: Duration = Duration::from_secs(5);

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EchoError {
    /// Another process made it, or nobody, or it was for another network.
    #[error("was not given to this network by this process of the gateway")]
    NotOurs,
    /// It was ours.
    #[error("is older than {} s", TOKEN_AGE_MAX.as_secs())]
    Late,
}

/// Makes and reads tokens.
pub struct Echoes {
    keyed: Hmac<Sha256>,
    /// Tokens count from here.
    started: Instant,
}

impl std::fmt::Debug for Echoes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echoes").finish_non_exhaustive()
    }
}

impl Echoes {
    /// Signs with `key`, which no other process may have; `started` is not after anything that is asked of it.
    #[must_use]
    pub fn new(key: [u8; 32], started: Instant) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        Self { keyed, started }
    }

    fn since_start_us(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.started);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn signed(&self, sent_us: [u8; TIME_BYTES], network: Network) -> Hmac<Sha256> {
        let keyed = self.keyed.clone().chain_update(sent_us);
        keyed.chain_update(network.to_string())
    }

    /// A token for somebody in `network`, who is sent it at `now`.
    #[must_use]
    pub fn issue(&self, network: Network, now: Instant) -> String {
        let sent_us = self.since_start_us(now).to_be_bytes();
        let mac = self.signed(sent_us, network).finalize().into_bytes();
        let mut bytes = Vec::with_capacity(TIME_BYTES + MAC_BYTES);
        bytes.extend_from_slice(&sent_us);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// How long ago `token` was sent to `network`, where it came back from at `now`.
    ///
    /// # Errors
    /// [`EchoError::NotOurs`] before anything in the token is believed, [`EchoError::Late`] after.
    pub fn answered(
        &self,
        token: &str,
        network: Network,
        now: Instant,
    ) -> Result<Duration, EchoError> {
        if token.len() > TOKEN_TEXT_BYTES {
            return Err(EchoError::NotOurs);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| EchoError::NotOurs)?;
        let (sent_us, mac) = bytes
            .split_first_chunk::<TIME_BYTES>()
            .ok_or(EchoError::NotOurs)?;
        self.signed(*sent_us, network)
            .verify_slice(mac)
            .map_err(|_| EchoError::NotOurs)?;
        let sent_us = u64::from_be_bytes(*sent_us);
        let took = Duration::from_micros(self.since_start_us(now).saturating_sub(sent_us));
        if took > TOKEN_AGE_MAX {
            return Err(EchoError::Late);
        }
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_tells_how_long_it_was_away() {
        let started = clock::now();
        let echoes = Echoes::new([7; 32], started);
        let here = network("192.0.2.0/24");
        let sent = started + Duration::from_secs(3_600);
        let token = echoes.issue(here, sent);
        let after = |ms| echoes.answered(&token, here, sent + Duration::from_millis(ms));
        assert_eq!(after(0), Ok(Duration::ZERO));
        assert_eq!(after(83), Ok(Duration::from_millis(83)));
        assert_eq!(after(5_000), Ok(TOKEN_AGE_MAX));
        assert_eq!(after(5_001), Err(EchoError::Late));
    }

    #[test]
    fn a_token_is_for_one_network_and_one_process() {
        let started = clock::now();
        let echoes = Echoes::new([7; 32], started);
        let here = network("192.0.2.0/24");
        let token = echoes.issue(here, started);
        for other in ["192.0.3.0/24", "192.0.2.0/25", "2001:db8::/56"] {
            let no = echoes.answered(&token, network(other), started);
            assert_eq!(no, Err(EchoError::NotOurs), "{other}");
        }
        let restarted = Echoes::new([8; 32], started);
        let no = restarted.answered(&token, here, started);
        assert_eq!(no, Err(EchoError::NotOurs));
    }

    #[test]
    fn nobody_makes_a_token_younger() {
        let started = clock::now();
        let echoes = Echoes::new([7; 32], started);
        let here = network("2001:db8:0:ff00::/56");
        let token = echoes.issue(here, started);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            let no = echoes.answered(&changed, here, started);
            assert_eq!(no, Err(EchoError::NotOurs), "bit {bit}");
        }
        for bad in ["", "x", "====", &token[1..], &"A".repeat(10_000)] {
            let no = echoes.answered(bad, here, started);
            assert_eq!(no, Err(EchoError::NotOurs), "{bad}");
        }
    }
}
