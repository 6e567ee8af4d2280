//! One index of buyers for each jurisdiction, apart from what is on sale.

use super::*;

fn create(jurisdiction: Option<&str>) -> DirectoryCommand {
    let voters = vec![NodeId::new(1), NodeId::new(2), NodeId::new(3)];
    DirectoryCommand::CreateBuyerIndex {
        jurisdiction: jurisdiction.map(|name| Jurisdiction::new(name).expect("a jurisdiction")),
        home_region: RegionId::new("westeurope").expect("a region id"),
        leader_preference: voters.clone(),
        voters,
        learners: Vec::new(),
    }
}

fn group(outcome: DirectoryOutcome) -> (u64, bool) {
    match outcome {
        DirectoryOutcome::Show {
            group_id, existed, ..
        } => (group_id.get(), existed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_jurisdiction_gets_one_index_and_shows_go_on_from_their_own_number() {
    let first = GroupId::BUYER_INDEXES_FROM.get();
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    assert_eq!(group(state.apply(create(Some("EU")))), (first, false));
    assert_eq!(group(state.apply(create(None))), (first + 1, false));
    assert_eq!(group(state.apply(create(Some("EU")))), (first, true));
    assert_eq!(group(state.apply(create_show(show("tides-2")))), (2, false));
    assert_eq!(group(state.apply(create(Some("US")))), (first + 2, false));

    let on_sale: Vec<u64> = state.shows_on_sale().map(|s| s.show_id.get()).collect();
    assert_eq!(on_sale, [1, 2]);
    assert_eq!(state.buyer_indexes().count(), 3);
    let eu = Jurisdiction::new("EU").expect("a jurisdiction");
    let index = state.buyer_index_of(Some(&eu)).expect("begun");
    assert_eq!(index.group_id.get(), first);
    assert_eq!(index.jurisdiction(), Some(&eu));
    let other = state.buyer_index_of(None).expect("begun");
    assert_eq!(other.jurisdiction(), None);
    // Placing and membership find all of them in one place.
    assert_eq!(state.shows().len(), 5);
    assert_eq!(state.unsettled().len(), 5);
}

#[test]
fn an_index_survives_its_bytes_and_has_no_slug() {
    let mut state = furnished();
    state.apply(create(Some("EU")));
    state.apply(create(None));
    let bytes = encode_snapshot(&state).expect("encodes");
    assert_eq!(decode_snapshot(&bytes), Ok(state));
    let commands = vec![create(Some("EU"))];
    let bytes = encode_commands(&commands).expect("encodes");
    assert_eq!(decode_commands(&bytes), Ok(commands));
}

#[test]
fn indexes_are_bounded() {
    let mut state = furnished();
    for number in 0..crate::buyer_index::INDEXES_MAX {
        state.apply(create(Some(&format!("J{number}"))));
    }
    let outcome = state.apply(create(Some("ONE-MORE")));
    let DirectoryOutcome::Rejected(rejection) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(matches!(rejection, DirectoryRejection::Full { .. }));
}
