//! A database of a few ranges in each of the forms that are in use, written here byte by byte.

use std::path::PathBuf;

use super::*;

/// Control byte and what follows it. Enough of the format for small records.
#[derive(Clone)]
enum Value {
    Text(&'static str),
    Double(f64),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

fn write(value: &Value, out: &mut Vec<u8>) {
    let control = |kind: u8, size: usize| kind << 5 | u8::try_from(size).unwrap();
    match value {
        Value::Text(text) => {
            assert!(text.len() < 29, "longer texts are written otherwise");
            out.push(control(2, text.len()));
            out.extend_from_slice(text.as_bytes());
        }
        Value::Double(number) => {
            out.push(control(3, 8));
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U16(number) => {
            out.push(control(5, 2));
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U32(number) => {
            out.push(control(6, 4));
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::U64(number) => {
            out.extend_from_slice(&[control(0, 8), 2]);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Map(pairs) => {
            out.push(control(7, pairs.len()));
            for (key, value) in pairs {
                write(&Value::Text(key), out);
                write(value, out);
            }
        }
        Value::List(values) => {
            out.extend_from_slice(&[control(0, values.len()), 4]);
            values.iter().for_each(|value| write(value, out));
        }
    }
}

/// Two children a node: another node, nothing, or a record.
#[derive(Clone, Copy, PartialEq)]
enum Child {
    Nothing,
    Node(usize),
    Record(usize),
}

fn bit(range: &Network, at: u8) -> usize {
    let IpAddr::V4(addr) = range.addr() else {
        panic!("only IPv4 ranges here")
    };
    usize::from(addr.to_bits() >> (31 - at) & 1 == 1)
}

/// The whole file.
fn file(records: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Child::Nothing; 2]];
    let (mut data, mut offsets) = (Vec::new(), Vec::new());
    for (at, (range, value)) in records.iter().enumerate() {
        let range: Network = range.parse().unwrap();
        offsets.push(data.len());
        write(value, &mut data);
        let mut node = 0;
        for depth in 0..range.prefix_len() {
            let side = bit(&range, depth);
            if depth + 1 == range.prefix_len() {
                nodes[node][side] = Child::Record(at);
            } else if let Child::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Child::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Child::Node(next);
                node = next;
            }
        }
    }
    let mut out = Vec::new();
    for child in nodes.iter().flatten() {
        let number = match child {
            Child::Nothing => nodes.len(),
            Child::Node(at) => *at,
            Child::Record(at) => nodes.len() + 16 + offsets[*at],
        };
        out.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes()[1..]);
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        (
            "node_count",
            Value::U32(u32::try_from(nodes.len()).unwrap()),
        ),
        ("record_size", Value::U16(24)),
        ("ip_version", Value::U16(4)),
        ("database_type", Value::Text("made-up")),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_700_000_000)),
        ("description", Value::Map(vec![])),
    ]);
    write(&metadata, &mut out);
    out
}

fn records() -> Vec<(&'static str, Value)> {
    let iso = |code| Value::Map(vec![("iso_code", Value::Text(code))]);
    let degrees = |lat, lon| {
        vec![
            ("latitude", Value::Double(lat)),
            ("longitude", Value::Double(lon)),
        ]
    };
    let mut flat_city = degrees(-33.9, 151.2);
    flat_city.push(("country_code", Value::Text("AU")));
    vec![
        // MaxMind and DB-IP, by country and by city.
        ("192.0.2.0/24", Value::Map(vec![("country", iso("NL"))])),
        (
            "198.51.100.0/25",
            Value::Map(vec![
                ("country", iso("US")),
                ("location", Value::Map(degrees(1.3, 103.8))),
            ]),
        ),
        (
            "203.0.112.0/20",
            Value::Map(vec![("registered_country", iso("BR"))]),
        ),
        // As it is made from IPtoASN's tables, and a flat one with coordinates.
        (
            "100.64.0.0/16",
            Value::Map(vec![("country_code", Value::Text("US"))]),
        ),
        ("100.65.0.0/16", Value::Map(flat_city)),
        // A record that says nothing useful.
        (
            "100.66.0.0/16",
            Value::Map(vec![("asn", Value::U32(64_512))]),
        ),
        (
            "100.67.0.0/16",
            Value::Map(vec![
                ("latitude", Value::Text("91.5")),
                ("longitude", Value::Text("0")),
            ]),
        ),
    ]
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made-up.mmdb");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn each_form_of_record_leads_to_the_region_next_to_it() {
    let (_dir, path) = written(&file(&records()));
    let topology = topology();
    let config = GeoConfig {
        database: Some(path),
        ..GeoConfig::default()
    };
    let geo = Geo::open(RegionId::new("westeurope").unwrap(), &config).unwrap();
    assert_eq!(geo.database(), Some("made-up of build 1700000000"));
    for (addr, region, prefix_len, source) in [
        ("192.0.2.9", "westeurope", 24, Source::Country),
        ("198.51.100.9", "southeastasia", 24, Source::City),
        ("203.0.113.9", "brazilsouth", 20, Source::Country),
        ("100.64.9.9", "eastus", 16, Source::Country),
        ("100.65.9.9", "australiaeast", 16, Source::City),
        ("100.66.9.9", "westeurope", 24, Source::Unknown),
        ("100.67.9.9", "westeurope", 24, Source::Unknown),
        ("8.8.8.8", "westeurope", 24, Source::Unknown),
    ] {
        let nearest = geo.nearest_regions(&topology, addr.parse().unwrap());
        let found = (first(&nearest), nearest.prefix_len, nearest.source);
        assert_eq!(found, (region, prefix_len, source), "{addr}");
    }
    let mapped = geo.nearest_regions(&topology, "::ffff:192.0.2.9".parse().unwrap());
    assert_eq!(first(&mapped), "westeurope");
    // What the file knows stays as it is; what it does not may have been measured.
    measured(&geo, "192.0.2.0/24", "southeastasia", 5);
    measured(&geo, "8.8.8.0/24", "southeastasia", 5);
    let source = |addr: &str| {
        let nearest = geo.nearest_regions(&topology, addr.parse().unwrap());
        nearest.source
    };
    assert_eq!(source("192.0.2.9"), Source::Country);
    assert_eq!(source("8.8.8.8"), Source::Measured);
}

#[test]
fn a_damaged_file_finds_nothing_and_breaks_nothing() {
    let good = file(&records());
    let topology = topology();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        let (_dir, path) = written(&bad);
        let config = GeoConfig {
            database: Some(path),
            ..GeoConfig::default()
        };
        let Ok(geo) = Geo::open(RegionId::new("westeurope").unwrap(), &config) else {
            continue;
        };
        for addr in ["192.0.2.9", "198.51.100.9", "100.65.9.9", "2001:db8::1"] {
            let nearest = geo.nearest_regions(&topology, addr.parse().unwrap());
            assert_eq!(nearest.regions.len(), topology.regions.len());
        }
    }
}
