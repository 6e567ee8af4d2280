//! Whether one node is to be asked: a circuit breaker, and what its probes said.
//!
//! ```text
//!            failed                       cooled down
//!  closed ──────────► open (1.5 s, doubles ──────────► half-open ──(answered)──► closed
//!     ▲                ▲   up to 12 s)                  │
//!     └── answered     └───────────(failed)─────────────┘
//! ```
//!
//! Owns: those states. Must never: forbid a node; it only changes the order in which nodes are asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{NODE_COOL_DOWN, NODE_COOL_DOWN_MAX, NODE_CUT_OFF_AGE};

/// The state of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Circuit {
    /// It answers.
    Closed,
    /// It failed and has cooled down: whoever asks it finds out.
    HalfOpen,
    /// It failed a moment ago.
    Open,
}

impl Circuit {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Until when it is open; `None` = closed.
    open_until: Option<Instant>,
    /// Of the last opening.
    cool_down: Duration,
    /// It has answered at least once.
    answered: bool,
    /// How old its directory was when it last said so.
    directory_age: Option<Duration>,
}

/// Health of one node as seen from here.
#[derive(Debug, Default)]
pub struct Health {
    /// Never held over an await.
    state: Mutex<State>,
}

impl Health {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It did not answer at `now`. Says whether that is news.
    pub fn failed(&self, now: Instant) -> bool {
        self.with(|state| {
            let was_closed = state.open_until.is_none();
            state.cool_down = match state.open_until {
                None => NODE_COOL_DOWN,
                Some(until) if now < until => return false,
                Some(_) => (state.cool_down * 2).min(NODE_COOL_DOWN_MAX),
            };
            state.open_until = Some(now + state.cool_down);
            was_closed
        })
    }

    /// It answered.
    pub fn answered(&self) {
        self.with(|state| {
            state.open_until = None;
            state.answered = true;
        });
    }

    /// It answered a probe at `now`, and said how old its directory is if it knows the question. That closes a breaker that
    /// has cooled down and no other: a node that answers probes and fails requests must not flap.
    pub fn probed(&self, directory_age: Option<Duration>, now: Instant) {
        self.with(|state| {
            state.directory_age = directory_age;
            state.answered = true;
            state.open_until = state.open_until.filter(|until| now < *until);
        });
    }

    /// The breaker at `now`.
    #[must_use]
    pub fn circuit(&self, now: Instant) -> Circuit {
        self.with(|state| match state.open_until {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        })
    }

    /// Whether to ask it before others at `now`: also a node that has cooled down gets another chance.
    #[must_use]
    pub fn is_well(&self, now: Instant) -> bool {
        self.circuit(now) != Circuit::Open
    }

    /// Whether a sale can be committed through it at `now`, as far as is known.
    #[must_use]
    pub fn commits(&self, now: Instant) -> bool {
        self.circuit(now) == Circuit::Closed && !self.is_cut_off()
    }

    /// Whether it has ever answered.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.with(|state| state.answered)
    }

    /// How old its directory was when it last said so.
    #[must_use]
    pub fn directory_age(&self) -> Option<Duration> {
        self.with(|state| state.directory_age)
    }

    /// Whether it said that it has not heard of a majority for too long. One that never said anything is not cut off.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.directory_age()
            .is_some_and(|age| age > NODE_CUT_OFF_AGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_node_is_passed_over_until_it_cooled_down_or_answered() {
        let health = Health::default();
        let now = crate::clock::now();
        assert_eq!(health.circuit(now), Circuit::Closed);
        assert!(health.failed(now));
        assert_eq!(health.circuit(now), Circuit::Open);
        assert!(!health.is_well(now));
        assert_eq!(health.circuit(now + NODE_COOL_DOWN), Circuit::HalfOpen);
        assert!(health.is_well(now + NODE_COOL_DOWN));
        health.answered();
        assert_eq!(health.circuit(now), Circuit::Closed);
    }

    #[test]
    fn each_chance_that_it_wastes_makes_the_next_one_later() {
        let health = Health::default();
        let mut now = crate::clock::now();
        let mut cool_downs = Vec::new();
        for _ in 0..6 {
            health.failed(now);
            health.failed(now);
            let mut waited = Duration::ZERO;
            while health.circuit(now + waited) == Circuit::Open {
                waited += Duration::from_millis(500);
            }
            cool_downs.push(waited.as_millis());
            now += waited;
        }
        assert_eq!(cool_downs, [1_500, 3_000, 6_000, 12_000, 12_000, 12_000]);
        health.answered();
        health.failed(now);
        assert!(health.is_well(now + NODE_COOL_DOWN), "trust begins anew");
    }

    #[test]
    fn a_node_without_a_majority_is_cut_off_and_well() {
        let health = Health::default();
        let now = crate::clock::now();
        assert!(!health.is_cut_off(), "nobody asked yet");
        health.probed(Some(NODE_CUT_OFF_AGE + Duration::from_millis(1)), now);
        assert!(health.is_cut_off() && health.is_well(now) && !health.commits(now));
        health.probed(Some(Duration::ZERO), now);
        assert!(!health.is_cut_off());
    }

    #[test]
    fn a_probe_ends_the_wait_of_a_node_that_cooled_down_and_of_no_other() {
        let health = Health::default();
        let now = crate::clock::now();
        health.failed(now);
        health.probed(None, now);
        assert_eq!(health.circuit(now), Circuit::Open);
        health.probed(None, now + NODE_COOL_DOWN);
        assert_eq!(health.circuit(now), Circuit::Closed);
    }
}
