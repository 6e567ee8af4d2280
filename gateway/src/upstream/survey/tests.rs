//! What a region's nodes make of their region.

use holdfast_region_config::topology::Topology;

use super::*;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::routing::score::Tier;

const TOPOLOGY: &str = r#"
cluster = "survey"
[[region]]
id = "a"
name = "A"
lat = 0.0
lon = 0.0
[[region]]
id = "b"
name = "B"
lat = 0.0
lon = 1.0
[[node]]
id = 1
region = "a"
addr = "127.0.0.1:11"
[[node]]
id = 2
region = "a"
addr = "127.0.0.1:12"
[[node]]
id = 3
region = "b"
addr = "127.0.0.1:13"
[rtt]
source = "made up"
[rtt.ms]
a = { b = 20.0 }
b = { a = 20.0 }
"#;

pub(in crate::upstream) fn upstream() -> Upstream {
    let text = "region = \"a\"\nhttp_listen = \"127.0.0.1:0\"\ntopology = \"t\"\nsession_key_file = \"k\"\n";
    let none = std::collections::BTreeMap::new();
    let config = Config::parse(text, "test", std::path::Path::new(""), &none).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    Upstream::new(Topology::parse(TOPOLOGY).unwrap(), &config, metrics).unwrap()
}

fn drained(region: &str) -> Catalogue {
    let catalogue = Catalogue::default();
    catalogue.hear(v1::Catalogue {
        regions: vec![v1::CatalogueRegion {
            region: region.to_owned(),
            evacuated: true,
        }],
        ..v1::Catalogue::default()
    });
    catalogue
}

fn tiers(upstream: &Upstream) -> Vec<(String, Tier)> {
    let choice = upstream.router().choice();
    let ranked = choice.ranked.iter();
    ranked
        .map(|one| (one.candidate.region.to_string(), one.tier))
        .collect()
}

fn ids(upstream: &Upstream) -> Vec<u64> {
    upstream.peers().iter().map(|peer| peer.id).collect()
}

#[tokio::test]
async fn a_region_is_as_good_as_its_best_node() {
    let upstream = upstream();
    let (none, now) = (Catalogue::default(), clock::now());
    let node = |id| upstream.peer(id).unwrap();
    upstream.review(&none);
    assert_eq!(tiers(&upstream)[0], ("a".to_owned(), Tier::Good));
    node(1).health.failed(now);
    upstream.review(&none);
    assert_eq!(tiers(&upstream)[0], ("a".to_owned(), Tier::Good));
    node(2)
        .health
        .probed(Some(limits::NODE_CUT_OFF_AGE * 2), now);
    upstream.review(&none);
    assert_eq!(
        tiers(&upstream),
        [("b".to_owned(), Tier::Good), ("a".to_owned(), Tier::CutOff)]
    );
    node(2).health.failed(now);
    upstream.review(&none);
    assert_eq!(tiers(&upstream)[1], ("a".to_owned(), Tier::Dead));
    assert_eq!(ids(&upstream), [3, 1, 2]);
    node(3).health.failed(now);
    upstream.review(&none);
    let choice = upstream.router().choice();
    assert!(choice.fail_open, "still an order");
    assert_eq!(upstream.near(1).len(), 3);
}

#[tokio::test]
async fn a_drained_region_is_left_and_kept_in_reserve() {
    let upstream = upstream();
    upstream.review(&Catalogue::default());
    upstream.review(&drained("a"));
    assert_eq!(
        tiers(&upstream),
        [
            ("b".to_owned(), Tier::Good),
            ("a".to_owned(), Tier::Drained)
        ]
    );
    upstream.peer(3).unwrap().health.failed(clock::now());
    upstream.review(&drained("a"));
    assert_eq!(tiers(&upstream)[0], ("a".to_owned(), Tier::Drained));
}

#[tokio::test]
async fn within_a_region_the_faster_node_goes_first() {
    let upstream = upstream();
    let took = |id: u64, ms| {
        upstream
            .peer(id)
            .unwrap()
            .latency
            .took(Duration::from_millis(ms))
    };
    took(1, 9);
    took(2, 3);
    upstream.review(&Catalogue::default());
    assert_eq!(ids(&upstream), [2, 1, 3]);
}
