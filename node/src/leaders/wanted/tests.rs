//! Five nodes in three regions, one show at home in `a`: who should lead it?

use holdfast_region_config::Topology;
use proptest::prelude::*;

use super::*;

const TOPOLOGY: &str = include_str!("../tests/five-nodes.toml");

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

fn region(name: &str) -> RegionId {
    RegionId::new(name).unwrap()
}

/// All voters, best leader first.
fn voters() -> Vec<NodeId> {
    (1..=5).map(NodeId::new).collect()
}

fn conditions(reach: impl Fn(u64) -> Reach) -> Conditions {
    let topology = Topology::parse(TOPOLOGY).unwrap();
    Conditions::new(&topology, |node| reach(node.get()))
}

fn calm() -> Conditions {
    conditions(|_| Reach::Steady)
}

fn led_by<'a>(leader: u64, voters: &'a [NodeId]) -> Subject<'a> {
    Subject {
        voters,
        preference: voters,
        pin: None,
        buyers: Buyers::Ignored,
        leader: node(leader),
    }
}

fn goes(to: u64, reason: Reason) -> Verdict {
    Verdict::Move {
        to: node(to),
        reason,
    }
}

#[test]
fn a_leader_at_home_stays() {
    assert_eq!(wanted_leader(&led_by(1, &voters()), &calm()), Verdict::Stay);
}

#[test]
fn a_leader_elsewhere_goes_home_once_home_has_been_heard_for_a_while() {
    let voters = voters();
    assert_eq!(
        wanted_leader(&led_by(3, &voters), &calm()),
        goes(1, Reason::Home)
    );
    for reach in [Reach::Silent, Reach::Fresh] {
        let home = conditions(|id| if id <= 2 { reach } else { Reach::Steady });
        assert_eq!(wanted_leader(&led_by(3, &voters), &home), Verdict::Stay);
    }
    let one = conditions(|id| {
        if id == 1 {
            Reach::Silent
        } else {
            Reach::Steady
        }
    });
    assert_eq!(
        wanted_leader(&led_by(3, &voters), &one),
        goes(2, Reason::Home)
    );
}

#[test]
fn a_successor_of_second_choice_is_better_than_one_of_third() {
    let away = conditions(|id| {
        if id <= 2 {
            Reach::Silent
        } else {
            Reach::Steady
        }
    });
    assert_eq!(
        wanted_leader(&led_by(5, &voters()), &away),
        goes(3, Reason::Home)
    );
}

#[test]
fn an_evacuated_region_is_left_for_the_next_one_and_comes_back_when_restored() {
    let (voters, mut now) = (voters(), calm());
    now.evacuate(region("a"));
    assert_eq!(
        wanted_leader(&led_by(1, &voters), &now),
        goes(3, Reason::Evacuated)
    );
    assert_eq!(wanted_leader(&led_by(3, &voters), &now), Verdict::Stay);
    now.restore(&region("a"));
    assert_eq!(
        wanted_leader(&led_by(3, &voters), &now),
        goes(1, Reason::Home)
    );
}

#[test]
fn a_draining_node_hands_over_to_its_neighbour() {
    let (voters, mut now) = (voters(), calm());
    now.drain(node(1));
    assert_eq!(
        wanted_leader(&led_by(1, &voters), &now),
        goes(2, Reason::Draining)
    );
    assert_eq!(wanted_leader(&led_by(2, &voters), &now), Verdict::Stay);
}

#[test]
fn who_must_leave_takes_a_fresh_node_rather_than_none_and_waits_when_there_is_none() {
    let voters = voters();
    let mut now = conditions(|id| if id == 5 { Reach::Fresh } else { Reach::Silent });
    now.drain(node(1));
    assert_eq!(
        wanted_leader(&led_by(1, &voters), &now),
        goes(5, Reason::Draining)
    );
    now.evacuate(region("c"));
    let reason = Reason::Draining;
    assert_eq!(
        wanted_leader(&led_by(1, &voters), &now),
        Verdict::Stuck { reason }
    );
}

#[test]
fn a_pin_beats_home_and_yields_to_evacuation() {
    let (voters, mut now) = (voters(), calm());
    let pinned = |leader| Subject {
        pin: Some(node(4)),
        ..led_by(leader, &voters)
    };
    assert_eq!(wanted_leader(&pinned(1), &now), goes(4, Reason::Pinned));
    assert_eq!(wanted_leader(&pinned(3), &now), goes(4, Reason::Pinned));
    assert_eq!(wanted_leader(&pinned(4), &now), Verdict::Stay);
    now.evacuate(region("b"));
    assert_eq!(wanted_leader(&pinned(4), &now), goes(1, Reason::Evacuated));
    assert_eq!(wanted_leader(&pinned(1), &now), Verdict::Stay);
}

#[test]
fn the_neighbour_of_a_pinned_node_stands_in_for_it() {
    let voters = voters();
    let silent = conditions(|id| {
        if id == 4 {
            Reach::Silent
        } else {
            Reach::Steady
        }
    });
    let pinned = |leader| Subject {
        pin: Some(node(4)),
        ..led_by(leader, &voters)
    };
    assert_eq!(wanted_leader(&pinned(1), &silent), goes(3, Reason::Pinned));
    assert_eq!(wanted_leader(&pinned(3), &silent), Verdict::Stay);
    let fresh = conditions(|id| if id == 4 { Reach::Fresh } else { Reach::Steady });
    assert_eq!(wanted_leader(&pinned(3), &fresh), goes(4, Reason::Pinned));
}

#[test]
fn buyers_draw_a_leader_away_from_home_but_not_out_of_bounds() {
    let (voters, mut now, b) = (voters(), calm(), region("b"));
    let buyers = |leader, buyers| Subject {
        buyers,
        ..led_by(leader, &voters)
    };
    let near = Buyers::Near(&b);
    assert_eq!(
        wanted_leader(&buyers(1, near), &now),
        goes(3, Reason::FollowsBuyers)
    );
    // The next leader knows nothing of them yet, and does not send it back.
    assert_eq!(wanted_leader(&buyers(3, Buyers::Here), &now), Verdict::Stay);
    now.evacuate(b.clone());
    assert_eq!(wanted_leader(&buyers(1, near), &now), Verdict::Stay);
    assert_eq!(
        wanted_leader(&buyers(3, Buyers::Here), &now),
        goes(1, Reason::Evacuated)
    );
}

#[test]
fn a_node_that_is_back_takes_the_groups_that_prefer_it_from_its_neighbour() {
    let (voters, mut now) = (voters(), calm());
    for _ in 0..3 {
        now.leads(node(2));
    }
    assert_eq!(
        wanted_leader(&led_by(2, &voters), &now),
        goes(1, Reason::Balance)
    );
    now.moves(node(2), node(1));
    now.moves(node(2), node(1));
    assert_eq!(wanted_leader(&led_by(2, &voters), &now), Verdict::Stay);
}

#[test]
fn a_crowded_node_is_relieved_by_an_idle_neighbour_until_they_are_about_even() {
    let (voters, mut now) = (voters(), calm());
    for _ in 0..100 {
        now.leads(node(1));
    }
    let mut moved = 0;
    while let Some(to) = relief(&led_by(1, &voters), &now) {
        assert_eq!(to, node(2));
        now.moves(node(1), to);
        moved += 1;
    }
    assert!((40..=50).contains(&moved), "{moved}");
    assert_eq!(relief(&led_by(2, &voters), &now), None);
    assert_eq!(wanted_leader(&led_by(2, &voters), &now), Verdict::Stay);
}

#[test]
fn an_evacuated_region_is_shared_by_the_nodes_of_the_next() {
    let (voters, mut now) = (voters(), calm());
    now.evacuate(region("a"));
    for _ in 0..100 {
        match wanted_leader(&led_by(1, &voters), &now) {
            Verdict::Move { to, .. } => now.moves(node(1), to),
            other => panic!("{other:?}"),
        }
    }
    let (third, fourth) = (now.led(node(3)), now.led(node(4)));
    assert_eq!(third + fourth, 100);
    assert!(third.abs_diff(fourth) <= 2 * CROWDED_BY, "{third} {fourth}");
}

fn at(id: u64) -> usize {
    usize::try_from(id).unwrap() - 1
}

fn any_reach() -> impl Strategy<Value = Reach> {
    prop_oneof![Just(Reach::Silent), Just(Reach::Fresh), Just(Reach::Steady)]
}

proptest! {
    /// Whatever the conditions: following the verdicts ends, at a node that may lead, unless none may.
    #[test]
    fn verdicts_lead_somewhere_and_rest_there(
        reaches in prop::array::uniform5(any_reach()),
        draining in prop::array::uniform5(any::<bool>()),
        evacuated in prop::array::uniform3(prop::bool::weighted(0.3)),
        leader in 1_u64..=5,
        pin in prop::option::of(1_u64..=6),
        counts in prop::array::uniform5(0_u32..40),
        buyers in 0_usize..5,
    ) {
        let mut now = conditions(|id| reaches[at(id)]);
        for id in 1..=5_u64 {
            if draining[at(id)] { now.drain(node(id)); }
            for _ in 0..counts[at(id)] { now.leads(node(id)); }
        }
        let names = ["a", "b", "c"];
        for (name, evacuated) in names.into_iter().zip(evacuated) {
            if evacuated { now.evacuate(region(name)); }
        }
        let near = region(names[buyers % 3]);
        let voters = voters();
        let mut group = Subject {
            pin: pin.map(NodeId::new),
            buyers: match buyers { 0..3 => Buyers::Near(&near), 3 => Buyers::Here, _ => Buyers::Ignored },
            ..led_by(leader, &voters)
        };
        for _ in 0..6 {
            match wanted_leader(&group, &now) {
                Verdict::Move { to, reason } => {
                    prop_assert!(now.may_lead(to) && now.reach(to) > Reach::Silent);
                    prop_assert!(reason.is_urgent() || now.reach(to) == Reach::Steady);
                    prop_assert_ne!(to, group.leader);
                    now.moves(group.leader, to);
                    group.leader = to;
                }
                Verdict::Stay => {
                    prop_assert!(now.may_lead(group.leader));
                    return Ok(());
                }
                Verdict::Stuck { .. } => {
                    prop_assert!(!now.may_lead(group.leader));
                    let open = voters.iter().find(|v| now.may_lead(**v) && now.reach(**v) > Reach::Silent);
                    prop_assert_eq!(open, None);
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "no rest");
    }
}
