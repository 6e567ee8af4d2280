//! Buyers who take seats and leave them, again and again.
//!
//! Owns: a count of holds that came to nothing for each of a bounded number of buyers, and the pause that follows from it.
//! How many seats a buyer may have at once is the shard's limit, not this one. Must never: slow down somebody who buys.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::session::Buyer;

/// Buyers that are watched.
const BUYERS_MAX: usize = 50_000;
/// Changing one's mind this often is nothing.
const FREE: f64 = 5.0;
/// One hold that came to nothing is forgotten in this time.
const FORGOTTEN_IN: Duration = Duration::from_secs(90);
/// The first pause; it doubles with each further hold …
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// … up to this: about half of what a hold lasts.
const PAUSE_MAX: Duration = Duration::from_secs(240);

#[derive(Debug, Clone, Copy)]
struct Record {
    /// Holds without an order.
    open: f64,
    at: Instant,
    /// The last hold.
    held_at: Instant,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Hoarding {
    /// Never held over an await.
    records: Mutex<HashMap<Buyer, Record>>,
}

fn faded(record: &Record, now: Instant) -> f64 {
    let since = now.saturating_duration_since(record.at).as_secs_f64();
    (record.open - since / FORGOTTEN_IN.as_secs_f64()).max(0.0)
}

fn pause(open: f64) -> Duration {
    if open < FREE {
        return Duration::ZERO;
    }
    // The exponent is small, since the count is.
    let doubled = PAUSE_MIN.mul_f64((open - FREE).min(10.0).exp2());
    doubled.min(PAUSE_MAX)
}

impl Hoarding {
    fn lock(&self) -> MutexGuard<'_, HashMap<Buyer, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `buyer` may take seats at `now`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, buyer: Buyer, now: Instant) -> Result<(), Duration> {
        let records = self.lock();
        let Some(record) = records.get(&buyer) else {
            return Ok(());
        };
        let until = record.held_at + pause(faded(record, now));
        match until.checked_duration_since(now) {
            Some(left) if !left.is_zero() => Err(left),
            _ => Ok(()),
        }
    }

    /// `buyer` took seats.
    pub fn held(&self, buyer: Buyer, now: Instant) {
        let mut records = self.lock();
        if records.len() >= BUYERS_MAX && !records.contains_key(&buyer) {
            records.retain(|_, record| faded(record, now) >= 1.0);
            if records.len() >= BUYERS_MAX {
                return;
            }
        }
        let fresh = Record {
            open: 0.0,
            at: now,
            held_at: now,
        };
        let record = records.entry(buyer).or_insert(fresh);
        *record = Record {
            open: faded(record, now) + 1.0,
            at: now,
            held_at: now,
        };
    }

    /// `buyer` opened an order: that hold came to something, and what went before is forgiven.
    pub fn ordered(&self, buyer: Buyer) {
        self.lock().remove(&buyer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUYER: Buyer = Buyer([1; 16]);

    #[test]
    fn pauses_grow_with_holds_that_come_to_nothing_and_pass_with_time() {
        let (hoarding, start) = (Hoarding::default(), crate::clock::now());
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..14 {
            if let Err(left) = hoarding.check(BUYER, now) {
                pauses.push(left.as_secs());
                now += left;
            }
            hoarding.held(BUYER, now);
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(
            pauses.len() >= 8 && pauses.iter().all(|s| *s <= 240),
            "{pauses:?}"
        );
        assert!(
            hoarding
                .check(BUYER, now + Duration::from_secs(3_600))
                .is_ok()
        );
        assert!(hoarding.check(Buyer([2; 16]), now).is_ok(), "somebody else");
    }

    #[test]
    fn who_buys_is_not_slowed_down() {
        let (hoarding, now) = (Hoarding::default(), crate::clock::now());
        for _ in 0..100 {
            (0..4).for_each(|_| hoarding.held(BUYER, now));
            assert!(hoarding.check(BUYER, now).is_ok());
            hoarding.ordered(BUYER);
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let (hoarding, now) = (Hoarding::default(), crate::clock::now());
        for n in 0..BUYERS_MAX + 10 {
            hoarding.held(Buyer((n as u128).to_be_bytes()), now);
        }
        assert_eq!(hoarding.lock().len(), BUYERS_MAX);
    }
}
