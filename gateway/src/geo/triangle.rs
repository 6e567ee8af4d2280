//! All regions in the order of their round trips to a network, of which only some were measured.
//!
//! ```text
//!            between               no side of a triangle is longer than the two others together:
//!   region M ────────── region X     |between - measured|  ≤  X's round trip  ≤  between + measured
//!       \               ?           each M gives such bounds; the greatest lower and the least upper one count,
//!        \ measured   ?             and the middle of them is the estimate
//!          network
//! ```
//!
//! Ways through the Internet break that rule now and then, so the bounds may cross; their middle is a good guess all the same.
//!
//! Owns: the estimate and the order. Pure. Must never: take a difference for one that nobody would feel.

use std::time::Duration;

use holdfast_region_config::ids::RegionId;
use holdfast_region_config::topology::{Region, Topology};

use super::between;

/// Round trips that differ by less are equal: measured twice they may be the other way round.
const SAME: Duration = Duration::from_millis(5);

/// What is known of the way between one region and the network.
struct Way<'a> {
    region: &'a RegionId,
    round_trip: Duration,
    measured: bool,
    /// Of the region in the topology.
    position: usize,
    /// The least round trip of those that are equal to this one.
    rank: Duration,
}

/// The regions of `topology`, nearest first, each with its round trip. Of equal ones `own` comes first, then what was measured,
/// then what the topology names first: whoever asks here and is no nearer to anybody else stays.
pub(super) fn order(
    topology: &Topology,
    own: &RegionId,
    measured: &[(RegionId, Duration)],
) -> Vec<(RegionId, Duration)> {
    let regions = topology.regions.iter().enumerate();
    let ways = regions.map(|(position, region)| {
        let known = measured.iter().find(|(id, _)| *id == region.id);
        Way {
            region: &region.id,
            round_trip: known.map_or_else(|| estimate(topology, measured, region), |known| known.1),
            measured: known.is_some(),
            position,
            rank: Duration::ZERO,
        }
    });
    let mut ways: Vec<Way<'_>> = ways.collect();
    ways.sort_by_key(|way| way.round_trip);
    let mut rank = ways.first().map_or(Duration::ZERO, |way| way.round_trip);
    for way in &mut ways {
        if way.round_trip.saturating_sub(rank) >= SAME {
            rank = way.round_trip;
        }
        way.rank = rank;
    }
    ways.sort_by_key(|way| (way.rank, way.region != own, !way.measured, way.position));
    let ways = ways.into_iter();
    ways.map(|way| (way.region.clone(), way.round_trip))
        .collect()
}

/// The middle of what the round trip to region `to` may be; nothing is known without a measurement.
fn estimate(topology: &Topology, measured: &[(RegionId, Duration)], to: &Region) -> Duration {
    let (mut least, mut most) = (Duration::ZERO, Duration::MAX);
    for (from, round_trip) in measured {
        let between = between(topology, from, to);
        least = least.max(between.abs_diff(*round_trip));
        most = most.min(between.saturating_add(*round_trip));
    }
    least.saturating_add(most) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RegionId {
        RegionId::new(text).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn topology() -> Topology {
        Topology::preset("three-regions").unwrap()
    }

    fn rtt(from: &str, to: &str) -> Duration {
        topology().rtt.get(&id(from), &id(to)).unwrap()
    }

    fn measured(all: &[(&str, u64)]) -> Vec<(RegionId, Duration)> {
        let all = all.iter();
        all.map(|(region, round_trip)| (id(region), ms(*round_trip)))
            .collect()
    }

    fn estimated(to: &str, all: &[(&str, u64)]) -> Duration {
        let topology = topology();
        let to = topology.region(&id(to)).unwrap();
        estimate(&topology, &measured(all), to)
    }

    /// As seen at `own`, by name.
    fn ordered(own: &str, all: &[(&str, u64)]) -> Vec<String> {
        let regions = order(&topology(), &id(own), &measured(all));
        let names = regions.into_iter().map(|(region, _)| region.to_string());
        names.collect()
    }

    #[test]
    fn one_measurement_says_that_the_rest_is_at_least_as_far_as_the_greater_side() {
        let way = rtt("eastus", "westeurope");
        assert_eq!(estimated("westeurope", &[("eastus", 10)]), way);
        let far = estimated("westeurope", &[("eastus", 300)]);
        assert_eq!(far, ms(300), "whoever is far from here is far from there");
    }

    #[test]
    fn every_further_measurement_narrows_it() {
        let (a, b) = (
            rtt("eastus", "southeastasia"),
            rtt("westeurope", "southeastasia"),
        );
        let least = a.abs_diff(ms(200)).max(b.abs_diff(ms(150)));
        let most = (a + ms(200)).min(b + ms(150));
        let both = [("eastus", 200), ("westeurope", 150)];
        assert_eq!(estimated("southeastasia", &both), (least + most) / 2);
    }

    #[test]
    fn what_was_measured_comes_in_its_own_order() {
        let all = [("eastus", 180), ("westeurope", 95), ("southeastasia", 40)];
        let order = ["southeastasia", "westeurope", "eastus"];
        for own in order {
            assert_eq!(ordered(own, &all), order, "the same from everywhere");
        }
        let known = super::order(&topology(), &id("eastus"), &measured(&all));
        assert_eq!(known[0], (id("southeastasia"), ms(40)));
    }

    #[test]
    fn a_network_near_one_region_is_led_there_by_all() {
        for own in ["eastus", "westeurope", "southeastasia"] {
            assert_eq!(ordered(own, &[("westeurope", 12)])[0], "westeurope");
        }
    }

    /// On one machine all regions are as near as can be.
    #[test]
    fn what_is_equal_is_left_where_it_turned_up() {
        let all = [("eastus", 15), ("westeurope", 11), ("southeastasia", 13)];
        for own in ["eastus", "westeurope", "southeastasia"] {
            assert_eq!(ordered(own, &all)[0], own, "4 ms are nothing");
        }
        let order = ["southeastasia", "eastus", "westeurope"];
        assert_eq!(ordered("southeastasia", &all), order, "as in the topology");
        let all = [("eastus", 11), ("westeurope", 19), ("southeastasia", 16)];
        let order = ["eastus", "westeurope", "southeastasia"];
        assert_eq!(ordered("westeurope", &all), order, "5 ms are something");
    }

    /// Otherwise whoever was led astray once would be led there for ever, since only that way is measured.
    #[test]
    fn a_long_way_to_one_region_keeps_nobody_from_trying_another() {
        assert_eq!(ordered("westeurope", &[("eastus", 200)])[0], "westeurope");
        assert_eq!(ordered("eastus", &[("eastus", 200)])[0], "eastus");
        assert_eq!(
            ordered("southeastasia", &[("eastus", 20)])[0],
            "eastus",
            "but a short one does"
        );
    }
}
