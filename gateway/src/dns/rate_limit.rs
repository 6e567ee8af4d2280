//! How many UDP answers one network gets, so that nobody can be flooded with answers that they never asked for.
//!
//! ```text
//! network (/24, /56) ─► hash ─► one of 65,536 buckets: tokens, refilled at a rate
//!                                 token: answer · none: every second time "ask over TCP", else silence
//! ```
//!
//! Owns: the buckets, in memory that never grows. Networks that share a bucket share its tokens; a keyed hash keeps others
//! from choosing whom they share with. Must never: limit TCP or a valid cookie: their address is proven.

use std::hash::Hasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher24;

use super::wire::masked;

/// Buckets: half a megabyte. A power of two.
const BUCKETS: usize = 65_536;
/// A network may save up answers for this long, s.
const BURST_S: u64 = 1;
/// Highest rate, answers a second: a full bucket of it fits into 32 bits.
pub const PER_SECOND_MAX: u32 = 1_000_000;
/// A token, in the units that buckets count: half thousandths, so that what comes in is even and the lowest bit is free.
const TOKEN: u64 = 2_000;
/// Prefix by which clients are told apart, bits.
const PREFIX_V4_BITS: u8 = 24;
const PREFIX_V6_BITS: u8 = 56;

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Send,
    /// Say "ask over TCP" instead: a real client can, a forged one cannot.
    Slip,
    /// Say nothing.
    Drop,
}

/// See the module's head.
pub struct RateLimit {
    /// Each: milliseconds since `start` in the upper 32 bits (wraps after 49 days, which at worst gives one full bucket),
    /// units of tokens below; the lowest bit of those is whether the last one without a token was dropped.
    buckets: Box<[AtomicU64]>,
    per_second: u64,
    key: [u8; 16],
    start: Instant,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit")
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}

impl RateLimit {
    /// `per_second` answers to each network, [`PER_SECOND_MAX`] at most: more is taken for that. Every bucket is full at `start`; `key` is secret.
    #[must_use]
    pub fn new(per_second: u32, key: [u8; 16], start: Instant) -> Self {
        let per_second = u64::from(per_second.min(PER_SECOND_MAX));
        let full = || AtomicU64::new(per_second * BURST_S * TOKEN);
        Self {
            buckets: std::iter::repeat_with(full).take(BUCKETS).collect(),
            per_second,
            key,
            start,
        }
    }

    /// Takes a token of `addr`'s network at `now`, if it has one.
    #[must_use]
    pub fn take(&self, addr: IpAddr, now: Instant) -> Verdict {
        let since = now.saturating_duration_since(self.start);
        let now_ms = wrapped_ms(since);
        let bucket = &self.buckets[self.index(addr)];
        let mut verdict = Verdict::Send;
        let next = |old: u64| {
            let (before_ms, level) = (old >> 32, old & u64::from(u32::MAX));
            let passed_ms = now_ms.wrapping_sub(before_ms) & u64::from(u32::MAX);
            let full = self.per_second * BURST_S * TOKEN;
            // One answer a second is one thousandth a millisecond, which is two units.
            let came = passed_ms.saturating_mul(self.per_second * TOKEN / 1_000);
            let filled = (level & !1).saturating_add(came).min(full);
            let left = if filled >= TOKEN {
                verdict = Verdict::Send;
                filled - TOKEN
            } else if level & 1 == 0 {
                verdict = Verdict::Drop;
                filled | 1
            } else {
                verdict = Verdict::Slip;
                filled
            };
            Some((now_ms << 32) | left)
        };
        // The closure always has a next value, so this never fails.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        verdict
    }

    fn index(&self, addr: IpAddr) -> usize {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        match addr.to_canonical() {
            addr @ IpAddr::V4(_) => {
                if let IpAddr::V4(net) = masked(addr, PREFIX_V4_BITS) {
                    hasher.write(&net.octets());
                }
            }
            addr @ IpAddr::V6(_) => {
                if let IpAddr::V6(net) = masked(addr, PREFIX_V6_BITS) {
                    hasher.write(&net.octets());
                }
            }
        }
        usize::try_from(hasher.finish() % BUCKETS as u64).unwrap_or(0)
    }
}

fn wrapped_ms(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX) & u64::from(u32::MAX)
}

const _: () = assert!(
    PER_SECOND_MAX as u64 * BURST_S * TOKEN <= u32::MAX as u64,
    "the highest rate that can be configured fits into a bucket"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_that_asks_too_often_is_sent_to_tcp_every_second_time() {
        let start = crate::clock::now();
        let limit = RateLimit::new(10, [1; 16], start);
        let one = addr("192.0.2.1");
        for _ in 0..10 {
            assert_eq!(limit.take(one, start), Verdict::Send);
        }
        let after: Vec<Verdict> = (0..4)
            .map(|_| limit.take(addr("192.0.2.200"), start))
            .collect();
        assert_eq!(
            after,
            [Verdict::Drop, Verdict::Slip, Verdict::Drop, Verdict::Slip]
        );
    }

    #[test]
    fn a_rate_beyond_the_highest_is_the_highest_and_never_reaches_into_the_time() {
        let start = crate::clock::now();
        let limit = RateLimit::new(u32::MAX, [1; 16], start);
        let one = addr("192.0.2.1");
        let sent = (0..PER_SECOND_MAX).all(|_| limit.take(one, start) == Verdict::Send);
        assert!(sent, "a full bucket has a second's answers");
        assert_eq!(limit.take(one, start), Verdict::Drop);
        let later = start + Duration::from_millis(1);
        assert_eq!(limit.take(one, later), Verdict::Send);
    }

    #[test]
    fn tokens_come_back_at_the_rate_and_never_beyond_the_burst() {
        let start = crate::clock::now();
        let limit = RateLimit::new(10, [1; 16], start);
        let one = addr("2001:db8::1");
        let sent = |at: Instant| {
            let tries = (0..100).map(|_| limit.take(one, at));
            tries.filter(|verdict| *verdict == Verdict::Send).count()
        };
        assert_eq!(sent(start), 10);
        assert_eq!(sent(start + Duration::from_millis(300)), 3);
        assert_eq!(sent(start + Duration::from_secs(3_600)), 10);
    }

    #[test]
    fn other_networks_have_buckets_of_their_own() {
        let start = crate::clock::now();
        let limit = RateLimit::new(1, [1; 16], start);
        let flooded = addr("192.0.2.1");
        while limit.take(flooded, start) == Verdict::Send {}
        let others = (0..100_u8).map(|n| IpAddr::from([198, 51, n, 1]));
        let served = others
            .filter(|other| limit.take(*other, start) == Verdict::Send)
            .count();
        assert!(
            served >= 98,
            "{served} of 100: at most a rare one shares the bucket"
        );
        assert_eq!(
            limit.take(addr("::ffff:192.0.2.9"), start),
            Verdict::Slip,
            "the same network, mapped"
        );
    }
}
