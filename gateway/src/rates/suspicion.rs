//! Networks that behave like robots.
//!
//! Owns: a score for each of a bounded number of networks, which passes with time. Must never: block anybody; it only asks for
//! a challenge.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::network::Network;

/// Networks that are watched.
const NETWORKS_MAX: usize = 20_000;
/// A score halves in this time.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// What a refusal adds …
const REFUSED: f64 = 1.0;
/// … and a new account: an office makes a dozen at once when a sale opens.
const ACCOUNT_MADE: f64 = 0.5;
/// From here on a challenge is asked for; it gets harder at each doubling.
const SUSPICIOUS_FROM: f64 = 20.0;
/// Hardest.
const RISK_MAX: u32 = 3;

/// See the module's head.
#[derive(Debug, Default)]
pub struct Suspicion {
    /// Score and when it was that. Never held over an await.
    scores: Mutex<HashMap<Network, (f64, Instant)>>,
}

fn faded(score: f64, at: Instant, now: Instant) -> f64 {
    let half_lives = now.saturating_duration_since(at).as_secs_f64() / HALF_LIFE.as_secs_f64();
    score * (-half_lives).exp2()
}

impl Suspicion {
    fn lock(&self) -> MutexGuard<'_, HashMap<Network, (f64, Instant)>> {
        self.scores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `network` was refused for asking too often.
    pub fn refused(&self, network: Network, now: Instant) {
        self.add(network, REFUSED, now);
    }

    /// `network` made an account.
    pub fn account_made(&self, network: Network, now: Instant) {
        self.add(network, ACCOUNT_MADE, now);
    }

    fn add(&self, network: Network, points: f64, now: Instant) {
        let mut scores = self.lock();
        if scores.len() >= NETWORKS_MAX && !scores.contains_key(&network) {
            // What has faded goes; when nothing has, a newcomer has to wait until something does.
            scores.retain(|_, (score, at)| faded(*score, *at, now) >= 1.0);
            if scores.len() >= NETWORKS_MAX {
                return;
            }
        }
        let entry = scores.entry(network).or_insert((0.0, now));
        *entry = (faded(entry.0, entry.1, now) + points, now);
    }

    /// 0 = like anybody; up to [`RISK_MAX`].
    pub fn risk(&self, network: Network, now: Instant) -> u32 {
        let score = self
            .lock()
            .get(&network)
            .map_or(0.0, |(score, at)| faded(*score, *at, now));
        let mut risk = 0;
        let mut from = SUSPICIOUS_FROM;
        while risk < RISK_MAX && score >= from {
            risk += 1;
            from *= 2.0;
        }
        risk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_is_refused_again_and_again_is_suspicious_for_a_while() {
        let (suspicion, now) = (Suspicion::default(), crate::clock::now());
        let (robot, neighbour): (Network, Network) = (
            "192.0.2.0/24".parse().unwrap(),
            "192.0.3.0/24".parse().unwrap(),
        );
        (0..19).for_each(|_| suspicion.refused(robot, now));
        assert_eq!(suspicion.risk(robot, now), 0);
        suspicion.refused(robot, now);
        assert_eq!(suspicion.risk(robot, now), 1);
        (0..1_000).for_each(|_| suspicion.refused(robot, now));
        assert_eq!(suspicion.risk(robot, now), RISK_MAX);
        assert_eq!(suspicion.risk(neighbour, now), 0);
        assert_eq!(suspicion.risk(robot, now + HALF_LIFE * 6), 0);
    }

    #[test]
    fn an_office_that_makes_a_dozen_accounts_is_not() {
        let (suspicion, now) = (Suspicion::default(), crate::clock::now());
        let office: Network = "192.0.2.0/24".parse().unwrap();
        (0..20).for_each(|_| suspicion.account_made(office, now));
        assert_eq!(suspicion.risk(office, now), 0);
        (0..20).for_each(|_| suspicion.account_made(office, now));
        assert_eq!(suspicion.risk(office, now), 1);
    }

    #[test]
    fn the_table_is_bounded() {
        let (suspicion, now) = (Suspicion::default(), crate::clock::now());
        let network = |n: usize| {
            let n = u32::try_from(n).unwrap();
            Network::of(std::net::Ipv4Addr::from_bits(n << 8).into(), 24)
        };
        (0..NETWORKS_MAX + 100).for_each(|n| suspicion.refused(network(n), now));
        assert_eq!(suspicion.lock().len(), NETWORKS_MAX);
        let later = now + HALF_LIFE;
        suspicion.refused(network(NETWORKS_MAX + 200), later);
        assert_eq!(suspicion.lock().len(), 1, "what faded went");
    }
}
