//! Faults as text: what a drill file may say.

use super::*;

fn parse(text: &str) -> Result<FaultSpec, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
}

#[test]
fn a_fault_is_a_table_with_a_kind() {
    let fault = parse("kind = \"isolate-region\"\nregion = \"leader@2\"").unwrap();
    assert_eq!(fault.describe(), "isolate the region that leads show 3");
    let back = toml::to_string(&fault).unwrap();
    assert_eq!(parse(&back).unwrap(), fault);
}

#[test]
fn a_key_or_kind_that_does_not_exist_is_refused_by_name() {
    let error = parse("kind = \"kill\"\nnode = \"n1\"\nnodes = 3").unwrap_err();
    assert!(error.contains("nodes"), "{error}");
    let error = parse("kind = \"halves\"\nsides = 3").unwrap_err();
    assert!(error.contains("sides"), "{error}");
    let error = parse("kind = \"explode\"").unwrap_err();
    assert!(error.contains("explode"), "{error}");
    let error = parse("kind = \"kill\"\nnode = \"first\"").unwrap_err();
    assert!(error.contains("leader, follower or random"), "{error}");
}

#[test]
fn what_is_named_is_known_before_anything_runs() {
    let topology = Topology::preset("three-regions").unwrap();
    let named = parse("kind = \"region-gone\"\nregion = \"westeurope\"").unwrap();
    let targets = named.targets(&topology);
    assert_eq!(targets.regions.len(), 1);
    assert_eq!(targets.nodes.len(), 1);
    assert!(!targets.chosen_at_start);
    assert!(named.check(&topology).is_ok());
    let open = parse("kind = \"kill\"\nnode = \"leader\"").unwrap();
    assert!(open.targets(&topology).chosen_at_start);
    let wrong = parse("kind = \"region-gone\"\nregion = \"atlantis\"").unwrap();
    let error = wrong.check(&topology).unwrap_err().to_string();
    assert!(error.contains("atlantis"), "{error}");
    let wrong = parse("kind = \"kill\"\nnode = \"n99\"").unwrap();
    assert!(wrong.check(&topology).is_err());
}

#[test]
fn a_throttled_gateway_runs_and_stands_for_a_while_each() {
    let topology = Topology::preset("three-regions").unwrap();
    let throttled = parse("kind = \"gateway-throttled\"\nregion = \"westeurope\"").unwrap();
    assert!(throttled.check(&topology).is_ok());
    assert_eq!(
        throttled.describe(),
        "let the gateway of region westeurope run for 500 µs after every 5 ms"
    );
    assert_eq!(throttled.targets(&topology).regions.len(), 1);
    assert!(throttled.targets(&topology).nodes.is_empty());
    for (key, value) in [
        ("run_us", "0"),
        ("run_us", "1_000_001"),
        ("stand_ms", "0"),
        ("stand_ms", "10_001"),
    ] {
        let text =
            format!("kind = \"gateway-throttled\"\nregion = \"westeurope\"\n{key} = {value}");
        let error = parse(&text)
            .unwrap()
            .check(&topology)
            .unwrap_err()
            .to_string();
        assert!(error.contains(key), "{error}");
    }
}
