//! A token bucket for each of a bounded number of keys.
//!
//! Owns: the bound. The rate itself is `governor`'s. Must never: grow with the number of addresses that an attacker has: when
//! there are too many keys, full buckets are forgotten first (that changes nothing), and newcomers then share one bucket.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::InMemoryState;
use governor::state::direct::NotKeyed;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Keys that are kept: about 100 bytes each.
pub const KEYS_MAX: usize = 100_000;
/// How many newcomers there are between two looks at the number of keys.
const LOOK_EVERY: u64 = 256;
/// Newcomers in an overfull table share a bucket of this many times one key's rate.
const SHARED_FACTOR: u32 = 64;

/// How fast a bucket fills and what it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Over time.
    pub per_s: f64,
    /// At once.
    pub burst: u32,
}

impl Rate {
    fn quota(self, factor: u32) -> Quota {
        let per_s = (self.per_s * f64::from(factor)).max(0.001);
        let burst = NonZeroU32::new(self.burst.saturating_mul(factor)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_secs_f64(1.0 / per_s));
        // A period of nothing is the only one it refuses, and there is none such here.
        quota
            .unwrap_or_else(|| Quota::per_second(burst))
            .allow_burst(burst)
    }
}

/// Buckets by key.
#[derive(Debug)]
pub struct Buckets<K: Hash + Eq + Clone> {
    keyed: RateLimiter<K, DashMapStateStore<K>, DefaultClock>,
    shared: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
    keys_max: usize,
    taken: AtomicU64,
    full: std::sync::atomic::AtomicBool,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// All full.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::with_keys_max(rate, KEYS_MAX)
    }

    fn with_keys_max(rate: Rate, keys_max: usize) -> Self {
        Self {
            keyed: RateLimiter::dashmap(rate.quota(1)),
            shared: RateLimiter::direct(rate.quota(SHARED_FACTOR)),
            keys_max,
            taken: AtomicU64::new(0),
            full: false.into(),
        }
    }

    /// Takes one from the bucket of `key`.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&self, key: K) -> Result<(), Duration> {
        if self
            .taken
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOOK_EVERY)
        {
            self.look();
        }
        let now = self.keyed.clock().now();
        if self.full.load(Ordering::Relaxed) {
            return self.shared.check().map_err(|no| no.wait_time_from(now));
        }
        self.keyed
            .check_key(&key)
            .map_err(|no| no.wait_time_from(now))
    }

    fn look(&self) {
        if self.keyed.len() >= self.keys_max {
            self.keyed.retain_recent();
            self.keyed.shrink_to_fit();
        }
        self.full
            .store(self.keyed.len() >= self.keys_max, Ordering::Relaxed);
    }

    /// Keys that are kept now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keyed.len()
    }

    /// Whether no key is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keyed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Rate = Rate {
        per_s: 0.01,
        burst: 3,
    };

    #[test]
    fn a_key_has_its_burst_and_then_waits_while_others_do_not() {
        let buckets = Buckets::new(SLOW);
        assert!((0..3).all(|_| buckets.take(1).is_ok()));
        let wait = buckets.take(1).unwrap_err();
        assert!((90..=100).contains(&wait.as_secs()), "{wait:?}");
        assert!(buckets.take(2).is_ok());
    }

    #[test]
    fn a_flood_of_keys_does_not_fill_the_memory_and_still_meets_a_limit() {
        let buckets = Buckets::with_keys_max(SLOW, 1_000);
        let let_through = (0..100_000)
            .filter(|key| buckets.take(*key).is_ok())
            .count();
        let kept_max = 1_000 + usize::try_from(LOOK_EVERY).unwrap();
        assert!(buckets.len() <= kept_max, "{}", buckets.len());
        assert!(let_through <= kept_max + 3 * 64 + 10, "{let_through}");
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten_first() {
        let fast = Rate {
            per_s: 1_000_000.0,
            burst: 1,
        };
        let buckets = Buckets::with_keys_max(fast, 100);
        for key in 0..100_000u32 {
            let _ = buckets.take(key);
        }
        assert!(buckets.len() <= 100 + usize::try_from(LOOK_EVERY).unwrap());
        assert!(buckets.take(u32::MAX).is_ok());
    }
}
