//! What is kept, for how long, and what two gateways come to know from each other.

use std::net::Ipv4Addr;

use super::*;
use crate::clock;

const MS: Duration = Duration::from_millis(1);

fn id(text: &str) -> RegionId {
    RegionId::new(text).unwrap()
}

fn network(text: &str) -> Network {
    network_of(text.parse().unwrap())
}

/// The `n`th of many networks.
fn nth(n: usize) -> Network {
    let n = u32::try_from(n).unwrap();
    network_of(Ipv4Addr::from_bits(n << 8).into())
}

fn measured(own: &str, instance: u64) -> Measured {
    Measured::new(id(own), instance)
}

/// Region and round trip in ms.
fn of(measured: &Measured, network: Network, now: Instant) -> Vec<(String, u128)> {
    let known = measured.of(network, now).into_iter();
    let known = known.map(|(region, round_trip)| (region.to_string(), round_trip.as_millis()));
    known.collect()
}

/// `asks` hears what `tells` has to say, answer by answer, until there is nothing new; how much it was.
fn hears(
    asks: &Measured,
    tells: &Measured,
    mut after: Option<Cursor>,
    now: Instant,
) -> (Cursor, usize) {
    let mut heard = 0;
    loop {
        let told = tells.tell(after, now);
        asks.hear(&told.region, &told.round_trips, now);
        heard += told.round_trips.len();
        after = Some(told.next);
        if told.round_trips.is_empty() {
            return (told.next, heard);
        }
    }
}

#[test]
fn addresses_are_known_by_the_network_that_dns_is_asked_about() {
    assert_eq!(network("192.0.2.77").to_string(), "192.0.2.0/24");
    assert_eq!(network("::ffff:192.0.2.77").to_string(), "192.0.2.0/24");
    let six = network("2001:db8:1:2ff::1");
    assert_eq!(six.to_string(), "2001:db8:1:200::/56");
}

#[test]
fn the_least_round_trip_counts_until_it_is_a_day_old() {
    let (here, start) = (measured("here", 1), clock::now());
    let network = network("192.0.2.1");
    assert!(here.is_empty());
    assert!(here.take(network, 30 * MS, start));
    assert!(here.take(network, 20 * MS, start + GOOD_FOR / 2));
    assert!(here.take(network, 90 * MS, start + GOOD_FOR));
    let soon = start + GOOD_FOR / 2 + GOOD_FOR - MS;
    assert_eq!(of(&here, network, soon), [("here".to_owned(), 20)]);
    assert!(of(&here, network, soon + MS).is_empty());
    here.take(network, 90 * MS, soon + MS);
    assert_eq!(of(&here, network, soon + MS), [("here".to_owned(), 90)]);
    assert!(of(&here, nth(1), start).is_empty());
}

#[test]
fn a_pause_is_no_round_trip() {
    let (here, now) = (measured("here", 1), clock::now());
    assert!(!here.take(nth(1), ROUND_TRIP_MAX + MS, now));
    assert!(here.is_empty());
    assert!(here.take(nth(1), ROUND_TRIP_MAX, now));
    assert!(!here.is_empty());
}

#[test]
fn the_networks_that_changed_longest_ago_are_forgotten_first() {
    let (here, now) = (measured("here", 1), clock::now());
    for n in 0..NETWORKS_MAX {
        here.take(nth(n), 50 * MS, now);
    }
    here.take(nth(0), 10 * MS, now);
    here.take(nth(NETWORKS_MAX), 50 * MS, now);
    assert_eq!(here.networks(), [(id("here"), NETWORKS_MAX)]);
    let knows = |n| !here.of(nth(n), now).is_empty();
    assert!(knows(0), "it has just changed");
    assert!(!knows(1));
    assert!(knows(2) && knows(NETWORKS_MAX));
}

#[test]
fn what_is_too_old_and_regions_that_are_gone_are_forgotten() {
    let topology = Topology::preset("three-regions").unwrap();
    let (here, now) = (measured("elsewhere", 1), clock::now());
    let there = measured("westeurope", 2);
    let gone = measured("brazilsouth", 3);
    for other in [&there, &gone] {
        other.take(nth(1), 50 * MS, now);
        hears(&here, other, None, now);
    }
    here.tidy(&topology, now);
    let of_each = [(id("elsewhere"), 0), (id("westeurope"), 1)];
    assert_eq!(here.networks(), of_each, "its own region stays");
    here.tidy(&topology, now + GOOD_FOR);
    assert!(here.is_empty());
}

#[test]
fn what_ends_earlier_is_forgotten_although_it_was_heard_later() {
    let topology = Topology::preset("three-regions").unwrap();
    let (here, now) = (measured("eastus", 1), clock::now());
    let there = measured("westeurope", 2);
    let later = now + 1_000 * MS;
    there.take(nth(1), 50 * MS, later);
    there.take(nth(2), 50 * MS, now);
    hears(&here, &there, None, later);
    here.tidy(&topology, now + GOOD_FOR);
    let of_each = [(id("eastus"), 0), (id("westeurope"), 1)];
    assert_eq!(here.networks(), of_each);
    assert!(!here.of(nth(1), now + GOOD_FOR).is_empty());
}

#[test]
fn two_gateways_come_to_know_the_same_and_hear_only_what_is_new() {
    let (here, there) = (measured("here", 1), measured("there", 2));
    let now = clock::now();
    let many = 2 * TOLD_MAX + 1;
    for n in 0..many {
        there.take(nth(n), 40 * MS, now);
    }
    here.take(nth(7), 90 * MS, now);
    assert_eq!(there.tell(None, now).round_trips.len(), TOLD_MAX);
    let (up_to, heard) = hears(&here, &there, None, now);
    assert_eq!(heard, many);
    let both = [("here".to_owned(), 90), ("there".to_owned(), 40)];
    assert_eq!(of(&here, nth(7), now), both);
    // What was heard is not told on, and not told back.
    let (_, heard) = hears(&there, &here, None, now);
    assert_eq!(heard, 1);
    assert_eq!(of(&there, nth(7), now), both);
    assert_eq!(of(&there, nth(8), now), [("there".to_owned(), 40)]);
    // A larger one is no news, a smaller one is.
    there.take(nth(7), 60 * MS, now);
    assert_eq!(hears(&here, &there, Some(up_to), now), (up_to, 0));
    there.take(nth(7), 30 * MS, now);
    assert_eq!(hears(&here, &there, Some(up_to), now).1, 1);
    assert_eq!(of(&here, nth(7), now)[1].1, 30);
}

#[test]
fn a_gateway_that_was_started_again_is_heard_from_the_beginning() {
    let (here, now) = (measured("here", 1), clock::now());
    let there = measured("there", 2);
    for n in 0..9 {
        there.take(nth(n), 40 * MS, now);
    }
    let (up_to, _) = hears(&here, &there, None, now);
    let again = measured("there", 3);
    again.take(nth(5), 35 * MS, now);
    assert_eq!(hears(&here, &again, Some(up_to), now).1, 1);
    assert_eq!(of(&here, nth(5), now), [("there".to_owned(), 35)]);
    assert_eq!(of(&here, nth(6), now), [("there".to_owned(), 40)]);
}

#[test]
fn what_was_told_is_not_believed_for_longer_than_by_whoever_told_it() {
    let (here, there) = (measured("here", 1), measured("there", 2));
    let start = clock::now();
    there.take(nth(1), 40 * MS, start);
    let late = start + GOOD_FOR - 10 * MS;
    hears(&here, &there, None, late);
    assert_eq!(of(&here, nth(1), late).len(), 1);
    assert!(of(&here, nth(1), late + 10 * MS).is_empty());
    let too_late = there.tell(None, start + GOOD_FOR);
    assert!(too_late.round_trips.is_empty());
    assert_eq!(too_late.next.change, 1, "it is not looked at again");
}

#[test]
fn what_cannot_be_true_is_not_heard() {
    let (here, now) = (measured("here", 1), clock::now());
    let told = |network: &str, round_trip_us| RoundTrip {
        network: network.parse().unwrap(),
        round_trip_us,
        good_for_ms: u64::MAX,
    };
    let bad = [
        told("192.0.2.0/25", 1_000),
        told("192.0.0.0/16", 1_000),
        told("2001:db8::/48", 1_000),
        told("192.0.2.0/24", 2_000_001),
        told("192.0.2.0/24", u64::MAX),
    ];
    here.hear(&id("there"), &bad, now);
    assert!(here.is_empty());
    here.hear(&id("there"), &[told("192.0.2.0/24", 1_000)], now);
    assert_eq!(
        of(&here, network("192.0.2.9"), now + GOOD_FOR - MS).len(),
        1
    );
    assert!(of(&here, network("192.0.2.9"), now + GOOD_FOR).is_empty());
    let flood: Vec<RoundTrip> = (0..2 * TOLD_MAX)
        .map(|n| told(&nth(n).to_string(), 1_000))
        .collect();
    here.hear(&id("there"), &flood, now);
    assert_eq!(here.networks()[1].1, TOLD_MAX + 1);
}
