//! Figures from a handful of wishes.

use holdfast_region_config::RegionId;

use super::*;
use crate::drill::tries::tests::wish;
use crate::drill::watch::{Led, Reign};

/// A world of two regions and one show, with a fault from 10 s to 15 s.
struct World {
    wishes: Vec<Wish>,
    doors: Vec<Door>,
    stalls: Vec<Stall>,
    faults: Vec<FaultSpan>,
    seen: Seen,
    topology: Topology,
}

impl World {
    fn new(wishes: Vec<Wish>) -> Self {
        let topology = Topology::preset("five-regions").unwrap();
        let topology = topology.with_first_regions(3).unwrap();
        let door = |region: &RegionId| Door {
            region: region.clone(),
            url: format!("http://{region}"),
        };
        let mut seen = Seen::default();
        let led = Led {
            leader: topology.nodes[0].id.get(),
            term: 1,
            voters: topology.nodes.iter().map(|node| node.id.get()).collect(),
            asleep: false,
        };
        seen.reigns.insert(1, vec![Reign { from_s: 0.0, led }]);
        Self {
            wishes,
            doors: topology.regions.iter().map(|r| door(&r.id)).collect(),
            stalls: vec![Stall {
                show: "s1".into(),
                kind: "hot".into(),
                home: "eastus".into(),
                seats: Vec::new(),
                probe_seats: Vec::new(),
                hold_ttl_ms: 0,
                idle: false,
                room: None,
            }],
            faults: vec![FaultSpan {
                text: "x".into(),
                from_s: 10.0,
                on_s: 10.2,
                to_s: 15.0,
                regions: vec!["eastus".into()],
                nodes: vec!["n1".into()],
            }],
            seen,
            topology,
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            wishes: &self.wishes,
            doors: &self.doors,
            stalls: &self.stalls,
            faults: &self.faults,
            seen: &self.seen,
            topology: &self.topology,
            wan: true,
            steady_s: (2.0, 8.0),
            end_s: 30.0,
        }
    }
}

fn probe(sent_s: f64, took_s: f64, end: End) -> Wish {
    Wish {
        is_probe: true,
        ..wish(sent_s, took_s, end, 1)
    }
}

#[test]
fn recovery_counts_from_the_fault_to_a_write_that_was_sent_when_it_was_fully_on() {
    let world = World::new(vec![
        probe(10.1, 0.05, End::Yes),
        probe(10.5, 0.5, End::Failed),
        probe(11.0, 0.5, End::Yes),
        probe(12.0, 0.1, End::Yes),
    ]);
    let recovery = world.facts().recovery();
    assert_eq!(recovery.len(), 1);
    assert_eq!(recovery[0].rto_s, Some(1.5));
    let silent = World::new(vec![probe(9.0, 0.1, End::Yes)]);
    assert_eq!(silent.facts().recovery()[0].rto_s, None);
}

#[test]
fn users_who_are_cut_off_are_measured_apart() {
    let world = World::new(vec![
        wish(10.5, 4.0, End::Yes, 0),
        wish(10.5, 1.0, End::Yes, 1),
        wish(10.5, 0.1, End::Failed, 1),
        wish(1.0, 9.0, End::Yes, 1),
    ]);
    let users = world.facts().users_saw(&["eastus".to_owned()]);
    assert_eq!((users.requests, users.around_faults), (4, 3));
    assert_eq!(users.wait_stranded.max_s, Some(4.0));
    assert_eq!((users.wait.count, users.wait.never), (2, 1));
    assert_eq!(users.unanswered, 1);
    assert_eq!(users.error_ratio, 0.25);
}

#[test]
fn a_hold_is_set_against_the_way_to_its_leader_and_its_commit() {
    let world = World::new(vec![
        wish(3.0, 0.2, End::Yes, 1),
        wish(4.0, 0.2, End::No, 1),
    ]);
    let facts = world.facts();
    let rtt = &world.topology.rtt;
    let (far, leader) = (&world.doors[1].region, &world.doors[0].region);
    let others = world.doors[1..].iter().map(|door| &door.region);
    let floor = rtt.between(far, leader) + rtt.commit_floor(leader, others);
    let steady = facts.steady();
    let ratio = 0.2 / floor.as_secs_f64();
    assert!((steady.hold_floor_ratio_p50.unwrap() - ratio).abs() < 1e-6);
    let series = facts.series();
    let bucket = series
        .iter()
        .find(|bucket| bucket.at_s == 3 && bucket.region == far.as_str())
        .unwrap();
    assert_eq!(bucket.answered, 1);
    assert!((bucket.floor_ms.unwrap() - floor.as_secs_f64() * 1_000.0).abs() < 1e-6);
    assert_eq!(series.len(), 31 * 3);
}

#[test]
fn an_open_outcome_is_resolved_by_any_later_definite_answer() {
    let mut resolved = wish(10.0, 1.0, End::Failed, 0);
    resolved.tries.extend(wish(40.0, 1.0, End::Yes, 1).tries);
    let world = World::new(vec![
        resolved,
        wish(11.0, 1.0, End::Failed, 0),
        wish(12.0, 1.0, End::Yes, 0),
        wish(13.0, 1.0, End::No, 0),
    ]);
    let ambiguous = world.facts().ambiguous();
    assert_eq!(ambiguous.len(), 2);
    assert!(
        ambiguous[0].resolution.is_empty(),
        "the unresolved one is first"
    );
    assert!(ambiguous[1].resolution.contains("after the drill: done"));
}
