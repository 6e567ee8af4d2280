//! Ranks keep elections apart, whatever the shape of the group.

use std::time::Duration;

use holdfast_region_config::placement::floor_without;
use holdfast_region_config::{
    GroupId, GroupTiming, NodeId, Placement, PlacementRequest, SurvivalGoal, Topology, place_for,
};
use proptest::prelude::*;

use crate::drawn::cases;

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// A voter shields a silent leader for its maximum, then draws a time between minimum and maximum before it stands.
fn stands_between(timing: GroupTiming) -> (u64, u64) {
    let earliest = timing.election_timeout_max_ms + timing.election_timeout_min_ms;
    (earliest, timing.election_timeout_max_ms * 2)
}

/// When each successor of a lost leader has its pre-vote and its vote at the latest, and when the next one stands at the
/// earliest, in ms after the leader's last word left it (or arrived everywhere, when news takes no time).
fn turns(topology: &Topology, placement: &Placement, news_takes_time: bool) -> Vec<(u64, u64)> {
    let order = &placement.leader_preference;
    let timing = |id: NodeId| GroupTiming::for_replica(topology, order, id);
    let at = |id: NodeId| topology.region_of(id).unwrap();
    let heard = |id: NodeId| {
        let way = topology.rtt.between(at(order[0]), at(id));
        if news_takes_time { ms(way) / 2 } else { 0 }
    };
    let pairs = order.iter().zip(&order[1..]).enumerate().skip(1);
    pairs
        .filter_map(|(rank, (this, next))| {
            // Everybody before is gone: the worst case for this one's majority.
            let lost = &order[..rank];
            let (_, round) = floor_without(topology, order, |id| lost.contains(&id))?;
            let elected = stands_between(timing(*this)).1 + heard(*this) + 2 * ms(round);
            Some((elected, stands_between(timing(*next)).0 + heard(*next)))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_successor_is_elected_before_the_next_one_stands((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        for (elected, next_stands) in turns(&topology, &placement, false) {
            prop_assert!(elected <= next_stands, "{elected} {next_stands}");
        }
    }

    #[test]
    fn voters_of_a_group_beat_alike_and_stand_in_order((topology, request) in cases(7, 4)) {
        let Ok(placement) = place_for(&topology, &request) else { return Ok(()) };
        let order = &placement.leader_preference;
        let times: Vec<_> = order.iter().map(|id| GroupTiming::for_replica(&topology, order, *id)).collect();
        for pair in times.windows(2) {
            prop_assert_eq!(pair[0].heartbeat_interval_ms, pair[1].heartbeat_interval_ms);
            prop_assert!(stands_between(pair[0]).1 < stands_between(pair[1]).0);
        }
        // A learner that becomes a voter stands after all of them.
        let last = times.last().copied().unwrap();
        for learner in &placement.learners {
            let timing = GroupTiming::for_replica(&topology, order, *learner);
            prop_assert!(stands_between(last).1 < stands_between(timing).0);
        }
    }
}

#[test]
fn on_real_distances_it_holds_although_news_travels() {
    for name in ["three-regions", "five-regions", "eight-regions"] {
        let topology = Topology::preset(name).unwrap();
        for home in &topology.regions {
            for goal in SurvivalGoal::ALL {
                let request = PlacementRequest::new(home.id.clone(), GroupId::new(5));
                let request = PlacementRequest { goal, ..request };
                let placement = place_for(&topology, &request).unwrap();
                for (elected, next_stands) in turns(&topology, &placement, true) {
                    assert!(elected <= next_stands, "{name} {} {goal}", home.id);
                }
            }
        }
    }
}

#[test]
fn the_times_in_the_documentation_are_these() {
    let stands = |preset: &str, goal| {
        let topology = Topology::preset(preset).unwrap();
        let request = PlacementRequest::new("westeurope".parse().unwrap(), GroupId::new(5));
        let placement = place_for(&topology, &PlacementRequest { goal, ..request }).unwrap();
        let order = placement.leader_preference;
        let middle = |id: &NodeId| {
            let timing = GroupTiming::for_replica(&topology, &order, *id);
            let (earliest, latest) = stands_between(timing);
            u64::midpoint(earliest, latest)
        };
        order.iter().map(middle).collect::<Vec<_>>()
    };
    let region = SurvivalGoal::Region;
    assert_eq!(
        stands("eight-regions", SurvivalGoal::Zone),
        [1_575, 1_677, 1_779]
    );
    assert_eq!(
        stands("eight-regions", region),
        [1_575, 1_733, 1_891, 2_049, 2_207]
    );
    assert_eq!(stands("three-regions", region), [1_605, 2_163, 2_721]);
}
