//! Addresses, and the regions that come out near them.

use super::*;

fn topology() -> Topology {
    Topology::preset("five-regions").unwrap()
}

fn first(nearest: &Nearest) -> &str {
    nearest.regions[0].0.as_str()
}

fn geo(networks: &[(&str, &str)]) -> Geo {
    let network = networks
        .iter()
        .map(|(range, region)| PlacedNetwork {
            range: range.parse().unwrap(),
            region: RegionId::new(*region).unwrap(),
        })
        .collect();
    let own = topology().regions[0].id.clone();
    let config = GeoConfig {
        network,
        ..GeoConfig::default()
    };
    Geo::open(own, &config).unwrap()
}

#[test]
fn who_is_not_known_is_where_they_turned_up_and_the_answer_is_for_everybody() {
    let topology = topology();
    let nearest = geo(&[]).nearest_regions(&topology, "203.0.113.9".parse().unwrap());
    assert_eq!(nearest.regions[0].0, topology.regions[0].id);
    assert_eq!(nearest.regions.len(), topology.regions.len());
    assert_eq!((nearest.prefix_len, nearest.source), (0, Source::Unknown));
    assert!(nearest.regions.is_sorted_by_key(|(_, rtt)| *rtt));
}

#[test]
fn the_longest_placed_network_counts_and_says_how_far_it_holds() {
    let topology = topology();
    let (wide, narrow) = (
        topology.regions[1].id.as_str(),
        topology.regions[2].id.as_str(),
    );
    let geo = geo(&[("198.51.0.0/16", wide), ("198.51.100.0/23", narrow)]);
    let at = |addr: &str| geo.nearest_regions(&topology, addr.parse().unwrap());
    assert_eq!(first(&at("198.51.101.7")), narrow);
    assert_eq!(at("198.51.101.7").prefix_len, 23);
    assert_eq!(first(&at("198.51.7.7")), wide);
    assert_eq!(
        at("198.51.7.7").prefix_len,
        18,
        "the whole /16 would take in the narrow one"
    );
    let stranger = at("192.0.2.1");
    assert_eq!(
        (stranger.source, stranger.prefix_len),
        (Source::Unknown, 6),
        "192 and 198 differ in the sixth bit"
    );
}

/// What a resolver relies on: whoever shares the prefix gets the same answer.
#[test]
fn an_answer_holds_for_everybody_within_its_prefix() {
    let topology = topology();
    let ids: Vec<&str> = topology.regions.iter().map(|r| r.id.as_str()).collect();
    let geo = geo(&[
        ("10.0.0.0/8", ids[1]),
        ("10.9.0.0/16", ids[2]),
        ("10.9.128.0/17", ids[3]),
        ("11.0.0.0/8", ids[1]),
    ]);
    let at = |addr: u32| {
        let addr = std::net::Ipv4Addr::from_bits(addr).into();
        geo.nearest_regions(&topology, addr)
    };
    for addr in (0..=u32::MAX).step_by(0x0003_6b43) {
        let nearest = at(addr);
        let mask = u32::MAX
            .checked_shl(32 - u32::from(nearest.prefix_len))
            .unwrap_or(0);
        let first = addr & mask;
        for other in [first, first | !mask, first | (!mask >> 1)] {
            assert_eq!(at(other).regions, nearest.regions, "{addr:x} {other:x}");
        }
    }
}

#[test]
fn a_country_that_the_edge_named_is_nearer_to_some_regions_than_to_others() {
    let topology = topology();
    let at = |code: &str| {
        let addr = "203.0.113.9".parse().unwrap();
        geo(&[]).nearest_regions_of(&topology, addr, Country::new(code))
    };
    for region in &topology.regions {
        assert!(at("JP").regions.iter().any(|(id, _)| *id == region.id));
    }
    assert_ne!(first(&at("US")), first(&at("DE")));
    assert_eq!(at("US").source, Source::Edge);
    assert_eq!(at("ZZ").source, Source::Unknown, "no such country");
}

#[test]
fn a_database_that_cannot_be_read_is_named() {
    let config = GeoConfig {
        database: Some("no/such/file.mmdb".into()),
        ..GeoConfig::default()
    };
    let own = topology().regions[0].id.clone();
    let error = Geo::open(own, &config).unwrap_err().to_string();
    assert!(error.contains("no/such/file.mmdb"), "{error}");
}

/// As if region `from`'s gateway had told it.
fn measured(geo: &Geo, network: &str, from: &str, round_trip_ms: u64) {
    let one = told::RoundTrip {
        network: network.parse().unwrap(),
        round_trip_us: round_trip_ms * 1_000,
        good_for_ms: 60_000,
    };
    let from = RegionId::new(from).unwrap();
    geo.measured().hear(&from, &[one], clock::now());
}

#[test]
fn a_measured_network_is_near_whoever_measured_it_least_and_no_answer_is_wider_than_one() {
    let topology = topology();
    let geo = geo(&[]);
    let at = |addr: &str| geo.nearest_regions(&topology, addr.parse().unwrap());
    assert_eq!(at("192.0.2.7").prefix_len, 0);
    measured(&geo, "203.0.113.0/24", "southeastasia", 35);
    measured(&geo, "203.0.113.0/24", "eastus", 210);
    measured(&geo, "2001:db8:0:100::/56", "brazilsouth", 20);
    let near = at("203.0.113.200");
    assert_eq!(
        (first(&near), near.source),
        ("southeastasia", Source::Measured)
    );
    assert_eq!((near.prefix_len, near.regions.len()), (24, 5));
    assert_eq!(near.regions[0].1, Duration::from_millis(35));
    let by = ["eastus", "southeastasia"].map(|id| RegionId::new(id).unwrap());
    assert_eq!(near.measured, by);
    let six = at("2001:db8:0:1ab::9");
    assert_eq!((first(&six), six.prefix_len), ("brazilsouth", 56));
    // Who is not known is still where they turned up, and that holds for their own network only.
    for (stranger, prefix_len) in [("203.0.114.9", 24), ("2001:db8:0:200::9", 56)] {
        let there = at(stranger);
        let found = (first(&there), there.source, there.prefix_len);
        assert_eq!(found, ("eastus", Source::Unknown, prefix_len), "{stranger}");
    }
}

#[test]
fn what_an_operator_or_an_edge_knows_goes_before_what_was_measured() {
    let topology = topology();
    let geo = geo(&[("203.0.113.128/25", "westeurope")]);
    measured(&geo, "203.0.113.0/24", "southeastasia", 35);
    let at = |addr: &str, country: &str| {
        let country = Country::new(country);
        geo.nearest_regions_of(&topology, addr.parse().unwrap(), country)
    };
    assert_eq!(at("203.0.113.200", "XX").source, Source::Network);
    assert_eq!(at("203.0.113.7", "DE").source, Source::Edge);
    assert_eq!(at("203.0.113.7", "XX").source, Source::Measured);
}

#[test]
fn what_a_region_that_is_gone_had_measured_is_not_gone_by() {
    let topology = topology();
    let geo = geo(&[]);
    measured(&geo, "203.0.113.0/24", "mars", 1);
    let nearest = geo.nearest_regions(&topology, "203.0.113.9".parse().unwrap());
    assert_eq!(
        (first(&nearest), nearest.source),
        ("eastus", Source::Unknown)
    );
}

/// Where a database of the real world is, for whoever has one.
const REAL_DATABASE: &str = "HOLDFAST_TEST_GEO_DATABASE";

#[test]
fn a_real_database_places_well_known_addresses() {
    let Some(path) = std::env::var_os(REAL_DATABASE) else {
        eprintln!("skipped: {REAL_DATABASE} names no database");
        return;
    };
    let config = GeoConfig {
        database: Some(path.into()),
        ..GeoConfig::default()
    };
    let geo = Geo::open(RegionId::new("eastus").unwrap(), &config).unwrap();
    for (addr, region) in [
        ("128.32.0.1", "eastus"),
        ("193.0.6.139", "westeurope"),
        ("137.132.21.27", "southeastasia"),
        ("200.160.2.3", "brazilsouth"),
        ("139.130.4.5", "australiaeast"),
        ("2001:67c:2e8::1", "westeurope"),
    ] {
        let nearest = geo.nearest_regions(&topology(), addr.parse().unwrap());
        assert_eq!(first(&nearest), region, "{addr}: {nearest:?}");
        assert!(nearest.prefix_len > 0);
    }
}

mod made_up_file;
