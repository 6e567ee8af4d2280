//! The table of the module's head, row by row.

use std::collections::BTreeSet;
use std::sync::Arc;

use hickory_proto::op::Query;
use holdfast_region_config::Topology;

use super::*;
use crate::clock;
use crate::dns::config::DnsConfig;
use crate::dns::geography::Places;
use crate::geo::told::RoundTrip;
use crate::geo::{Geo, GeoConfig};

const CONFIG: &str = "listen = \"127.0.0.1:0\"\nzone = \"holdfast.example\"\nnames = [\"@\", \"tickets\"]\n\
                      [[nameservers]]\nname = \"ns1\"\naddrs = [\"192.0.2.53\"]\n\
                      [https]\nalpn = [\"h2\"]\n";
const EUROPE: &str = "[[network]]\nrange = \"10.2.0.0/16\"\nregion = \"westeurope\"\n";
const TICKETS: &str = "tickets.holdfast.example.";

struct World {
    zone: Zone,
    steering: Steering,
    geography: Places,
}

impl World {
    fn new() -> Self {
        let config: DnsConfig = toml::from_str(CONFIG).unwrap();
        let topology = Topology::preset("three-regions").unwrap();
        let geo: GeoConfig = toml::from_str(EUROPE).unwrap();
        let geo = Geo::open(RegionId::new("eastus").unwrap(), &geo).unwrap();
        Self {
            zone: Zone::build(&config, &topology, &[], 1).unwrap(),
            steering: Steering::default(),
            geography: Places::new(Arc::new(geo), Arc::new(topology)),
        }
    }

    fn ask(&self, name: &str, kind: RecordType, class: DNSClass, client: &str) -> Answer {
        let mut query = Query::query(Name::from_ascii(name).unwrap(), kind);
        query.set_query_class(class);
        let knowledge = Knowledge {
            zone: &self.zone,
            steering: &self.steering,
            geography: &self.geography,
        };
        knowledge.answer(&LowerQuery::query(query), client.parse().unwrap())
    }

    fn asked(&self, name: &str, kind: RecordType) -> Answer {
        self.ask(name, kind, DNSClass::IN, "10.2.3.4")
    }
}

fn data(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| record.data.to_string())
        .collect()
}

fn is_no(answer: &Answer, code: ResponseCode) {
    assert_eq!(answer.code, code);
    assert!(answer.authoritative && answer.answers.is_empty());
    assert_eq!(answer.authority.len(), 1);
    assert_eq!(answer.authority[0].record_type(), RecordType::SOA);
    assert_eq!(answer.authority[0].ttl, 30);
}

#[test]
fn what_is_not_of_this_zone_is_refused() {
    let world = World::new();
    let ours = "holdfast.example.";
    let refused = [
        world.asked("example.", RecordType::A),
        world.asked("holdfast.example.org.", RecordType::A),
        world.asked(".", RecordType::NS),
        world.asked(ours, RecordType::AXFR),
        world.asked(ours, RecordType::IXFR),
        world.ask("version.bind.", RecordType::TXT, DNSClass::CH, "10.2.3.4"),
        world.ask(ours, RecordType::TXT, DNSClass::CH, "10.2.3.4"),
    ];
    for answer in refused {
        assert_eq!(answer, Answer::code(ResponseCode::Refused));
    }
}

#[test]
fn a_no_says_for_how_long_and_whether_the_name_is_there() {
    let world = World::new();
    is_no(
        &world.asked("nothing.holdfast.example.", RecordType::A),
        ResponseCode::NXDomain,
    );
    is_no(
        &world.asked("a.b.nothing.holdfast.example.", RecordType::ANY),
        ResponseCode::NXDomain,
    );
    is_no(&world.asked(TICKETS, RecordType::MX), ResponseCode::NoError);
    is_no(
        &world.asked("ns1.holdfast.example.", RecordType::AAAA),
        ResponseCode::NoError,
    );
    is_no(
        &world.asked("_tcp.holdfast.example.", RecordType::SRV),
        ResponseCode::NoError,
    );
}

#[test]
fn a_user_is_sent_to_the_nearest_regions() {
    let world = World::new();
    let near_europe = world.asked(TICKETS, RecordType::A);
    assert_eq!(data(&near_europe.answers), ["192.0.2.20", "192.0.2.10"]);
    assert_eq!(near_europe.scope_bits, 16);
    assert_eq!(near_europe.answers[0].ttl, 30);
    let six = world.asked("HoldFast.Example.", RecordType::AAAA);
    assert_eq!(data(&six.answers), ["2001:db8:2::10", "2001:db8:1::10"]);
    assert_eq!(
        six.answers[0].name.to_string(),
        "HoldFast.Example.",
        "as it was asked for"
    );
    let elsewhere = world.ask(TICKETS, RecordType::A, DNSClass::IN, "203.0.113.9");
    assert_eq!(data(&elsewhere.answers)[0], "192.0.2.10");
    // 203 and 10 differ in their first bit.
    assert_eq!(elsewhere.scope_bits, 1);
}

#[test]
fn a_user_whose_network_was_measured_is_sent_where_it_is_near() {
    let mut world = World::new();
    let geo = Geo::open(RegionId::new("eastus").unwrap(), &GeoConfig::default()).unwrap();
    let told = RoundTrip {
        network: "203.0.113.0/24".parse().unwrap(),
        round_trip_us: 30_000,
        good_for_ms: 60_000,
    };
    let asia = RegionId::new("southeastasia").unwrap();
    geo.measured().hear(&asia, &[told], clock::now());
    let topology = Topology::preset("three-regions").unwrap();
    world.geography = Places::new(Arc::new(geo), Arc::new(topology));
    let at = |client| world.ask(TICKETS, RecordType::A, DNSClass::IN, client);
    let measured = at("203.0.113.9");
    assert_eq!(data(&measured.answers)[0], "192.0.2.30");
    assert_eq!(measured.scope_bits, 24);
    // Wider, a resolver would keep it for the measured network too.
    let neighbour = at("203.0.112.9");
    assert_eq!(data(&neighbour.answers)[0], "192.0.2.10");
    assert_eq!(neighbour.scope_bits, 24);
}

#[test]
fn a_lost_region_is_left_out_and_answers_are_forgotten_soon() {
    let mut world = World::new();
    world.steering.down = BTreeSet::from([RegionId::new("westeurope").unwrap()]);
    let answer = world.asked(TICKETS, RecordType::A);
    assert_eq!(data(&answer.answers), ["192.0.2.10", "192.0.2.30"]);
    assert_eq!(answer.answers[0].ttl, 5);
}

#[test]
fn the_scope_is_zero_where_everybody_gets_the_same() {
    let mut world = World::new();
    world.steering.pin_all = Some(RegionId::new("southeastasia").unwrap());
    let pinned = world.asked(TICKETS, RecordType::A);
    assert_eq!(data(&pinned.answers), ["192.0.2.30"]);
    assert_eq!(pinned.scope_bits, 0);
    for fixed in [
        world.asked("holdfast.example.", RecordType::SOA),
        world.asked("westeurope.holdfast.example.", RecordType::A),
        world.asked("nothing.holdfast.example.", RecordType::A),
        world.asked(TICKETS, RecordType::MX),
    ] {
        assert_eq!(fixed.scope_bits, 0);
    }
}

#[test]
fn https_records_keep_the_order_by_priority() {
    let world = World::new();
    let answer = world.asked(TICKETS, RecordType::HTTPS);
    let texts = data(&answer.answers);
    assert_eq!(texts.len(), 2);
    assert!(
        texts[0].starts_with("1 westeurope.holdfast.example. alpn="),
        "{}",
        texts[0]
    );
    assert!(texts[0].contains("192.0.2.20") && texts[0].contains("2001:db8:2::10"));
    assert!(
        texts[1].starts_with("2 eastus.holdfast.example."),
        "{}",
        texts[1]
    );
    let mut without = World::new();
    without.zone.https = None;
    is_no(
        &without.asked(TICKETS, RecordType::HTTPS),
        ResponseCode::NoError,
    );
}

#[test]
fn what_is_asked_next_comes_along() {
    let world = World::new();
    let servers = world.asked("holdfast.example.", RecordType::NS);
    assert_eq!(data(&servers.answers), ["ns1.holdfast.example."]);
    assert_eq!(data(&servers.additionals), ["192.0.2.53"]);
    let gateways = world.asked("_holdfast-gateway._tcp.holdfast.example.", RecordType::SRV);
    assert_eq!(gateways.answers.len(), 3);
    assert_eq!(data(&gateways.additionals), ["127.0.0.1"; 3]);
    let regions = world.asked("_regions.holdfast.example.", RecordType::TXT);
    assert!(data(&regions.answers)[0].contains("eastus"));
}

#[test]
fn every_type_at_once_is_answered_with_almost_nothing() {
    let world = World::new();
    let answer = world.asked(TICKETS, RecordType::ANY);
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.answers[0].record_type(), RecordType::HINFO);
}
