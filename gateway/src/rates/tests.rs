//! Who is counted for what, and in which order.

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;
const BUYER: Buyer = Buyer([1; 16]);

fn rates(challenge: ChallengeWhen, edit: impl FnOnce(&mut RateConfig)) -> Rates {
    let mut config = RateConfig {
        address_per_s: 1,
        address_burst: 50,
        network_per_s: 1,
        network_burst: 80,
        account_per_s: 1,
        account_burst: 5,
        challenge,
        ..RateConfig::default()
    };
    edit(&mut config);
    let office = OfficeKeys::none([3; 32]);
    Rates::new(&config, office, "eastus", [7; 32])
}

fn asking(addr: &str) -> Asking<'static> {
    Asking {
        addr: addr.parse().unwrap(),
        buyer: None,
        writes: false,
        worth_a_challenge: false,
        office_key: None,
        solution: None,
    }
}

fn let_through(rates: &Rates, asking: &Asking<'_>, of: usize) -> usize {
    let now = crate::clock::now();
    let let_through = (0..of).filter(|_| rates.check(asking, NOW_MS, now).is_ok());
    let_through.count()
}

/// A slow machine gives buckets time to fill a little.
fn about(let_through: usize, expected: usize) -> bool {
    (expected..=expected + 3).contains(&let_through)
}

#[test]
fn an_address_a_network_and_an_account_each_have_their_share() {
    let rates = rates(ChallengeWhen::Never, |_| {});
    assert!(about(let_through(&rates, &asking("192.0.2.1"), 60), 50));
    assert!(
        about(let_through(&rates, &asking("192.0.2.2"), 60), 30),
        "what its network has left"
    );
    assert!(
        about(let_through(&rates, &asking("192.0.3.1"), 60), 50),
        "next door"
    );
    let writer = Asking {
        buyer: Some(BUYER),
        writes: true,
        ..asking("198.51.100.1")
    };
    assert!(about(let_through(&rates, &writer, 10), 5));
    let elsewhere = Asking {
        addr: "203.0.113.1".parse().unwrap(),
        ..writer
    };
    assert!(
        about(let_through(&rates, &elsewhere, 10), 0),
        "the account goes with its owner"
    );
    let reader = Asking {
        writes: false,
        ..elsewhere
    };
    assert!(
        about(let_through(&rates, &reader, 10), 10),
        "looking is not counted by account"
    );
}

#[test]
fn addresses_of_one_ipv6_household_are_one_network() {
    let rates = rates(ChallengeWhen::Never, |_| {});
    let hosts =
        (0..200).map(|n| asking(Box::leak(format!("2001:db8:0:{n:x}::1").into_boxed_str())));
    let let_through: usize = hosts.map(|asking| let_through(&rates, &asking, 1)).sum();
    assert!(about(let_through, 80), "{let_through}");
}

#[test]
fn the_machine_itself_and_box_offices_are_exempt() {
    let key = "k".repeat(40);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(&file, &key).unwrap();
    let office = OfficeKeys::load(&file, [3; 32]).unwrap();
    let config = RateConfig {
        address_burst: 1,
        address_per_s: 1,
        ..RateConfig::default()
    };
    let rates = Rates::new(&config, office, "eastus", [7; 32]);
    assert!(about(let_through(&rates, &asking("127.0.0.1"), 100), 100));
    assert!(about(let_through(&rates, &asking("192.0.2.1"), 100), 1));
    let desk = Asking {
        office_key: Some(&key),
        ..asking("192.0.2.1")
    };
    assert!(about(let_through(&rates, &desk, 100), 100));
}

#[test]
fn who_solves_no_challenge_uses_up_nobody_elses_share() {
    let rates = rates(ChallengeWhen::Always, |_| {});
    let robot = Asking {
        buyer: Some(BUYER),
        writes: true,
        worth_a_challenge: true,
        ..asking("192.0.2.66")
    };
    assert!(about(let_through(&rates, &robot, 50), 0));
    let wait = rates.challenges.issue_wait(NOW_MS - 60_000);
    let solved = Asking {
        addr: "192.0.2.7".parse().unwrap(),
        solution: Some(&wait.token),
        ..robot
    };
    assert!(about(let_through(&rates, &solved, 2), 1), "once");
    let neighbour = asking("192.0.2.8");
    assert!(
        about(let_through(&rates, &neighbour, 100), 50),
        "its network's share is untouched but for one"
    );
}

#[test]
fn a_network_that_keeps_asking_too_often_has_to_solve_challenges() {
    let rates = rates(ChallengeWhen::Suspicious, |_| {});
    let taker = Asking {
        worth_a_challenge: true,
        ..asking("192.0.2.1")
    };
    let now = crate::clock::now();
    assert_eq!(rates.check(&taker, NOW_MS, now), Ok(()));
    assert!(let_through(&rates, &taker, 100) < 50);
    let other = Asking {
        addr: "192.0.2.9".parse().unwrap(),
        ..taker
    };
    let refused = rates.check(&other, NOW_MS, now);
    assert!(
        matches!(refused, Err(Refusal::Challenge { risk: 1.., .. })),
        "{refused:?}"
    );
    assert_eq!(rates.risk_of("192.0.3.1".parse().unwrap(), now), 0);
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let rates = rates(ChallengeWhen::Never, |config| config.address_burst = 1);
    let now = crate::clock::now();
    assert_eq!(rates.check(&asking("192.0.2.1"), NOW_MS, now), Ok(()));
    let Err(Refusal::TooMany { of, after }) = rates.check(&asking("192.0.2.1"), NOW_MS, now) else {
        panic!("must be refused")
    };
    assert_eq!(of, "address");
    assert!(
        after <= Duration::from_secs(1) && !after.is_zero(),
        "{after:?}"
    );
}
