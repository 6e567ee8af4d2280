//! Staying where one is unless elsewhere is clearly better.
//!
//! Owns: the hysteresis. Must never: stay with a region of a worse class than the best one.

use std::time::{Duration, Instant};

use holdfast_region_config::ids::RegionId;

use super::score::Ranked;

/// The other region must be nearer by this part of our round trip …
const BETTER_RATIO: f64 = 0.8;
/// … and by this much, since a fifth of two milliseconds is noise …
const BETTER_BY: Duration = Duration::from_millis(10);
/// … for this long without a break: longer than a burst of load, shorter than anybody notices.
const BETTER_FOR: Duration = Duration::from_secs(5);

/// Where we are, and since when elsewhere is better.
#[derive(Debug, Default)]
pub struct Stick {
    current: Option<RegionId>,
    better: Option<(RegionId, Instant)>,
}

impl Stick {
    /// The region chosen last.
    #[must_use]
    pub fn current(&self) -> Option<&RegionId> {
        self.current.as_ref()
    }

    /// The region to be in now, given the `ranked` ones; `None` when there is no region at all.
    pub fn settle(&mut self, ranked: &[Ranked], now: Instant) -> Option<RegionId> {
        let best = ranked.first()?;
        let here = ranked
            .iter()
            .find(|r| Some(&r.candidate.region) == self.current.as_ref());
        let moves = match here {
            None => true,
            Some(here) if here.tier > best.tier => true,
            Some(here) if clearly_better(best, here) => self.better_long_enough(best, now),
            Some(_) => {
                self.better = None;
                false
            }
        };
        if moves {
            self.current = Some(best.candidate.region.clone());
            self.better = None;
        }
        self.current.clone()
    }

    fn better_long_enough(&mut self, best: &Ranked, now: Instant) -> bool {
        match &self.better {
            Some((region, since)) if *region == best.candidate.region => {
                now.saturating_duration_since(*since) >= BETTER_FOR
            }
            _ => {
                self.better = Some((best.candidate.region.clone(), now));
                false
            }
        }
    }
}

fn clearly_better(best: &Ranked, here: &Ranked) -> bool {
    best.cost < here.cost.mul_f64(BETTER_RATIO) && best.cost + BETTER_BY <= here.cost
}

#[cfg(test)]
mod tests {
    use super::super::score::{Candidate, Health, rank};
    use super::*;

    fn ranked(regions: &[(&str, Health, u64)]) -> Vec<Ranked> {
        let candidates = regions.iter().map(|(id, health, ms)| Candidate {
            region: RegionId::new(*id).unwrap(),
            health: *health,
            measured: Some(Duration::from_millis(*ms)),
            expected: Duration::ZERO,
            drained: false,
        });
        rank(candidates.collect())
    }

    fn chosen(stick: &mut Stick, regions: &[(&str, Health, u64)], at: Instant) -> String {
        stick.settle(&ranked(regions), at).unwrap().to_string()
    }

    #[test]
    fn it_moves_only_when_elsewhere_is_clearly_better_for_long_enough() {
        use Health::Commits;
        let (mut stick, start) = (Stick::default(), crate::clock::now());
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(
            chosen(&mut stick, &[("a", Commits, 40), ("b", Commits, 50)], at(0)),
            "a"
        );
        // By ratio, not by enough milliseconds; by milliseconds, not by ratio.
        assert_eq!(
            chosen(&mut stick, &[("a", Commits, 10), ("b", Commits, 2)], at(10)),
            "a"
        );
        assert_eq!(
            chosen(
                &mut stick,
                &[("a", Commits, 200), ("b", Commits, 170)],
                at(20)
            ),
            "a"
        );
        let better = [("a", Commits, 100), ("b", Commits, 40)];
        assert_eq!(chosen(&mut stick, &better, at(30)), "a");
        assert_eq!(chosen(&mut stick, &better, at(34)), "a");
        assert_eq!(chosen(&mut stick, &better, at(35)), "b");
    }

    #[test]
    fn a_break_starts_the_wait_again() {
        use Health::Commits;
        let (mut stick, start) = (Stick::default(), crate::clock::now());
        let at = |s| start + Duration::from_secs(s);
        let (better, equal) = (
            [("a", Commits, 100), ("b", Commits, 40)],
            [("a", Commits, 40), ("b", Commits, 40)],
        );
        assert_eq!(chosen(&mut stick, &equal, at(0)), "a");
        assert_eq!(chosen(&mut stick, &better, at(1)), "a");
        assert_eq!(chosen(&mut stick, &equal, at(4)), "a");
        assert_eq!(chosen(&mut stick, &better, at(5)), "a");
        assert_eq!(chosen(&mut stick, &better, at(9)), "a");
        assert_eq!(chosen(&mut stick, &better, at(10)), "b");
    }

    #[test]
    fn a_region_that_cannot_do_the_work_is_left_at_once_and_not_gone_back_to_in_haste() {
        use Health::{Commits, Dead};
        let (mut stick, start) = (Stick::default(), crate::clock::now());
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(
            chosen(&mut stick, &[("a", Commits, 2), ("b", Commits, 90)], at(0)),
            "a"
        );
        assert_eq!(
            chosen(&mut stick, &[("a", Dead, 2), ("b", Commits, 90)], at(1)),
            "b"
        );
        let back = [("a", Commits, 2), ("b", Commits, 90)];
        assert_eq!(chosen(&mut stick, &back, at(2)), "b");
        assert_eq!(chosen(&mut stick, &back, at(7)), "a");
    }

    #[test]
    fn a_region_that_left_the_topology_is_left() {
        use Health::Commits;
        let (mut stick, now) = (Stick::default(), crate::clock::now());
        assert_eq!(
            chosen(&mut stick, &[("a", Commits, 2), ("b", Commits, 3)], now),
            "a"
        );
        assert_eq!(chosen(&mut stick, &[("b", Commits, 3)], now), "b");
        assert_eq!(stick.settle(&[], now), None);
    }
}
