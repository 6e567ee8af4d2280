//! The real regions: neighbourhoods and floors, computed by hand from the table of round trips.

use holdfast_region_config::placement::{Candidate, region_losses};
use holdfast_region_config::{
    GroupId, PlacementRequest, RegionId, SurvivalGoal, Topology, explain, place_directory,
    place_for,
};

use crate::drawn::region_of;

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// `eastus 2, northeurope 2, centralus 1: 35, then 74`.
fn line(candidate: &Candidate) -> String {
    let shares = candidate.shares.iter();
    let shares: Vec<String> = shares
        .map(|s| format!("{} {}", s.region, s.voters))
        .collect();
    format!(
        "{}: {}, then {}",
        shares.join(", "),
        ms(candidate.commit_floor),
        ms(candidate.floor_after_loss.unwrap())
    )
}

fn neighbourhoods(preset: &str, goal: SurvivalGoal) -> Vec<String> {
    let topology = Topology::preset(preset).unwrap();
    let homes = topology.regions.iter();
    homes
        .map(|home| {
            let request = PlacementRequest::new(home.id.clone(), GroupId::new(3));
            let explanation = explain(&topology, &PlacementRequest { goal, ..request });
            line(&explanation.candidates[0])
        })
        .collect()
}

#[test]
fn shows_of_the_eight_regions_live_on_their_continent() {
    assert_eq!(
        neighbourhoods("eight-regions", SurvivalGoal::Region),
        [
            // North America has two regions here; the third voter is Dublin, where a second one fits.
            "eastus 2, northeurope 2, centralus 1: 35, then 74",
            "westeurope 2, germanywestcentral 2, northeurope 1: 14, then 20",
            "southeastasia 1, eastasia 1, japaneast 1: 40, then 74",
            "germanywestcentral 2, westeurope 2, northeurope 1: 14, then 28",
            "northeurope 2, westeurope 2, germanywestcentral 1: 19, then 29",
            "centralus 1, eastus 1, northeurope 1: 35, then 107",
            // Two nodes, but no neighbour with two: a far 2-2-1 would commit slower after a loss.
            "eastasia 1, southeastasia 1, japaneast 1: 41, then 53",
            "japaneast 1, southeastasia 1, eastasia 1: 51, then 74",
        ]
    );
}

#[test]
fn zone_shows_of_the_eight_regions_stay_at_home_where_there_are_three_nodes() {
    assert_eq!(
        neighbourhoods("eight-regions", SurvivalGoal::Zone),
        [
            "eastus 2, centralus 1: 1, then 35",
            "westeurope 3: 1, then 1",
            "southeastasia 1, eastasia 2: 40, then 40",
            "germanywestcentral 2, westeurope 1: 1, then 14",
            "northeurope 2, westeurope 1: 1, then 19",
            "centralus 1, eastus 2: 35, then 35",
            "eastasia 2, southeastasia 1: 1, then 41",
            "japaneast 1, eastasia 2: 51, then 51",
        ]
    );
}

#[test]
fn one_node_a_region_makes_every_show_one_one_one() {
    assert_eq!(
        neighbourhoods("five-regions", SurvivalGoal::Region),
        [
            "eastus 1, westeurope 1, brazilsouth 1: 89, then 119",
            "westeurope 1, eastus 1, southeastasia 1: 91, then 182",
            "southeastasia 1, westeurope 1, australiaeast 1: 98, then 181",
            "brazilsouth 1, eastus 1, westeurope 1: 121, then 191",
            "australiaeast 1, eastus 1, southeastasia 1: 98, then 206",
        ]
    );
}

#[test]
fn every_jurisdiction_with_three_regions_can_keep_its_shows() {
    let topology = Topology::preset("eight-regions").unwrap();
    for home in ["westeurope", "germanywestcentral", "northeurope"] {
        let request = PlacementRequest {
            jurisdictions: ["EU".parse().unwrap()].into(),
            ..PlacementRequest::new(home.parse().unwrap(), GroupId::new(3))
        };
        let placement = place_for(&topology, &request).unwrap();
        assert_eq!(placement.voters.len(), 5);
        assert!(placement.learners.is_empty());
    }
}

#[test]
fn a_lost_region_of_a_european_show_costs_what_the_table_says() {
    let topology = Topology::preset("eight-regions").unwrap();
    let request = PlacementRequest::new("westeurope".parse().unwrap(), GroupId::new(3));
    let placement = place_for(&topology, &request).unwrap();
    let losses = region_losses(&topology, &placement)
        .into_iter()
        .map(|loss| {
            let (leader, floor) = loss.leads.unwrap();
            let from = region_of(&topology, leader);
            format!("without {} led from {from} in {}", loss.lost, ms(floor))
        });
    assert_eq!(
        losses.collect::<Vec<_>>(),
        [
            "without westeurope led from germanywestcentral in 28",
            "without germanywestcentral led from westeurope in 20",
            "without northeurope led from westeurope in 14",
        ]
    );
}

#[test]
fn the_first_regions_of_the_eight_are_the_trio() {
    let eight = Topology::preset("eight-regions").unwrap();
    for count in 1..=8 {
        let cut = eight.with_first_regions(count).unwrap();
        assert!(cut.with_nodes_per_region(2).is_ok());
        assert!(cut.with_one_gateway_per_region().is_ok());
    }
    let trio = Topology::preset("three-regions").unwrap();
    let cut = eight.with_first_regions(3).unwrap();
    assert!(cut.rtt.pairs().eq(trio.rtt.pairs()));
}

#[test]
fn the_directory_of_the_eight_regions_leaves_out_the_slowest_to_reach() {
    let topology = Topology::preset("eight-regions").unwrap();
    let placement = place_directory(&topology);
    let voting: Vec<_> = placement
        .voters
        .iter()
        .map(|id| region_of(&topology, *id))
        .collect();
    assert_eq!(voting.len(), 7);
    assert_eq!(voting[0].as_str(), "northeurope");
    assert!(!voting.contains(&"eastasia".parse().unwrap()));
    assert_eq!(ms(placement.commit_floor), 76);
    assert_eq!(placement.learners.len(), 14 - 7);
}

#[test]
fn of_two_successors_that_commit_alike_the_one_beside_the_leader_is_first() {
    // 89 ms one way and 91 the other: no difference. Amsterdam acknowledges first and so has the newest entries.
    let topology = Topology::preset("three-regions").unwrap();
    let home: RegionId = "southeastasia".parse().unwrap();
    let placement = place_for(&topology, &PlacementRequest::new(home, GroupId::new(3))).unwrap();
    let secondary = placement.secondary().unwrap();
    assert_eq!(region_of(&topology, secondary).as_str(), "westeurope");
}
