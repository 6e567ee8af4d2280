//! Which moves are under way, which wait, and which may start. Pure.
//!
//! ```text
//!  urgent (evacuate, drain, pin)   up to 128 at once
//!  gentle (home, balance, buyers)  slow start: 2 at once, one more for each that went well, up to 64; half after one that did not
//! ```
//!
//! A move costs its show a few round trips of waiting, so a planned evacuation is run wide; a node that has just come back
//! gets its leaders slowly at first, and fast only while it takes them well. Owns: these bounds and the pauses after a failure.
//! Must never: have two moves of one group under way.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use holdfast_region_config::{GroupId, NodeId};
use tokio::time::Instant;

use super::wanted::Reason;

/// Urgent moves at once. A thousand shards in five seconds, at half a second a move between far regions, are a hundred at once.
pub const URGENT_MAX: usize = 128;
/// Gentle moves at once, at most.
pub const GENTLE_MAX: usize = 64;
/// Gentle moves at once, to begin with.
pub const GENTLE_FIRST: usize = 2;
/// A group whose move failed waits this long before the next; doubled each time.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);
/// And at most this long when somebody waits for it,
pub const PAUSE_URGENT_MAX: Duration = Duration::from_secs(2);
/// this long otherwise.
pub const PAUSE_GENTLE_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(
    GENTLE_FIRST < GENTLE_MAX && GENTLE_MAX <= URGENT_MAX,
    "what only tidies up never runs wider than what somebody waits for"
);

/// A move that should be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The group.
    pub group: GroupId,
    /// Its next leader.
    pub to: NodeId,
    /// Why.
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    failures: u32,
}

/// See the module's head.
#[derive(Debug)]
pub struct Moves {
    urgent: VecDeque<Wish>,
    gentle: VecDeque<Wish>,
    under_way: BTreeMap<GroupId, Reason>,
    pauses: BTreeMap<GroupId, Pause>,
    gentle_max: usize,
}

impl Default for Moves {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            gentle: VecDeque::new(),
            under_way: BTreeMap::new(),
            pauses: BTreeMap::new(),
            gentle_max: GENTLE_FIRST,
        }
    }
}

impl Moves {
    /// Replaces everything that waits; what is under way goes on.
    pub fn wish(&mut self, wishes: impl IntoIterator<Item = Wish>) {
        let (urgent, gentle): (VecDeque<_>, VecDeque<_>) = wishes
            .into_iter()
            .filter(|wish| !self.under_way.contains_key(&wish.group))
            .partition(|wish| wish.reason.is_urgent());
        if gentle.is_empty() && !self.is_moving(false) {
            self.gentle_max = GENTLE_FIRST;
        }
        let wished: BTreeSet<GroupId> = urgent.iter().chain(&gentle).map(|w| w.group).collect();
        self.pauses.retain(|group, _| wished.contains(group));
        (self.urgent, self.gentle) = (urgent, gentle);
    }

    /// The next move to start at `now`, which is under way from then on.
    pub fn start(&mut self, now: Instant) -> Option<Wish> {
        let urgent_now = self.count(true);
        let gentle_now = self.count(false);
        let wish = if urgent_now < URGENT_MAX
            && let Some(wish) = take(&mut self.urgent, &self.pauses, now)
        {
            wish
        } else if gentle_now < self.gentle_max {
            take(&mut self.gentle, &self.pauses, now)?
        } else {
            return None;
        };
        self.under_way.insert(wish.group, wish.reason);
        Some(wish)
    }

    /// A move has ended. One that did not go well waits for another try: until somebody withdraws the wish, the group is still
    /// to be moved.
    pub fn ended(&mut self, now: Instant, wish: Wish, well: bool) {
        let Wish { group, .. } = wish;
        let Some(reason) = self.under_way.remove(&group) else {
            return;
        };
        if !reason.is_urgent() {
            self.gentle_max = if well {
                (self.gentle_max + 1).min(GENTLE_MAX)
            } else {
                (self.gentle_max / 2).max(1)
            };
        }
        if well {
            self.pauses.remove(&group);
            return;
        }
        let (queue, longest) = if reason.is_urgent() {
            (&mut self.urgent, PAUSE_URGENT_MAX)
        } else {
            (&mut self.gentle, PAUSE_GENTLE_MAX)
        };
        queue.push_back(wish);
        let failures = self.pauses.get(&group).map_or(0, |pause| pause.failures);
        let pause = PAUSE_MIN * 2_u32.saturating_pow(failures.min(16));
        let until = now + pause.min(longest);
        let failures = failures + 1;
        self.pauses.insert(group, Pause { until, failures });
    }

    /// Forgets what is under way: how it ends is not known any more.
    pub fn forget_under_way(&mut self) {
        self.under_way.clear();
    }

    /// When a move that waits after a failure may be tried again.
    #[must_use]
    pub fn next_try(&self, now: Instant) -> Option<Instant> {
        let pauses = self.pauses.values().map(|pause| pause.until);
        pauses.filter(|until| *until > now).min()
    }

    /// Whether nothing is under way, though something may wait.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many wait, be it after a failure, or are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.urgent.len() + self.gentle.len() + self.under_way.len()
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_moving(&self, urgent: bool) -> bool {
        self.count(urgent) > 0
    }

    fn count(&self, urgent: bool) -> usize {
        let reasons = self.under_way.values();
        reasons
            .filter(|reason| reason.is_urgent() == urgent)
            .count()
    }
}

/// The first wish whose group does not pause.
fn take(
    queue: &mut VecDeque<Wish>,
    pauses: &BTreeMap<GroupId, Pause>,
    now: Instant,
) -> Option<Wish> {
    let ready = |wish: &Wish| {
        pauses
            .get(&wish.group)
            .is_none_or(|pause| pause.until <= now)
    };
    let at = queue.iter().position(ready)?;
    queue.remove(at)
}

#[cfg(test)]
mod tests;
