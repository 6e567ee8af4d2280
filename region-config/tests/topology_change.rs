//! Edits of a topology file under a running cluster: what is noticed, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use holdfast_region_config::{Jurisdiction, NodeId, RegionId, Topology, TopologyChange, ZoneId};

fn eight() -> Topology {
    Topology::preset("eight-regions").unwrap()
}

fn region(id: &str) -> RegionId {
    RegionId::new(id).unwrap()
}

fn reasons(old: &Topology, new: &Topology) -> Vec<String> {
    let found = old.validate_change(new, &BTreeSet::new());
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_file_changes_nothing() {
    let change = eight().diff(&eight());
    assert!(change.is_empty() && !change.moves_groups());
    assert_eq!(change.to_string(), "nothing changed");
    assert!(reasons(&eight(), &eight()).is_empty());
}

#[test]
fn every_kind_of_edit_is_noticed_and_named() {
    let old = eight();
    let mut new = old.clone();
    new.nodes[0].addr = "10.0.0.1:7101".to_owned();
    new.nodes[1].zone = Some(ZoneId::new("b").unwrap());
    new.nodes.retain(|node| node.id != NodeId::new(5));
    let mut added = new.nodes[0].clone();
    added.id = NodeId::new(15);
    added.addr = "10.0.0.15:7101".to_owned();
    new.nodes.push(added);
    new.regions[3].voting = false;
    new.gateways.pop();
    let change = old.diff(&new);
    assert_eq!(
        change,
        TopologyChange {
            regions_changed: vec![region("germanywestcentral")],
            nodes_added: vec![NodeId::new(15)],
            nodes_removed: vec![NodeId::new(5)],
            addrs_changed: vec![NodeId::new(1)],
            zones_changed: vec![NodeId::new(2)],
            gateways_changed: true,
            ..TopologyChange::default()
        }
    );
    assert_eq!(
        change.to_string(),
        "regions changed: germanywestcentral; nodes added: n15; nodes removed: n5; addresses changed: n1; \
         zones changed: n2; gateways changed"
    );
    assert!(reasons(&old, &new).is_empty());
}

#[test]
fn a_region_that_comes_and_one_that_goes_are_told_apart() {
    let eight = eight();
    let seven = eight.with_first_regions(7).unwrap();
    let growth = seven.diff(&eight);
    assert_eq!(growth.regions_added, [region("japaneast")]);
    assert_eq!(growth.nodes_added, [NodeId::new(14)]);
    assert!(!growth.rtt_changed, "new pairs are no change of old ones");
    let loss = eight.diff(&seven);
    assert_eq!(loss.regions_removed, growth.regions_added);
    assert_eq!(loss.nodes_removed, growth.nodes_added);
    assert!(growth.moves_groups() && loss.moves_groups());
    assert!(reasons(&seven, &eight).is_empty() && reasons(&eight, &seven).is_empty());
}

#[test]
fn new_addresses_and_gateways_move_no_group_and_new_round_trips_may() {
    let old = eight();
    let text = old.to_toml();
    let new = old
        .with_addrs(
            |node| format!("other-{}:7101", node.id),
            |gateway| gateway.addr.clone(),
        )
        .unwrap();
    let change = old.diff(&new);
    assert_eq!(change.addrs_changed.len(), 14);
    assert!(!change.moves_groups());
    let slower = Topology::parse(&text.replace("centralus = 35.0", "centralus = 36.0")).unwrap();
    let change = old.diff(&slower);
    assert!(change.rtt_changed && change.moves_groups());
    assert_eq!(change.to_string(), "round trips changed");
}

#[test]
fn all_faults_are_reported_at_once() {
    let old = eight();
    let mut new = old.clone();
    new.cluster = "other".to_owned();
    new.regions[1].jurisdiction = Some(Jurisdiction::new("US").unwrap());
    new.regions[3].jurisdiction = None;
    new.nodes[0].region = region("centralus");
    let mut back = new.nodes[1].clone();
    back.id = NodeId::new(40);
    new.nodes.push(back);
    new.nodes.retain(|node| ![6, 14].contains(&node.id.get()));
    let found = old.validate_change(&new, &[NodeId::new(40)].into());
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "cluster: this is cluster \"holdfast-eight-regions\", and a cluster keeps its name",
            "region[1].jurisdiction: westeurope is under EU and cannot move to US",
            "region[3].jurisdiction: germanywestcentral is under EU, on which shows may rely",
            "node[0].region: n1 stands in eastus; another machine needs another id",
            "node[12].id: n40 was given up, and ids are never used again",
            "node: nodes of japaneast and southeastasia go at once; remove them region by region, so that every group keeps \
             a majority",
        ]
    );
}

#[test]
fn a_region_may_get_the_jurisdiction_that_it_lacked() {
    let mut old = eight();
    let new = old.clone();
    old.regions[0].jurisdiction = None;
    assert!(reasons(&old, &new).is_empty());
}

#[test]
fn all_nodes_of_one_region_may_go_together() {
    let old = eight();
    let mut new = old.clone();
    new.nodes.retain(|node| node.region != region("westeurope"));
    assert!(reasons(&old, &new).is_empty());
}
