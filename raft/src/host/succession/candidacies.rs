//! For how many groups a node stands at once, and for which it does.
//!
//! Owns: the places, and the rest after a candidacy in vain. Must never: decide whether to stand.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_region_config::GroupId;
use tokio::time::Instant;

/// Groups over an ocean that stand at once on this node: enough to keep votes, fsyncs and the longest ways busy, few enough that
/// each is through long before its candidacy runs out.
pub(super) const STANDING_MAX: u32 = 1_024;
/// Groups that stand at once when the voters are no way apart: then a candidacy is all work and no waiting, and of a thousand
/// begun together none is through before nearly all are.
const STANDING_NEAR: u32 = 128;
/// More of them for each millisecond of round trip: an election is two round trips, and two cores do about two thousand a second.
const STANDING_PER_MS: u32 = 5;

/// Groups for which this node stands now, or stood and has to wait.
#[derive(Default)]
pub(crate) struct Candidacies {
    groups: Mutex<BTreeMap<GroupId, Option<Instant>>>,
}

impl Candidacies {
    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<GroupId, Option<Instant>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a candidacy unless one runs; an earlier one that failed has to rest until its time.
    pub(super) fn begin(&self, group: GroupId, now: Instant) -> Result<(), Option<Instant>> {
        let mut groups = self.locked();
        match groups.get(&group) {
            Some(None) => Err(None),
            Some(Some(until)) if *until > now => Err(Some(*until)),
            _ => {
                groups.insert(group, None);
                Ok(())
            }
        }
    }

    /// A candidacy that failed rests for `rest`.
    pub(super) fn end(&self, group: GroupId, succeeded: bool, rest: Duration) {
        let mut groups = self.locked();
        if succeeded {
            groups.remove(&group);
        } else {
            groups.insert(group, Some(Instant::now() + rest));
        }
    }
}

/// How many of the [`STANDING_MAX`] places a candidacy takes whose farthest voter is `rtt` away.
pub(super) fn places(rtt: Duration) -> u32 {
    let ms = u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
    let at_once = STANDING_NEAR.saturating_add(ms.saturating_mul(STANDING_PER_MS));
    STANDING_MAX / at_once.min(STANDING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_stand_at_once_the_farther_the_voters_are() {
        let at_once = |ms| STANDING_MAX / places(Duration::from_millis(ms));
        assert_eq!(at_once(0), STANDING_NEAR);
        assert_eq!(at_once(29), 341);
        assert_eq!(at_once(181), STANDING_MAX);
        assert_eq!(at_once(u64::MAX), STANDING_MAX);
    }
}
