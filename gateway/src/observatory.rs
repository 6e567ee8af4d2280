//! Which regions are well, by what all regions see and not by what one of them sees.
//!
//! ```text
//!   own nodes' survey, own look at the other gateways ─► what this region sees ─┐
//!   every second: what the gateways of each other region see ───────────────────┴─► quorum ─► damper ─► down or not
//! ```
//!
//! A region is *well* for whoever looks if a node there answers and is in touch with a majority, and a gateway there answers
//! and calls itself ready: then a sale can be committed through it. Owns: gathering this, and the verdicts. Must never: call a
//! region down because this one is cut off; whoever hears nobody keeps the verdicts that it has.

pub mod damper;
mod poll;
pub mod quorum;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_region_config::ids::RegionId;
use serde::{Deserialize, Serialize};

use self::damper::Damper;
pub use self::poll::keep_watching;
pub(crate) use self::poll::{PATH, fetch};

/// How often everybody is asked.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// What a region said longer ago than this is not counted any more.
const HEARD_MAX_AGE: Duration = Duration::from_secs(5);

/// What one region sees of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// A node answers and is in touch with a majority.
    pub nodes: bool,
    /// A gateway answers and calls itself ready.
    pub gateways: bool,
}

impl Sight {
    /// Whether a sale can be committed through it.
    #[must_use]
    pub const fn is_well(self) -> bool {
        self.nodes && self.gateways
    }
}

/// What a gateway says to those who ask, and what is believed here, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observations {
    /// Who says it.
    pub region: RegionId,
    /// Whether its gateway takes users.
    pub ready: bool,
    /// What it sees of each region.
    pub sees: BTreeMap<RegionId, Sight>,
    /// What it holds to be true of each region, by what all see.
    #[serde(default)]
    pub verdicts: BTreeMap<RegionId, Verdict>,
}

/// What is believed of one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Users are sent there.
    pub up: bool,
    /// Other regions that see it well, of those heard lately.
    pub seen_well_by: usize,
    /// Other regions that do not, of those heard lately.
    pub seen_ill_by: usize,
    /// How often it went down lately; each time it is trusted again later.
    pub flaps: u32,
}

#[derive(Debug, Default)]
struct State {
    own: BTreeMap<RegionId, Sight>,
    heard: BTreeMap<RegionId, (Instant, BTreeMap<RegionId, Sight>)>,
    dampers: BTreeMap<RegionId, Damper>,
    verdicts: BTreeMap<RegionId, Verdict>,
    unsettled: bool,
}

/// See the module's head.
#[derive(Debug, Default)]
pub struct Observatory {
    /// Never held over an await.
    state: Mutex<State>,
}

impl Observatory {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Regions that a quorum found unable to serve.
    #[must_use]
    pub fn down(&self) -> BTreeSet<RegionId> {
        self.with(|state| {
            let down = state.verdicts.iter().filter(|(_, verdict)| !verdict.up);
            down.map(|(region, _)| region.clone()).collect()
        })
    }

    /// Whether a region looks ill that is not down yet, or well that is not up yet.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.with(|state| state.unsettled)
    }

    /// What this region sees, and believes.
    #[must_use]
    pub fn observations(&self, region: RegionId, ready: bool) -> Observations {
        self.with(|state| Observations {
            region,
            ready,
            sees: state.own.clone(),
            verdicts: state.verdicts.clone(),
        })
    }

    /// Region `from` said what it sees.
    fn heard(&self, from: RegionId, sees: BTreeMap<RegionId, Sight>, now: Instant) {
        self.with(|state| state.heard.insert(from, (now, sees)));
    }

    /// Takes what this region sees of all regions, and judges each of them. Says which ones changed.
    fn judge(
        &self,
        own_region: &RegionId,
        own: BTreeMap<RegionId, Sight>,
        now: Instant,
    ) -> Vec<(RegionId, bool)> {
        self.with(|state| {
            state.heard.retain(|region, (at, _)| {
                own.contains_key(region) && now.saturating_duration_since(*at) <= HEARD_MAX_AGE
            });
            state.dampers.retain(|region, _| own.contains_key(region));
            state.own = own;
            let mut changed = Vec::new();
            let mut verdicts = BTreeMap::new();
            let mut unsettled = false;
            for region in state.own.keys() {
                let others = state.own.len() - 1;
                let seen = seen_by_others(state, own_region, region);
                let damper = state.dampers.entry(region.clone()).or_default();
                let before = damper.is_up();
                if let Some(well) = quorum::decide(seen, others) {
                    damper.sample(well, now);
                    unsettled |= well != damper.is_up();
                }
                if damper.is_up() != before {
                    changed.push((region.clone(), damper.is_up()));
                }
                let verdict = Verdict {
                    up: damper.is_up(),
                    seen_well_by: seen.well,
                    seen_ill_by: seen.ill,
                    flaps: damper.flaps(now),
                };
                verdicts.insert(region.clone(), verdict);
            }
            state.verdicts = verdicts;
            state.unsettled = unsettled;
            changed
        })
    }
}

/// A region's word about itself does not count: one that is ill may not know.
fn seen_by_others(state: &State, own_region: &RegionId, about: &RegionId) -> quorum::Seen {
    let own = (own_region != about)
        .then(|| state.own.get(about))
        .flatten();
    let others = state
        .heard
        .iter()
        .filter(|(from, _)| *from != about && *from != own_region);
    let others = others.filter_map(|(_, (_, sees))| sees.get(about));
    let mut seen = quorum::Seen::default();
    for sight in own.into_iter().chain(others) {
        if sight.is_well() {
            seen.well += 1;
        } else {
            seen.ill += 1;
        }
    }
    seen
}

#[cfg(test)]
mod tests;
