//! Whether one node answered lately.
//!
//! Owns: the cool-down after a failure. Must never: forbid a node; it only changes the order in which nodes are asked.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::NODE_COOL_DOWN;

/// Health of one node as seen from here.
#[derive(Debug, Default)]
pub struct Health {
    /// Until when it is passed over. Never held over an await.
    unwell_until: Mutex<Option<Instant>>,
}

impl Health {
    /// It did not answer at `now`.
    pub fn failed(&self, now: Instant) {
        *self
            .unwell_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now + NODE_COOL_DOWN);
    }

    /// It answered.
    pub fn answered(&self) {
        *self
            .unwell_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether to ask it before others at `now`. After the cool-down it gets one more chance.
    #[must_use]
    pub fn is_well(&self, now: Instant) -> bool {
        self.unwell_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_node_is_passed_over_until_it_cooled_down_or_answered() {
        let health = Health::default();
        let now = crate::clock::now();
        assert!(health.is_well(now));
        health.failed(now);
        assert!(!health.is_well(now));
        assert!(health.is_well(now + NODE_COOL_DOWN));
        health.answered();
        assert!(health.is_well(now));
    }
}
