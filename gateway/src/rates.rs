//! How often somebody may ask: by address, by network, by account.
//!
//! ```text
//!   box office key ──► free
//!   address ─► (suspicious: solved challenge?) ─► network ─► account ─► handler
//!      │              │ no                            │          │
//!      └─ 429 ◄───────┴─ 403 challenge_required       └─ 429 ◄───┘
//! ```
//!
//! An account's and a network's count go up only after a challenge that was asked for is solved: a flood of requests that
//! never solve one uses up nobody's share but its own address's.
//!
//! These limits slow robots down. Who gets seats is decided by limits that the show's shard keeps.
//!
//! Owns: the buckets and suspicion. Must never: remember an address for longer than its bucket is not full, or write one down.

pub mod buckets;
pub mod challenge;
pub mod hoarding;
pub mod office;
pub mod suspicion;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::buckets::{Buckets, Rate};
use self::challenge::{ChallengeError, Challenges};
use self::hoarding::Hoarding;
use self::office::OfficeKeys;
use self::suspicion::Suspicion;
use crate::network::Network;
use crate::session::Buyer;

/// Networks that an operator may exempt.
pub const EXEMPT_MAX: usize = 1_024;

/// When a challenge has to be solved before seats are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeWhen {
    /// Never.
    Never,
    /// By networks that look like robots.
    #[default]
    Suspicious,
    /// By everybody: for an on-sale that is known to be under attack.
    Always,
}

/// What an operator says about rates. `[rates]` of the configuration; these numbers are published (docs/limits.md).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a second of one address over time, 1 to 1,000,000.
    pub address_per_s: u32,
    /// … and at once.
    pub address_burst: u32,
    /// Requests a second of one network (an IPv4 /24, an IPv6 /56) over time.
    pub network_per_s: u32,
    /// … and at once.
    pub network_burst: u32,
    /// Writes a second of one account over time.
    pub account_per_s: u32,
    /// … and at once.
    pub account_burst: u32,
    /// When a challenge has to be solved.
    pub challenge: ChallengeWhen,
    /// Whom none of this is for. By default the machine itself: nobody else can come from there.
    pub exempt: Vec<Network>,
    /// File with the keys of box offices, one a line, each at least 32 characters. They are exempt too.
    /// Relative to the directory of the configuration file.
    pub office_keys_file: Option<std::path::PathBuf>,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            // A house with a page open on ten devices needs about five a second; an office behind one address some more.
            address_per_s: 40,
            address_burst: 200,
            network_per_s: 400,
            network_burst: 2_000,
            account_per_s: 5,
            account_burst: 40,
            challenge: ChallengeWhen::default(),
            exempt: ["127.0.0.0/8", "::1/128"]
                .iter()
                .filter_map(|range| range.parse().ok())
                .collect(),
            office_keys_file: None,
        }
    }
}

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many of one kind; come back after this time.
    TooMany {
        /// Whose count is full.
        of: &'static str,
        /// When there is room again.
        after: Duration,
    },
    /// A challenge has to be solved first, of this difficulty.
    Challenge {
        /// As [`Challenges::issue`] takes it.
        risk: u32,
        /// Why the solution that was sent is none.
        given: Option<ChallengeError>,
    },
}

/// All counts of this gateway.
#[derive(Debug)]
pub struct Rates {
    when: ChallengeWhen,
    exempt: Vec<Network>,
    office: OfficeKeys,
    address: Buckets<IpAddr>,
    network: Buckets<Network>,
    account: Buckets<Buyer>,
    waits: Buckets<IpAddr>,
    suspicion: Suspicion,
    /// Proofs of work and of patience.
    pub challenges: Challenges,
    /// Buyers who take seats and leave them.
    pub hoarding: Hoarding,
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The client.
    pub addr: IpAddr,
    /// Its account, if it has shown a token that is good.
    pub buyer: Option<Buyer>,
    /// It changes something.
    pub writes: bool,
    /// It takes seats or makes an account: what a robot wants.
    pub worth_a_challenge: bool,
    /// The key of a box office, as sent.
    pub office_key: Option<&'a str>,
    /// A solved challenge, as sent.
    pub solution: Option<&'a str>,
}

/// A wait instead of work is given out this often: it costs nothing to compute.
const WAITS: Rate = Rate {
    per_s: 0.2,
    burst: 3,
};

impl Rates {
    /// All buckets full; `challenge_key` signs challenges.
    #[must_use]
    pub fn new(
        config: &RateConfig,
        office: OfficeKeys,
        region: &str,
        challenge_key: [u8; 32],
    ) -> Self {
        let rate = |per_s: u32, burst: u32| Rate {
            per_s: f64::from(per_s),
            burst,
        };
        Self {
            when: config.challenge,
            exempt: config.exempt.clone(),
            office,
            address: Buckets::new(rate(config.address_per_s, config.address_burst)),
            network: Buckets::new(rate(config.network_per_s, config.network_burst)),
            account: Buckets::new(rate(config.account_per_s, config.account_burst)),
            waits: Buckets::new(WAITS),
            suspicion: Suspicion::default(),
            challenges: Challenges::new(region, &challenge_key),
            hoarding: Hoarding::default(),
        }
    }

    /// Whether none of this is for whoever asks.
    #[must_use]
    pub fn is_exempt(&self, addr: IpAddr, office_key: Option<&str>) -> bool {
        self.exempt.iter().any(|range| range.contains(addr))
            || office_key.is_some_and(|key| self.office.knows(key))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Refusal`]: nothing further was counted.
    pub fn check(&self, asking: &Asking<'_>, unix_ms: u64, now: Instant) -> Result<(), Refusal> {
        if self.is_exempt(asking.addr, asking.office_key) {
            return Ok(());
        }
        let network = network_of(asking.addr);
        let too_many = |of: &'static str| {
            move |after| {
                self.suspicion.refused(network, now);
                Refusal::TooMany { of, after }
            }
        };
        self.address
            .take(asking.addr)
            .map_err(too_many("address"))?;
        if asking.worth_a_challenge {
            self.challenge(asking, network, unix_ms, now)?;
        }
        self.network.take(network).map_err(too_many("network"))?;
        if let Some(buyer) = asking.buyer.filter(|_| asking.writes) {
            self.account.take(buyer).map_err(too_many("account"))?;
        }
        Ok(())
    }

    fn challenge(
        &self,
        asking: &Asking<'_>,
        network: Network,
        unix_ms: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        let risk = self.risk(network, now);
        let wanted = match self.when {
            ChallengeWhen::Never => false,
            ChallengeWhen::Suspicious => risk > 0,
            ChallengeWhen::Always => true,
        };
        if !wanted {
            return Ok(());
        }
        let redeem = |solution| self.challenges.redeem(solution, unix_ms);
        match asking.solution.map(redeem) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Refusal::Challenge {
                risk,
                given: Some(error),
            }),
            None => Err(Refusal::Challenge { risk, given: None }),
        }
    }

    fn risk(&self, network: Network, now: Instant) -> u32 {
        self.suspicion.risk(network, now)
    }

    /// How hard the next challenge for `addr` should be, 0 to 3.
    #[must_use]
    pub fn risk_of(&self, addr: IpAddr, now: Instant) -> u32 {
        self.risk(network_of(addr), now)
    }

    /// Whether `addr` may have a wait instead of work now.
    ///
    /// # Errors
    /// When it may ask again.
    pub fn take_wait(&self, addr: IpAddr) -> Result<(), Duration> {
        self.waits.take(addr)
    }

    /// An account was made for `addr`: networks that make many are watched.
    pub fn account_made(&self, addr: IpAddr, now: Instant) {
        self.suspicion.account_made(network_of(addr), now);
    }
}

/// The part of an address that one household or office has.
#[must_use]
pub fn network_of(addr: IpAddr) -> Network {
    let addr = crate::network::plain(addr);
    Network::of(addr, if addr.is_ipv4() { 24 } else { 56 })
}

#[cfg(test)]
mod tests;
