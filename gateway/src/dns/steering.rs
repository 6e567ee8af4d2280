//! Which regions may be answered now.
//!
//! Owns: how health, drains and pins add up. Pure: whoever makes a [`Steering`] has read the clock. Must never: leave nobody.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::{LowerName, Name};
use holdfast_node_api::v1;
use holdfast_region_config::ids::RegionId;

/// What decides, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steering {
    /// Regions that a quorum of regions found unable to serve.
    pub down: BTreeSet<RegionId>,
    /// Regions that an operator emptied: they get no new users.
    pub drained: BTreeSet<RegionId>,
    /// For one name, the one region that an operator wants answered.
    pub pins: BTreeMap<LowerName, RegionId>,
    /// The same for every name without a pin of its own.
    pub pin_all: Option<RegionId>,
    /// Something is going on that the above does not say, such as a region that fails for the first time.
    pub unsettled: bool,
}

/// Whom to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// At least one, best first, unless there is no region at all.
    pub regions: Vec<RegionId>,
    /// Whether somebody elsewhere could get another answer.
    pub depends_on_client: bool,
}

impl Steering {
    /// What holds at `now_ms`: what the directory wants, and what all regions see. `evacuated` and `overrides` are the
    /// directory's; `down` and `unsettled` come from the observatory.
    #[must_use]
    pub fn gather(
        evacuated: impl Iterator<Item = RegionId>,
        overrides: &[v1::SteeringOverride],
        (down, unsettled): (BTreeSet<RegionId>, bool),
        now_ms: u64,
    ) -> Self {
        let mut steering = Self {
            down,
            drained: evacuated.collect(),
            unsettled,
            ..Self::default()
        };
        for wish in overrides.iter().filter(|wish| wish.until_ms > now_ms) {
            let Ok(region) = RegionId::new(wish.region.as_str()) else {
                continue;
            };
            match wish.kind() {
                v1::SteeringKind::Drain => drop(steering.drained.insert(region)),
                v1::SteeringKind::Pin if wish.name.is_empty() => steering.pin_all = Some(region),
                v1::SteeringKind::Pin => {
                    if let Ok(name) = Name::from_ascii(&wish.name) {
                        steering.pins.insert(LowerName::new(&name), region);
                    }
                }
                // A kind that a newer release knows.
                v1::SteeringKind::Unspecified => {}
            }
        }
        steering
    }

    /// Whether answers should be forgotten soon.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        let pinned = self.pin_all.is_some() || !self.pins.is_empty();
        self.unsettled || pinned || !self.down.is_empty() || !self.drained.is_empty()
    }

    /// The region that an operator wants answered for `name`.
    #[must_use]
    pub fn pin(&self, name: &LowerName) -> Option<&RegionId> {
        self.pins.get(name).or(self.pin_all.as_ref())
    }

    /// Up to `count` regions of `order`, which has only such that have an address, nearest first.
    ///
    /// A pin wins over everything, also over health: the operator sees more. Drains are ignored when nobody would be left.
    /// When fewer than half of what is left looks healthy, more likely the looking is at fault: then the sick ones are
    /// answered too, after the healthy ones.
    #[must_use]
    pub fn choose(&self, name: &LowerName, order: &[RegionId], count: usize) -> Choice {
        if let Some(pin) = self.pin(name).filter(|pin| order.contains(pin)) {
            return Choice {
                regions: vec![pin.clone()],
                depends_on_client: false,
            };
        }
        let mut open: Vec<&RegionId> = order
            .iter()
            .filter(|region| !self.drained.contains(*region))
            .collect();
        if open.is_empty() {
            open = order.iter().collect();
        }
        let (well, sick): (Vec<&RegionId>, Vec<&RegionId>) = open
            .iter()
            .partition(|region| !self.down.contains(**region));
        let fails_open = well.len() * 2 < open.len();
        let sick = if fails_open { sick } else { Vec::new() };
        let depends_on_client = well.len() + sick.len() > 1;
        Choice {
            regions: well.into_iter().chain(sick).take(count).cloned().collect(),
            depends_on_client,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn id(text: &str) -> RegionId {
        RegionId::new(text).unwrap()
    }

    fn set(ids: &[&str]) -> BTreeSet<RegionId> {
        ids.iter().map(|text| id(text)).collect()
    }

    fn chosen(steering: &Steering, order: &[&str], count: usize) -> (Vec<String>, bool) {
        let order: Vec<RegionId> = order.iter().map(|text| id(text)).collect();
        let name = LowerName::from_str("tickets.example.").unwrap();
        let choice = steering.choose(&name, &order, count);
        let names = choice.regions.iter().map(ToString::to_string).collect();
        (names, choice.depends_on_client)
    }

    fn names(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_nearest_healthy_regions_are_answered_in_order() {
        let mut steering = Steering::default();
        assert!(!steering.is_degraded());
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["a", "b"]), true)
        );
        steering.down = set(&["a"]);
        assert!(steering.is_degraded());
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["b", "c"]), true)
        );
    }

    #[test]
    fn when_fewer_than_half_look_healthy_the_sick_are_answered_after_the_healthy() {
        let mut steering = Steering {
            down: set(&["a", "b"]),
            ..Steering::default()
        };
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["c", "a"]), true)
        );
        steering.down = set(&["a", "b", "c"]);
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 3),
            (names(&["a", "b", "c"]), true)
        );
    }

    #[test]
    fn overrides_hold_until_their_end_and_evacuated_regions_are_drained() {
        let wish =
            |kind: v1::SteeringKind, name: &str, region: &str, until_ms| v1::SteeringOverride {
                kind: kind.into(),
                region: region.to_owned(),
                name: name.to_owned(),
                until_ms,
            };
        let overrides = [
            wish(v1::SteeringKind::Drain, "", "b", 2_000),
            wish(v1::SteeringKind::Drain, "", "c", 1_000),
            wish(v1::SteeringKind::Pin, "Tickets.Example.", "c", 2_000),
            wish(v1::SteeringKind::Pin, "", "c", 999),
        ];
        let evacuated = || std::iter::once(id("d"));
        let steering = Steering::gather(evacuated(), &overrides, (BTreeSet::new(), false), 1_000);
        assert_eq!(steering.drained, set(&["b", "d"]));
        assert_eq!(steering.pin_all, None);
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["c"]), false)
        );
        let later = Steering::gather(evacuated(), &overrides, (BTreeSet::new(), false), 2_000);
        assert_eq!(later.drained, set(&["d"]));
        assert!(later.pins.is_empty());
    }

    #[test]
    fn half_healthy_is_enough_to_leave_the_sick_out() {
        let steering = Steering {
            down: set(&["a", "b"]),
            ..Steering::default()
        };
        let (regions, _) = chosen(&steering, &["a", "b", "c", "d"], 4);
        assert_eq!(regions, names(&["c", "d"]));
    }

    #[test]
    fn drained_regions_are_not_answered_unless_nobody_is_left() {
        let mut steering = Steering {
            drained: set(&["a"]),
            ..Steering::default()
        };
        assert_eq!(chosen(&steering, &["a", "b"], 2), (names(&["b"]), false));
        steering.drained = set(&["a", "b"]);
        assert_eq!(
            chosen(&steering, &["a", "b"], 2),
            (names(&["a", "b"]), true)
        );
    }

    #[test]
    fn a_pin_wins_over_health_and_that_of_a_name_over_that_of_all() {
        let name = LowerName::from_str("tickets.example.").unwrap();
        let mut steering = Steering {
            down: set(&["b"]),
            pin_all: Some(id("b")),
            ..Steering::default()
        };
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["b"]), false)
        );
        steering.pins.insert(name, id("c"));
        assert_eq!(
            chosen(&steering, &["a", "b", "c"], 2),
            (names(&["c"]), false)
        );
        steering.pins.clear();
        steering.pin_all = Some(id("unknown"));
        assert_eq!(chosen(&steering, &["a", "c"], 1), (names(&["a"]), true));
    }
}
