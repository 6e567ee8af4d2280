//! The order of regions. Pure.
//!
//! Owns: what counts first: can it do the work, then how far it is. Must never: look at a clock, or drop a region.

use std::time::Duration;

use holdfast_region_config::ids::RegionId;

/// What a region can do, as seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// A node there answers and is in touch with a majority.
    Commits,
    /// Nobody has asked yet; taken to be good, since most are.
    Unknown,
    /// Its nodes answer and are cut off: old maps, no writes.
    CutOff,
    /// None of its nodes answers.
    Dead,
}

impl Health {
    /// Name for people and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Unknown => "unknown",
            Self::CutOff => "cut_off",
            Self::Dead => "dead",
        }
    }
}

/// One region and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The region.
    pub region: RegionId,
    /// What it can do.
    pub health: Health,
    /// Round trip as measured lately.
    pub measured: Option<Duration>,
    /// Round trip by the topology or by distance.
    pub expected: Duration,
    /// An operator moved its work elsewhere.
    pub drained: bool,
}

/// Classes of regions: a nearer region of a worse class never goes before a farther one of a better class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Can do everything, as far as we know.
    Good,
    /// Can, and shall not: asked after every good one. Users who are at its gateways are kept away by nobody here.
    Drained,
    /// Can show what it knew.
    CutOff,
    /// Cannot.
    Dead,
}

impl Tier {
    /// Why a region is where it is in the order, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Good => "good, by round trip",
            Self::Drained => "drained by an operator: nothing new goes there",
            Self::CutOff => "answers, but is cut off from the majority",
            Self::Dead => "none of its nodes answers",
        }
    }
}

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// As it was given.
    pub candidate: Candidate,
    /// Its class.
    pub tier: Tier,
    /// What going there costs.
    pub cost: Duration,
}

fn tier(candidate: &Candidate) -> Tier {
    match candidate.health {
        Health::Dead => Tier::Dead,
        Health::CutOff => Tier::CutOff,
        Health::Commits | Health::Unknown if candidate.drained => Tier::Drained,
        Health::Commits | Health::Unknown => Tier::Good,
    }
}

/// Best first. Equal ones keep the order in which they were given.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use holdfast_gateway::routing::score::{Candidate, Health, rank};
/// use holdfast_region_config::ids::RegionId;
///
/// let region = |id: &str, health, ms| Candidate {
///     region: RegionId::new(id).unwrap(),
///     health,
///     measured: None,
///     expected: Duration::from_millis(ms),
///     drained: false,
/// };
/// let ranked = rank(vec![region("near", Health::Dead, 2), region("far", Health::Commits, 90)]);
/// assert_eq!(ranked[0].candidate.region.as_str(), "far");
/// ```
#[must_use]
pub fn rank(candidates: Vec<Candidate>) -> Vec<Ranked> {
    let ranked = candidates.into_iter().map(|candidate| Ranked {
        tier: tier(&candidate),
        cost: candidate.measured.unwrap_or(candidate.expected),
        candidate,
    });
    let mut ranked: Vec<Ranked> = ranked.collect();
    ranked.sort_by_key(|one| (one.tier, one.cost));
    ranked
}

/// Whether no region can do anything, as far as is known. Then the order is that of distance alone: the observer may be
/// what is cut off.
#[must_use]
pub fn all_dead(candidates: &[Candidate]) -> bool {
    candidates.iter().all(|c| c.health == Health::Dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(
        id: &str,
        health: Health,
        measured_ms: Option<u64>,
        expected_ms: u64,
    ) -> Candidate {
        Candidate {
            region: RegionId::new(id).unwrap(),
            health,
            measured: measured_ms.map(Duration::from_millis),
            expected: Duration::from_millis(expected_ms),
            drained: false,
        }
    }

    fn order(candidates: Vec<Candidate>) -> String {
        let ranked = rank(candidates);
        let ids = ranked.iter().map(|one| one.candidate.region.to_string());
        ids.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_a_region_can_do_goes_before_how_near_it_is() {
        let drained = Candidate {
            drained: true,
            ..candidate("drained", Health::Commits, Some(1), 1)
        };
        let mixed = vec![
            candidate("dead", Health::Dead, Some(1), 1),
            candidate("cut-off", Health::CutOff, Some(1), 1),
            drained,
            candidate("far", Health::Commits, Some(200), 200),
            candidate("new", Health::Unknown, None, 150),
        ];
        assert_eq!(order(mixed), "new far drained cut-off dead");
    }

    #[test]
    fn a_measurement_goes_before_an_expectation() {
        let two = vec![
            candidate("a", Health::Commits, Some(80), 10),
            candidate("b", Health::Commits, None, 40),
        ];
        assert_eq!(order(two), "b a");
    }

    #[test]
    fn equals_keep_their_order_and_all_dead_is_still_an_order() {
        let dead = vec![
            candidate("b", Health::Dead, None, 20),
            candidate("a", Health::Dead, None, 20),
            candidate("c", Health::Dead, None, 5),
        ];
        assert!(all_dead(&dead));
        assert_eq!(order(dead), "c b a");
        assert!(!all_dead(&[candidate("a", Health::Unknown, None, 1)]));
    }

    #[test]
    fn a_region_that_died_while_drained_is_dead() {
        let both = Candidate {
            drained: true,
            ..candidate("a", Health::Dead, None, 1)
        };
        assert_eq!(rank(vec![both])[0].tier, Tier::Dead);
    }
}
