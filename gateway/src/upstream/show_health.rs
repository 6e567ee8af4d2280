//! What a node can do for one show, by its own word: it may serve a thousand shows and have lost touch with one.
//!
//! ```text
//!   an answer that is too old   ─► behind    ─┐
//!   "unavailable" from the node ─► unable    ─┴─► asked last for this show, for 2 s ─► good
//!   a fresh answer, a decision  ─────────────────────────────────────────────────────► good
//! ```
//!
//! Owns: a short memory of such words. Must never: forbid a node (it only changes the order in which nodes are asked for that
//! show), or read anything into silence: that is the breaker's, `health.rs`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{SHOW_COOL_DOWN, SHOW_TROUBLES_MAX};

/// What a node can do for one show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowHealth {
    /// It said nothing else lately.
    Good,
    /// Its replica was older than is shown while there is a newer one.
    Behind,
    /// It could not serve the show: it had no majority to commit or to confirm with, or did not open its replica in time.
    Unable,
}

impl ShowHealth {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Behind => "behind",
            Self::Unable => "unable",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    what: ShowHealth,
    said_at: Instant,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct ShowTroubles {
    /// By show and node; at most [`SHOW_TROUBLES_MAX`]. Never held over an await.
    known: Mutex<HashMap<(u64, u64), Trouble>>,
}

impl ShowTroubles {
    fn known(&self) -> MutexGuard<'_, HashMap<(u64, u64), Trouble>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At `now` the replica of show `show_id` at `node` turned out too old to be shown.
    pub(super) fn behind(&self, show_id: u64, node: u64, now: Instant) {
        self.note(show_id, node, ShowHealth::Behind, now);
    }

    /// At `now` `node` said that it cannot serve show `show_id`.
    pub(super) fn unable(&self, show_id: u64, node: u64, now: Instant) {
        self.note(show_id, node, ShowHealth::Unable, now);
    }

    fn note(&self, show_id: u64, node: u64, what: ShowHealth, now: Instant) {
        let mut known = self.known();
        let key = (show_id, node);
        if known.len() >= SHOW_TROUBLES_MAX && !known.contains_key(&key) {
            // Cheap and rare: what is forgotten costs one more try.
            known.clear();
        }
        known.insert(key, Trouble { what, said_at: now });
    }

    /// The replica is fresh. A leader that just lost its majority can say that too: it says nothing about committing.
    pub(super) fn fresh(&self, show_id: u64, node: u64) {
        let mut known = self.known();
        let key = (show_id, node);
        if known.get(&key).map(|trouble| trouble.what) == Some(ShowHealth::Behind) {
            known.remove(&key);
        }
    }

    /// A majority stood behind what `node` said.
    pub(super) fn commits(&self, show_id: u64, node: u64) {
        self.known().remove(&(show_id, node));
    }

    /// What `node` can do for show `show_id` at `now`, and how long ago it said so.
    pub(super) fn of(
        &self,
        show_id: u64,
        node: u64,
        now: Instant,
    ) -> Option<(ShowHealth, Duration)> {
        lately(self.known().get(&(show_id, node)), now)
    }

    /// Those of `nodes` that are asked last for show `show_id` at `now`.
    pub(super) fn asked_last(
        &self,
        show_id: u64,
        nodes: impl Iterator<Item = u64>,
        now: Instant,
    ) -> Vec<u64> {
        let known = self.known();
        // Usual case: nothing is wrong with any show.
        if known.is_empty() {
            return Vec::new();
        }
        let ill = |node: &u64| lately(known.get(&(show_id, *node)), now).is_some();
        nodes.filter(ill).collect()
    }
}

/// A word is worth as long as a breaker's first opening, and a little.
fn lately(trouble: Option<&Trouble>, now: Instant) -> Option<(ShowHealth, Duration)> {
    let trouble = trouble?;
    let since = now.saturating_duration_since(trouble.said_at);
    (since < SHOW_COOL_DOWN).then_some((trouble.what, since))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn health(troubles: &ShowTroubles, show_id: u64, node: u64, now: Instant) -> ShowHealth {
        let of = troubles.of(show_id, node, now);
        of.map_or(ShowHealth::Good, |(health, _)| health)
    }

    #[test]
    fn a_word_is_about_one_show_at_one_node_and_lapses() {
        let (troubles, now) = (ShowTroubles::default(), crate::clock::now());
        let last = |show, now| troubles.asked_last(show, 1..=3, now);
        assert!(last(7, now).is_empty());
        troubles.behind(7, 2, now);
        troubles.unable(7, 3, now + MS(500));
        assert_eq!(last(7, now + MS(500)), [2, 3]);
        assert!(last(8, now + MS(500)).is_empty(), "another show");
        let told = troubles.of(7, 2, now + MS(500));
        assert_eq!(told, Some((ShowHealth::Behind, MS(500))));
        assert_eq!(last(7, now + SHOW_COOL_DOWN), [3]);
        assert!(last(7, now + SHOW_COOL_DOWN + MS(500)).is_empty());
        troubles.behind(7, 2, now + SHOW_COOL_DOWN + MS(500));
        let later = now + SHOW_COOL_DOWN * 2;
        assert_eq!(health(&troubles, 7, 2, later), ShowHealth::Behind, "anew");
    }

    #[test]
    fn a_fresh_answer_ends_being_behind_and_a_decision_ends_both() {
        let (troubles, now) = (ShowTroubles::default(), crate::clock::now());
        troubles.behind(7, 1, now);
        troubles.fresh(7, 1);
        assert_eq!(health(&troubles, 7, 1, now), ShowHealth::Good);
        troubles.unable(7, 1, now);
        troubles.fresh(7, 1);
        assert_eq!(health(&troubles, 7, 1, now), ShowHealth::Unable);
        troubles.commits(7, 1);
        assert_eq!(health(&troubles, 7, 1, now), ShowHealth::Good);
        troubles.behind(7, 1, now);
        troubles.commits(7, 1);
        assert_eq!(health(&troubles, 7, 1, now), ShowHealth::Good);
    }

    #[test]
    fn the_memory_is_bounded() {
        let (troubles, now) = (ShowTroubles::default(), crate::clock::now());
        let shows = u64::try_from(SHOW_TROUBLES_MAX).unwrap();
        (0..shows).for_each(|show| troubles.behind(show, 1, now));
        troubles.behind(0, 1, now + MS(1));
        assert_eq!(
            troubles.known().len(),
            SHOW_TROUBLES_MAX,
            "an old one again"
        );
        troubles.behind(shows, 1, now);
        assert_eq!(troubles.known().len(), 1);
    }
}
