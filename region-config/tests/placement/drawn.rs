//! Random topologies and requests.
//!
//! Owns: what may be drawn. Must never: draw a topology that validation would refuse.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use holdfast_region_config::{
    GroupId, Jurisdiction, Node, NodeId, PlacementRequest, RegionId, SurvivalGoal, Topology,
};
use proptest::prelude::*;

/// One region before it becomes text: nodes with their zones, jurisdiction, vote.
type Draft = (Vec<Option<&'static str>>, Option<&'static str>, bool);

fn region(nodes_max: usize) -> impl Strategy<Value = Draft> {
    let zone = prop_oneof![3 => Just(None), 1 => Just(Some("a")), 1 => Just(Some("b"))];
    let law = prop_oneof![2 => Just(Some("EU")), 1 => Just(Some("US")), 1 => Just(None)];
    let votes = prop::bool::weighted(0.9);
    (prop::collection::vec(zone, 1..=nodes_max), law, votes)
}

/// Topologies with some regions of some nodes each, zones and jurisdictions here and there, and believable round trips,
/// many of them equal.
pub(crate) fn topologies(regions_max: usize, nodes_max: usize) -> impl Strategy<Value = Topology> {
    (1..=regions_max).prop_flat_map(move |count| {
        let regions = prop::collection::vec(region(nodes_max), count);
        let trips = prop::collection::vec(100_u32..400, count * count);
        let coarse = prop::bool::ANY;
        (regions, trips, coarse).prop_map(|(regions, trips, coarse)| {
            // Rounded to 50 ms many are equal, and ties are where orders go wrong.
            let grain = if coarse { 50 } else { 1 };
            build(&regions, &trips, grain)
        })
    })
}

fn build(regions: &[Draft], trips: &[u32], grain: u32) -> Topology {
    let voting = regions.iter().filter(|(_, _, votes)| *votes).count();
    // Zero and two chosen ones are refused.
    let all_vote = voting == 0 || voting == 2;
    let mut text = "cluster = \"random\"\n[rtt]\nsource = \"drawn\"\n".to_owned();
    for from in 0..regions.len() {
        writeln!(text, "[rtt.ms.r{from}]").unwrap();
        for to in (0..regions.len()).filter(|to| *to != from) {
            let ms = trips[from * regions.len() + to] / grain * grain;
            writeln!(text, "r{to} = {ms}.0").unwrap();
        }
    }
    let mut number = 0;
    for (at, (nodes, law, votes)) in regions.iter().enumerate() {
        writeln!(
            text,
            "[[region]]\nid = \"r{at}\"\nname = \"R\"\nlat = 0.0\nlon = 0.0\nvoting = {}",
            *votes || all_vote
        )
        .unwrap();
        if let Some(law) = law {
            writeln!(text, "jurisdiction = \"{law}\"").unwrap();
        }
        for zone in nodes {
            number += 1;
            let addr = format!("10.0.0.{number}:1");
            writeln!(
                text,
                "[[node]]\nid = {number}\nregion = \"r{at}\"\naddr = \"{addr}\""
            )
            .unwrap();
            if let Some(zone) = zone {
                writeln!(text, "zone = \"{zone}\"").unwrap();
            }
        }
    }
    Topology::parse(&text).unwrap()
}

/// A topology and something to ask of it: any home that votes, any goal, sometimes a jurisdiction that has the home, some
/// nodes out.
pub(crate) fn cases(
    regions_max: usize,
    nodes_max: usize,
) -> impl Strategy<Value = (Topology, PlacementRequest)> {
    let goal = prop::sample::select(SurvivalGoal::ALL.to_vec());
    let out = prop::collection::vec(prop::bool::weighted(0.15), regions_max * nodes_max);
    let drawn = (
        topologies(regions_max, nodes_max),
        any::<prop::sample::Index>(),
        goal,
        prop::bool::weighted(0.4),
        out,
        any::<u16>(),
    );
    drawn.prop_map(|(topology, home, goal, bound, out, group)| {
        let voting: Vec<_> = topology.regions.iter().filter(|r| r.voting).collect();
        let home = voting[home.index(voting.len())];
        let law = home.jurisdiction.clone().filter(|_| bound);
        let nodes = topology.nodes.iter().zip(out);
        let request = PlacementRequest {
            goal,
            jurisdictions: law.into_iter().collect(),
            unavailable: nodes.filter(|(_, out)| *out).map(|(n, _)| n.id).collect(),
            ..PlacementRequest::new(home.id.clone(), GroupId::new(u64::from(group)))
        };
        (topology, request)
    })
}

/// Where a node stands.
pub(crate) fn region_of(topology: &Topology, node: NodeId) -> RegionId {
    topology.region_of(node).unwrap().clone()
}

/// What a node is lost with when a zone goes.
pub(crate) fn fate(topology: &Topology, node: NodeId) -> String {
    let node: &Node = topology.node(node).unwrap();
    match &node.zone {
        Some(zone) => format!("{} {zone}", node.region),
        None => node.id.to_string(),
    }
}

/// The jurisdictions of nodes, `None` for those without.
pub(crate) fn laws(
    topology: &Topology,
    nodes: impl IntoIterator<Item = NodeId>,
) -> BTreeSet<Option<Jurisdiction>> {
    let regions = nodes.into_iter().map(|id| region_of(topology, id));
    regions
        .map(|id| topology.region(&id).unwrap().jurisdiction.clone())
        .collect()
}

/// Whether more than half of `voters` are left when those that `lost` names are gone.
pub(crate) fn majority_left(voters: &[NodeId], lost: impl Fn(NodeId) -> bool) -> bool {
    voters.iter().filter(|id| !lost(**id)).count() * 2 > voters.len()
}
