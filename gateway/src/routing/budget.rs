//! How many more tries than requests there may be.
//!
//! Owns: a bucket that requests fill by a part each and that extra tries empty by one each. Must never: let trouble make more
//! load than the trouble's own share: nine nodes retrying for a tenth is what brings the tenth down.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What a bucket is made of.
#[derive(Debug, Clone, Copy)]
pub struct BudgetRules {
    /// Extra tries a request pays for, 0 to 1.
    pub per_request: f64,
    /// Extra tries a second also without any requests, so that a quiet gateway may try twice.
    pub per_second: f64,
    /// What it holds at most, and at the start.
    pub max: f64,
}

/// Extra tries of reads: a fifth of the reads.
pub const READ_RETRIES: BudgetRules = BudgetRules {
    per_request: 0.2,
    per_second: 20.0,
    max: 500.0,
};
/// Extra tries of writes: a fifth too, and every write in work when a leader is lost may look for the next one once.
pub const WRITE_RETRIES: BudgetRules = BudgetRules {
    per_request: 0.2,
    per_second: 100.0,
    max: 4_096.0,
};
/// Reads that are asked a second time because the first answer is late: one in ten.
pub const HEDGES: BudgetRules = BudgetRules {
    per_request: 0.1,
    per_second: 1.0,
    max: 50.0,
};

/// A bucket of extra tries.
#[derive(Debug)]
pub struct Budget {
    rules: BudgetRules,
    /// What is in it, and when that was counted. Never held over an await.
    level: Mutex<(f64, Option<Instant>)>,
}

impl Budget {
    /// A full one.
    #[must_use]
    pub fn new(rules: BudgetRules) -> Self {
        Self {
            rules,
            level: Mutex::new((rules.max, None)),
        }
    }

    /// A request came at `now`.
    pub fn request(&self, now: Instant) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.refill(&mut level, now);
        level.0 = (level.0 + self.rules.per_request).min(self.rules.max);
    }

    /// Takes one extra try at `now`, if there is one.
    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.refill(&mut level, now);
        let there = level.0 >= 1.0;
        if there {
            level.0 -= 1.0;
        }
        there
    }

    fn refill(&self, level: &mut (f64, Option<Instant>), now: Instant) {
        let since = level
            .1
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        *level = (
            (level.0 + since * self.rules.per_second).min(self.rules.max),
            Some(now),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULES: BudgetRules = BudgetRules {
        per_request: 0.2,
        per_second: 1.0,
        max: 5.0,
    };

    #[test]
    fn extra_tries_are_a_fifth_of_the_requests_once_the_reserve_is_gone() {
        let (budget, now) = (Budget::new(RULES), crate::clock::now());
        assert_eq!((0..100).filter(|_| budget.take(now)).count(), 5);
        let mut extra = 0;
        for _ in 0..1_000 {
            budget.request(now);
            extra += u32::from(budget.take(now));
        }
        assert!((195..=200).contains(&extra), "{extra}");
    }

    #[test]
    fn time_fills_it_and_it_overflows() {
        let (budget, now) = (Budget::new(RULES), crate::clock::now());
        assert_eq!((0..9).filter(|_| budget.take(now)).count(), 5);
        let later = now + Duration::from_secs(2);
        assert_eq!((0..9).filter(|_| budget.take(later)).count(), 2);
        let much_later = now + Duration::from_secs(999);
        assert_eq!((0..9).filter(|_| budget.take(much_later)).count(), 5);
        assert!(!budget.take(now), "a clock that goes back fills nothing");
    }
}
