//! Which region serves a request.
//!
//! ```text
//!   probes and answers ─► health, round trip ─┐
//!   directory ─► drained regions ─────────────┼─► score::rank ─► stick ─► order of the nodes for every request
//!   topology ─► distance ─────────────────────┘                  spill ─► some requests go one further while it is full
//! ```
//!
//! Owns: the pure rules ([`score`], [`stick`], [`spill`], [`latency`], [`budget`]) and the little state around them. Must
//! never: refuse to choose; when everything looks dead, the order of distance is still an order.

pub mod budget;
pub mod latency;
pub mod score;
pub mod spill;
pub mod stick;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_region_config::ids::RegionId;

use self::score::{Candidate, Ranked};
use self::spill::Spill;
use self::stick::Stick;

/// A further region takes over a full one's requests only if it is not farther than this.
const SPILL_DETOUR_MAX: Duration = Duration::from_millis(100);

/// The choice as it stands; made anew twice a second and whenever a node fails.
#[derive(Debug, Default)]
pub struct Choice {
    /// The region that requests go to first.
    pub region: Option<RegionId>,
    /// Every region, best first; the chosen one is first also while another is a little better.
    pub ranked: Vec<Ranked>,
    /// Every region looks dead: the order is that of distance.
    pub fail_open: bool,
}

impl Choice {
    /// Where `region` stands in the order.
    #[must_use]
    pub fn position(&self, region: &RegionId) -> usize {
        let at = self
            .ranked
            .iter()
            .position(|r| r.candidate.region == *region);
        at.unwrap_or(usize::MAX)
    }
}

/// Chooses, and remembers what it takes to choose steadily.
#[derive(Debug, Default)]
pub struct Router {
    /// Guards the pointer only; never held over an await.
    now: RwLock<Arc<Choice>>,
    /// Never held over an await.
    stick: Mutex<Stick>,
    /// By region; as many as the topology has. Never held over an await.
    spill: Mutex<BTreeMap<RegionId, Spill>>,
}

impl Router {
    /// The choice as it stands.
    #[must_use]
    pub fn choice(&self) -> Arc<Choice> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Chooses among `candidates`; says what was left for what when the choice changed.
    pub fn review(
        &self,
        candidates: Vec<Candidate>,
        now: Instant,
    ) -> Option<(Option<RegionId>, RegionId)> {
        let fail_open = score::all_dead(&candidates);
        let mut ranked = score::rank(candidates);
        let mut stick = self.stick.lock().unwrap_or_else(PoisonError::into_inner);
        let before = stick.current().cloned();
        let region = stick.settle(&ranked, now);
        if let Some(at) = ranked
            .iter()
            .position(|r| Some(&r.candidate.region) == region.as_ref())
        {
            ranked[..=at].rotate_right(1);
        }
        let changed = region
            .clone()
            .filter(|region| before.as_ref() != Some(region));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Choice {
            region,
            ranked,
            fail_open,
        });
        changed.map(|region| (before, region))
    }

    /// A node of `region` said that its queues are full.
    pub fn saturated(&self, region: &RegionId, now: Instant) {
        let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        spill.entry(region.clone()).or_default().saturated(now);
    }

    /// The share of requests that `region` passes on now, 0 to [`spill::SHARE_MAX`].
    #[must_use]
    pub fn spilling(&self, region: &RegionId, now: Instant) -> f64 {
        let spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        spill.get(region).map_or(0.0, |spill| spill.share(now))
    }

    /// The region that takes this request instead of the first one; nearly always none.
    #[must_use]
    pub fn spills_to(&self, choice: &Choice, now: Instant) -> Option<RegionId> {
        let first = choice.ranked.first()?;
        let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
        // Usual case: nobody was ever full.
        if !spill.get_mut(&first.candidate.region)?.passes_on(now) {
            return None;
        }
        let second = choice.ranked.get(1)?;
        let near = second.cost <= first.cost + SPILL_DETOUR_MAX;
        let region = &second.candidate.region;
        let has_room = spill
            .get(region)
            .is_none_or(|spill| spill.share(now) == 0.0);
        (second.tier == first.tier && near && has_room).then(|| region.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::score::Health;
    use super::*;

    fn candidate(region: &str, ms: u64) -> Candidate {
        Candidate {
            region: RegionId::new(region).unwrap(),
            health: Health::Commits,
            measured: Some(Duration::from_millis(ms)),
            expected: Duration::from_millis(ms),
            drained: false,
        }
    }

    #[test]
    fn the_chosen_region_stays_first_while_another_is_only_a_little_better() {
        let router = Router::default();
        let now = crate::clock::now();
        let first = router.review(vec![candidate("a", 20), candidate("b", 30)], now);
        assert_eq!(first.unwrap().1.as_str(), "a");
        let later = router.review(vec![candidate("a", 31), candidate("b", 30)], now);
        assert_eq!(later, None);
        let choice = router.choice();
        assert_eq!(choice.ranked[0].candidate.region.as_str(), "a");
        assert_eq!(choice.ranked[1].candidate.region.as_str(), "b");
    }

    #[test]
    fn a_full_region_passes_on_a_part_and_only_to_one_that_is_near_and_has_room() {
        let router = Router::default();
        let now = crate::clock::now();
        router.review(vec![candidate("a", 10), candidate("b", 50)], now);
        let choice = router.choice();
        let passed_on = |now| {
            let spills = (0..1_000).filter_map(|_| router.spills_to(&choice, now));
            spills.count()
        };
        assert_eq!(passed_on(now), 0);
        let full = choice.ranked[0].candidate.region.clone();
        (0..3).for_each(|_| router.saturated(&full, now));
        assert!((250..=350).contains(&passed_on(now)), "{}", passed_on(now));
        (0..100).for_each(|_| router.saturated(&full, now));
        assert!(passed_on(now) <= 500, "never more than half");
        router.saturated(&choice.ranked[1].candidate.region, now);
        assert_eq!(passed_on(now), 0, "the next one is full too");
        assert_eq!(passed_on(now + Duration::from_secs(60)), 0, "it is over");
    }

    #[test]
    fn nobody_is_sent_across_an_ocean_because_a_region_is_full() {
        let router = Router::default();
        let now = crate::clock::now();
        router.review(vec![candidate("a", 10), candidate("b", 200)], now);
        let choice = router.choice();
        let full = choice.ranked[0].candidate.region.clone();
        (0..9).for_each(|_| router.saturated(&full, now));
        assert!((0..100).all(|_| router.spills_to(&choice, now).is_none()));
    }
}
