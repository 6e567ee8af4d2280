//! Proof of work, or of patience, for whoever looks like a robot.
//!
//! Work is as ALTCHA's version 1 has it, so that its widgets and libraries solve it:
//!
//! ```text
//! GET /v1/challenge            ─► algorithm, challenge = SHA-256(salt ∥ n) in hex, salt (with ?expires=…&at=…&),
//!                                 maxnumber, signature = HMAC-SHA-256(challenge) in hex
//! X-Altcha: base64( JSON of algorithm, challenge, number, salt, signature )
//! ```
//!
//! Patience is for those whose device cannot compute, or whose tools cannot: a token that is good after a while.
//!
//! ```text
//! GET /v1/challenge?kind=wait  ─► token, ready_at_ms, expires_at_ms
//! X-Altcha: token
//! ```
//!
//! Owns: making and redeeming both, each once at this gateway. A challenge is good at the gateways of the region that gave it out,
//! so that one solution is not spent once in every region; several gateways of one region each keep a list of their own. Must never: look at pictures, or remember who solved what.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::chance;

/// The only algorithm that is asked for.
pub const ALGORITHM: &str = "SHA-256";
/// A challenge is to be solved within this time: the slowest phone needs a tenth of it.
const LIFETIME_MS: u64 = 5 * 60_000;
/// Patience means this long: what a slow device would have worked for the hardest challenge.
const WAIT_MS: u64 = 20_000;
/// Numbers to try at most, without risk; a phone tries 200,000 a second in a browser.
const NUMBER_MAX: u64 = 50_000;
/// Solutions that were spent and have not expired.
const SPENT_MAX: usize = 100_000;
/// Longest solution that is looked at, bytes.
pub const SOLUTION_BYTES_MAX: usize = 1_024;
const NONCE_BYTES: usize = 12;
const WAIT_PREFIX: &str = "wait.";

/// Why a solution is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// It does not solve a challenge that we gave out.
    #[error("does not solve a challenge of this gateway")]
    Wrong,
    /// It came too late.
    #[error("the challenge has expired")]
    Expired,
    /// It came too early.
    #[error("the wait is not over")]
    Early,
    /// It was accepted once already.
    #[error("was used before")]
    Spent,
}

impl ChallengeError {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Spent => "spent",
        }
    }
}

/// A challenge to work on, in ALTCHA's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Always [`ALGORITHM`].
    pub algorithm: &'static str,
    /// In hex.
    pub challenge: String,
    /// The number is not larger.
    pub maxnumber: u64,
    /// What the number is appended to.
    pub salt: String,
    /// In hex.
    pub signature: String,
}

/// A wait instead of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// To be sent back as it is.
    pub token: String,
    /// Of this gateway's clock: who waits needs none that is right.
    pub now_ms: u64,
    /// Not before.
    pub ready_at_ms: u64,
    /// Not after.
    pub expires_at_ms: u64,
}

#[derive(Deserialize)]
struct Solution {
    algorithm: String,
    challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

#[derive(Debug, Default)]
struct Spent {
    known: HashSet<[u8; 32]>,
    /// By when they expire.
    by_expiry: BTreeMap<u64, Vec<[u8; 32]>>,
}

/// Makes and redeems challenges.
pub struct Challenges {
    keyed: Hmac<Sha256>,
    region: String,
    /// Never held over an await.
    spent: Mutex<Spent>,
}

impl std::fmt::Debug for Challenges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

impl Challenges {
    /// Signs with `key`, which must be used for nothing else; for the gateways of `region`.
    #[must_use]
    pub fn new(region: &str, key: &[u8; 32]) -> Self {
        Self {
            keyed: Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length"),
            region: region.to_owned(),
            spent: Mutex::default(),
        }
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let keyed = self.keyed.clone().chain_update(text);
        keyed.finalize().into_bytes().to_vec()
    }

    fn is_signed(&self, text: &str, signature: &[u8]) -> bool {
        let keyed = self.keyed.clone().chain_update(text);
        keyed.verify_slice(signature).is_ok()
    }

    /// A challenge for somebody of this `risk`: each step is four times the work.
    #[must_use]
    pub fn issue(&self, risk: u32, unix_ms: u64) -> Work {
        let maxnumber = NUMBER_MAX << (2 * risk.min(3));
        let nonce: [u8; NONCE_BYTES] = chance::draw();
        let number = chance::within(0..=maxnumber);
        let expires_s = (unix_ms + LIFETIME_MS) / 1_000;
        // The last separator keeps a solver from moving digits between salt and number.
        let salt = format!("{}?expires={expires_s}&at={}&", hex(&nonce), self.region);
        let challenge = hex(&Sha256::digest(format!("{salt}{number}")));
        let signature = hex(&self.sign(&challenge));
        Work {
            algorithm: ALGORITHM,
            challenge,
            maxnumber,
            salt,
            signature,
        }
    }

    /// A wait for somebody who cannot work.
    #[must_use]
    pub fn issue_wait(&self, unix_ms: u64) -> Wait {
        let nonce: [u8; NONCE_BYTES] = chance::draw();
        let (ready_at_ms, expires_at_ms) = (unix_ms + WAIT_MS, unix_ms + WAIT_MS + LIFETIME_MS);
        let claim = format!(
            "{WAIT_PREFIX}{ready_at_ms}.{expires_at_ms}.{}.{}",
            self.region,
            hex(&nonce)
        );
        let token = format!("{claim}.{}", URL_SAFE_NO_PAD.encode(self.sign(&claim)));
        Wait {
            token,
            now_ms: unix_ms,
            ready_at_ms,
            expires_at_ms,
        }
    }

    /// Accepts a solution, once.
    ///
    /// # Errors
    /// [`ChallengeError`]; a solution that is refused as early may be sent again.
    pub fn redeem(&self, solution: &str, unix_ms: u64) -> Result<(), ChallengeError> {
        if solution.len() > SOLUTION_BYTES_MAX {
            return Err(ChallengeError::Wrong);
        }
        let (id, expires_at_ms) = if solution.starts_with(WAIT_PREFIX) {
            self.waited(solution, unix_ms)?
        } else {
            self.worked(solution)?
        };
        if unix_ms >= expires_at_ms {
            return Err(ChallengeError::Expired);
        }
        self.spend(id, expires_at_ms, unix_ms)
    }

    fn worked(&self, solution: &str) -> Result<([u8; 32], u64), ChallengeError> {
        let bytes = STANDARD
            .decode(solution)
            .map_err(|_| ChallengeError::Wrong)?;
        let solution: Solution =
            serde_json::from_slice(&bytes).map_err(|_| ChallengeError::Wrong)?;
        let signature = unhex(&solution.signature).ok_or(ChallengeError::Wrong)?;
        let solves = Sha256::digest(format!("{}{}", solution.salt, solution.number));
        let ours = solution.algorithm == ALGORITHM
            && self.is_signed(&solution.challenge, &signature)
            && hex(&solves) == solution.challenge;
        let (_, claims) = solution.salt.split_once('?').ok_or(ChallengeError::Wrong)?;
        let claim = |name: &str| {
            let mut pairs = claims.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let expires_s = claim("expires").and_then(|s| s.parse::<u64>().ok());
        match expires_s {
            Some(expires_s) if ours && claim("at") == Some(&self.region) => {
                Ok((solves.into(), expires_s.saturating_mul(1_000)))
            }
            _ => Err(ChallengeError::Wrong),
        }
    }

    fn waited(&self, token: &str, unix_ms: u64) -> Result<([u8; 32], u64), ChallengeError> {
        let (claim, signature) = token.rsplit_once('.').ok_or(ChallengeError::Wrong)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| ChallengeError::Wrong)?;
        if !self.is_signed(claim, &signature) {
            return Err(ChallengeError::Wrong);
        }
        let mut parts = claim.strip_prefix(WAIT_PREFIX).unwrap_or("").split('.');
        let mut time = || parts.next()?.parse::<u64>().ok();
        let (ready, expires) = time().zip(time()).ok_or(ChallengeError::Wrong)?;
        if parts.next() != Some(&self.region) {
            return Err(ChallengeError::Wrong);
        }
        if unix_ms < ready {
            return Err(ChallengeError::Early);
        }
        Ok((Sha256::digest(claim).into(), expires))
    }

    /// When there are too many, those that expire first are forgotten: they can be spent twice, for a short while.
    fn spend(&self, id: [u8; 32], expires_at_ms: u64, unix_ms: u64) -> Result<(), ChallengeError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = &mut *spent;
        while let Some(first) = spent.by_expiry.first_entry() {
            let full = spent.known.len() >= SPENT_MAX;
            if *first.key() > unix_ms && !full {
                break;
            }
            for gone in first.remove() {
                spent.known.remove(&gone);
            }
        }
        if !spent.known.insert(id) {
            return Err(ChallengeError::Spent);
        }
        spent.by_expiry.entry(expires_at_ms).or_default().push(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn challenges() -> Challenges {
        Challenges::new("eastus", &[7; 32])
    }

    /// As any of ALTCHA's solvers does it.
    fn number_of(work: &Work) -> u64 {
        let solves = |n: &u64| {
            let hash = Sha256::digest(format!("{}{n}", work.salt));
            hex(&hash) == work.challenge
        };
        (0..=work.maxnumber).find(solves).unwrap()
    }

    fn solve(work: &Work) -> String {
        payload(work, number_of(work))
    }

    fn payload(work: &Work, number: u64) -> String {
        STANDARD.encode(
            serde_json::json!({
                "algorithm": work.algorithm,
                "challenge": work.challenge,
                "number": number,
                "salt": work.salt,
                "signature": work.signature,
                "took": 12,
            })
            .to_string(),
        )
    }

    #[test]
    fn a_solution_is_good_once_and_for_a_while() {
        let challenges = challenges();
        let solution = solve(&challenges.issue(0, NOW));
        assert_eq!(
            challenges.redeem(&solution, NOW + LIFETIME_MS),
            Err(ChallengeError::Expired)
        );
        assert_eq!(challenges.redeem(&solution, NOW + 1_000), Ok(()));
        assert_eq!(
            challenges.redeem(&solution, NOW + 1_000),
            Err(ChallengeError::Spent)
        );
        let other = Challenges::new("westeurope", &[7; 32]);
        let solution = solve(&challenges.issue(0, NOW));
        assert_eq!(
            other.redeem(&solution, NOW),
            Err(ChallengeError::Wrong),
            "another region's"
        );
    }

    #[test]
    fn what_was_changed_solves_nothing() {
        let challenges = challenges();
        let work = challenges.issue(0, NOW);
        let number = number_of(&work);
        let later = Work {
            salt: work.salt.replace("expires=1", "expires=9"),
            ..work.clone()
        };
        let moved = Work {
            salt: format!("{}1", work.salt),
            ..work.clone()
        };
        let forged = Work {
            signature: "00".repeat(32),
            ..work.clone()
        };
        for bad in [
            payload(&work, number + 1),
            payload(&later, number),
            payload(&moved, number),
            payload(&forged, number),
            String::new(),
            "e30=".to_owned(),
            "A".repeat(SOLUTION_BYTES_MAX + 1),
            "wait.0.1.eastus.x".to_owned(),
        ] {
            assert_eq!(
                challenges.redeem(&bad, NOW),
                Err(ChallengeError::Wrong),
                "{bad}"
            );
        }
        assert_eq!(challenges.redeem(&payload(&work, number), NOW), Ok(()));
    }

    #[test]
    fn who_cannot_work_waits() {
        let challenges = challenges();
        let wait = challenges.issue_wait(NOW);
        let redeem = |at| challenges.redeem(&wait.token, at);
        assert_eq!(redeem(NOW), Err(ChallengeError::Early));
        assert_eq!(redeem(wait.expires_at_ms), Err(ChallengeError::Expired));
        let hurried = wait
            .token
            .replace(&wait.ready_at_ms.to_string(), &NOW.to_string());
        assert_eq!(challenges.redeem(&hurried, NOW), Err(ChallengeError::Wrong));
        assert_eq!(redeem(wait.ready_at_ms), Ok(()));
        assert_eq!(redeem(wait.ready_at_ms), Err(ChallengeError::Spent));
    }

    #[test]
    fn more_risk_is_more_work_up_to_a_bound() {
        let most = [0, 1, 2, 3, 99].map(|risk| challenges().issue(risk, NOW).maxnumber);
        assert_eq!(most, [50_000, 200_000, 800_000, 3_200_000, 3_200_000]);
    }

    #[test]
    fn the_list_of_spent_ones_is_bounded_and_forgets_what_expired() {
        let challenges = challenges();
        let id = |n: u64| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            id
        };
        for n in 0..120_000 {
            challenges.spend(id(n), NOW + n, 0).unwrap();
        }
        assert_eq!(challenges.spent.lock().unwrap().known.len(), SPENT_MAX);
        assert_eq!(
            challenges.spend(id(119_999), NOW, 0),
            Err(ChallengeError::Spent)
        );
        challenges
            .spend(id(500_000), NOW + 1_000_000, NOW + 200_000)
            .unwrap();
        assert_eq!(challenges.spent.lock().unwrap().known.len(), 1);
    }
}
