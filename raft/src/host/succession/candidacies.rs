//! For how many groups a node stands at once, and for which it does.
//!
//! Owns: the places, how many there are, and the rest after a candidacy in vain. Must never: decide whether to stand.
//!
//! What must be true: when a machine cannot carry as many elections as there are orphans, fewer stand at a time until those
//! that do are through in time; else all of them run out of time together, begin anew, and nobody is ever led. So the places
//! are halved when too many candidacies were in vain, and come back by a quarter with every round that was not. A candidacy that was
//! begun before the last halving says nothing about the places there are now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_region_config::GroupId;
use tokio::time::Instant;

/// Groups over an ocean that stand at once on this node: enough to keep votes, fsyncs and the longest ways busy, few enough that
/// each is through long before its candidacy runs out.
pub(super) const STANDING_MAX: u32 = 1_024;
/// However many were in vain.
const STANDING_MIN: u32 = 32;
/// Groups that stand at once when the voters are no way apart: then a candidacy is all work and no waiting, and of a thousand
/// begun together none is through before nearly all are.
const STANDING_NEAR: u32 = 128;
/// More of them for each millisecond of round trip: an election is two round trips, and two cores do about two thousand a second.
const STANDING_PER_MS: u32 = 5;
/// One candidacy in vain for so many that were not is bad luck, or one group's own trouble.
const WON_PER_LOST: u32 = 4;
/// A round in which all candidacies succeed brings back this part of the places.
const REGAINED_PART: u32 = 4;

/// Groups for which this node stands now, or stood and has to wait.
#[derive(Default)]
pub(crate) struct Candidacies {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// When each began, or until when it rests.
    groups: BTreeMap<GroupId, State>,
    /// Places that are taken.
    taken: u32,
    window: Window,
}

enum State {
    Stands { since: Instant, places: u32 },
    Rests { until: Instant },
}

/// Why a candidacy cannot begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// All places are taken.
    Full,
    /// One runs.
    Stands,
    /// The last one was in vain, and rests.
    Until(Instant),
}

/// How a candidacy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody leads.
    Led,
    /// Nobody does, although enough voters are heard.
    InVain,
    /// Nobody can: too few voters are heard.
    NoQuorum,
}

impl Candidacies {
    fn locked(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a candidacy that takes `places`. One that takes more than there are can begin when no other runs.
    ///
    /// # Errors
    /// What it has to wait for.
    pub(super) fn begin(&self, group: GroupId, places: u32, now: Instant) -> Result<(), Wait> {
        let mut inner = self.locked();
        match inner.groups.get(&group) {
            Some(State::Stands { .. }) => return Err(Wait::Stands),
            Some(State::Rests { until }) if *until > now => return Err(Wait::Until(*until)),
            _ => {}
        }
        if inner.taken > 0 && inner.taken + places > inner.window.places {
            return Err(Wait::Full);
        }
        inner.taken += places;
        let stands = State::Stands { since: now, places };
        inner.groups.insert(group, stands);
        Ok(())
    }

    /// A candidacy that was not successful rests for `rest`.
    pub(super) fn end(&self, group: GroupId, outcome: Outcome, rest: Duration, now: Instant) {
        let mut inner = self.locked();
        let Some(State::Stands { since, places }) = inner.groups.remove(&group) else {
            return;
        };
        inner.taken -= places;
        if outcome != Outcome::Led {
            let until = now + rest;
            inner.groups.insert(group, State::Rests { until });
        }
        match outcome {
            Outcome::Led => inner.window.won(places),
            Outcome::InVain => inner.window.lost(since, now),
            Outcome::NoQuorum => {}
        }
    }
}

/// How many places there are now.
struct Window {
    places: u32,
    /// Parts of a place that were regained.
    quarters: u32,
    /// Candidacies since the last halving, by how they ended.
    won: u32,
    lost: u32,
    halved_at: Option<Instant>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            places: STANDING_MAX,
            quarters: 0,
            won: 0,
            lost: 0,
            halved_at: None,
        }
    }
}

impl Window {
    fn won(&mut self, places: u32) {
        self.won = self.won.saturating_add(1);
        self.quarters += places;
        self.places = (self.places + self.quarters / REGAINED_PART).min(STANDING_MAX);
        self.quarters %= REGAINED_PART;
    }

    fn lost(&mut self, since: Instant, now: Instant) {
        if self.halved_at.is_some_and(|at| since < at) {
            return;
        }
        self.lost = self.lost.saturating_add(1);
        if self.lost.saturating_mul(WON_PER_LOST) > self.won {
            self.places = (self.places / 2).max(STANDING_MIN);
            (self.won, self.lost) = (0, 0);
            self.halved_at = Some(now);
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

    const REST: Duration = Duration::from_secs(1);

    fn groups(count: u32) -> impl Iterator<Item = GroupId> {
        (1..=u64::from(count)).map(GroupId::new)
    }

    /// As many begin as may; how many those are.
    fn begin_all(candidacies: &Candidacies, now: Instant) -> u32 {
        let begun = groups(STANDING_MAX * 2).filter(|g| candidacies.begin(*g, 1, now).is_ok());
        u32::try_from(begun.count()).unwrap()
    }

    #[test]
    fn more_stand_at_once_the_farther_the_voters_are() {
        let at_once = |ms| STANDING_MAX / places(Duration::from_millis(ms));
        assert_eq!(at_once(0), STANDING_NEAR);
        assert_eq!(at_once(29), 341);
        assert_eq!(at_once(181), STANDING_MAX);
        assert_eq!(at_once(u64::MAX), STANDING_MAX);
    }

    #[test]
    fn who_stood_in_vain_rests() {
        let candidacies = Candidacies::default();
        let (group, now) = (GroupId::new(7), Instant::now());
        assert_eq!(candidacies.begin(group, 1, now), Ok(()));
        assert_eq!(candidacies.begin(group, 1, now), Err(Wait::Stands));
        candidacies.end(group, Outcome::NoQuorum, REST, now);
        assert_eq!(
            candidacies.begin(group, 1, now),
            Err(Wait::Until(now + REST))
        );
        assert_eq!(candidacies.begin(group, 1, now + REST), Ok(()));
    }

    #[test]
    fn fewer_stand_when_those_who_did_were_in_vain_and_more_again_when_they_are_not() {
        let candidacies = Candidacies::default();
        let mut now = Instant::now();
        assert_eq!(begin_all(&candidacies, now), STANDING_MAX);
        let mut stood = Vec::new();
        for _ in 0..8 {
            now += REST;
            groups(STANDING_MAX * 2).for_each(|g| candidacies.end(g, Outcome::InVain, REST, now));
            now += REST;
            stood.push(begin_all(&candidacies, now));
        }
        assert_eq!(
            stood,
            [512, 256, 128, 64, 32, 32, 32, 32],
            "a round that fails together halves the places once"
        );
        let mut rounds = 0;
        while begin_all(&candidacies, now) < STANDING_MAX && rounds < 100 {
            groups(STANDING_MAX * 2).for_each(|g| candidacies.end(g, Outcome::Led, REST, now));
            rounds += 1;
        }
        assert!((10..20).contains(&rounds), "{rounds}");
    }

    #[test]
    fn one_group_in_trouble_leaves_the_others_their_places() {
        let candidacies = Candidacies::default();
        let now = Instant::now();
        let (bad, good) = (GroupId::new(1), GroupId::new(2));
        for _ in 0..100 {
            for _ in 0..WON_PER_LOST {
                candidacies.begin(good, 1, now).unwrap();
                candidacies.end(good, Outcome::Led, REST, now);
            }
            candidacies.begin(bad, 1, now).unwrap();
            candidacies.end(bad, Outcome::InVain, Duration::ZERO, now);
        }
        assert_eq!(begin_all(&candidacies, now), STANDING_MAX);
    }
}
