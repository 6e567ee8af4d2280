//! An explanation says what was done, and why everything else was not.

use holdfast_region_config::placement::{Criterion, Verdict};
use holdfast_region_config::{
    GroupId, PlacementRequest, Replicas, SurvivalGoal, Topology, explain, explain_replacement,
    place_for, replace,
};
use proptest::prelude::*;

use crate::drawn::{cases, region_of};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_chosen_candidate_is_the_placement((topology, request) in cases(6, 3)) {
        let explanation = explain(&topology, &request);
        prop_assert_eq!(&explanation.outcome, &place_for(&topology, &request));
        let chosen: Vec<_> = explanation.candidates.iter().filter(|c| c.verdict == Verdict::Chosen).collect();
        prop_assert_eq!(chosen.len(), usize::from(explanation.outcome.is_ok()));
        let Ok(placement) = &explanation.outcome else { return Ok(()) };
        for share in &chosen[0].shares {
            let here = placement.voters.iter().filter(|id| region_of(&topology, **id) == share.region);
            prop_assert_eq!(here.count(), share.voters);
        }
        prop_assert_eq!(chosen[0].commit_floor, placement.commit_floor);
        // What was promised of the leader's region's loss is what the leader preference makes of it.
        if request.goal == SurvivalGoal::Region {
            let led_from = region_of(&topology, placement.leader().unwrap());
            let loss = explanation.losses.iter().find(|loss| loss.lost == led_from).unwrap();
            prop_assert_eq!(chosen[0].floor_after_leader_loss, loss.leads.map(|(_, floor)| floor));
        }
        prop_assert_eq!(&explanation.candidates[0], chosen[0]);
    }

    #[test]
    fn a_replacement_is_explained_as_it_is_made((topology, request) in cases(6, 3)) {
        let whole = PlacementRequest { unavailable: [].into(), ..request.clone() };
        let Ok(before) = place_for(&topology, &whole) else { return Ok(()) };
        let current = Replicas { voters: &before.voters, learners: &before.learners };
        let explanation = explain_replacement(&topology, &request, current);
        prop_assert_eq!(explanation.outcome, replace(&topology, &request, current));
        let first = explanation.candidates.first().map(|one| one.verdict == Verdict::Chosen);
        prop_assert_eq!(first.unwrap_or(false), place_for(&topology, &request).is_ok());
    }

    #[test]
    fn every_refusal_has_a_reason_and_every_beaten_one_a_criterion_that_holds((topology, request) in cases(6, 3)) {
        let explanation = explain(&topology, &request);
        let Some(first) = explanation.candidates.first() else { return Ok(()) };
        for candidate in &explanation.candidates {
            match &candidate.verdict {
                Verdict::Chosen => {}
                Verdict::Refused { reasons } => prop_assert!(!reasons.is_empty()),
                Verdict::Beaten { by: Criterion::Floor } => prop_assert!(candidate.commit_floor > first.commit_floor),
                Verdict::Beaten { by: Criterion::FloorAfterLoss } => {
                    prop_assert!(candidate.commit_floor <= first.commit_floor);
                    prop_assert!(candidate.floor_after_loss > first.floor_after_loss || candidate.floor_after_loss.is_none());
                }
                Verdict::Beaten { by: Criterion::Successor } => {
                    prop_assert!(candidate.shares[0].voters == 1 && first.shares[0].voters > 1);
                }
                Verdict::Beaten { by } => prop_assert!(
                    !matches!(by, Criterion::VotersKept | Criterion::VotersAdded), "nothing is placed yet"
                ),
            }
        }
    }
}

#[test]
fn a_faster_neighbour_outside_the_jurisdiction_is_refused_by_name() {
    let topology = Topology::preset("eight-regions").unwrap();
    let request = PlacementRequest {
        jurisdictions: ["US".parse().unwrap()].into(),
        ..PlacementRequest::new("eastus".parse().unwrap(), GroupId::new(1))
    };
    let explanation = explain(&topology, &request);
    assert!(explanation.outcome.is_err());
    let reasons = explanation.candidates.iter().map(|candidate| {
        let Verdict::Refused { reasons } = &candidate.verdict else {
            panic!("{candidate:?}")
        };
        reasons.iter().map(ToString::to_string).collect::<Vec<_>>()
    });
    let reasons: Vec<Vec<String>> = reasons.collect();
    assert!(
        reasons.contains(&vec!["northeurope is in EU".to_owned()]),
        "{reasons:?}"
    );
    assert_eq!(explanation.bare_regions.len(), 6);
}

#[test]
fn a_home_at_fault_leaves_nothing_to_compare() {
    let topology = Topology::preset("three-regions").unwrap();
    let request = PlacementRequest::new("mars".parse().unwrap(), GroupId::new(1));
    let explanation = explain(&topology, &request);
    assert!(explanation.outcome.is_err() && explanation.candidates.is_empty());
}
