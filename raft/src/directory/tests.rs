//! The directory's promises: creates are idempotent by slug, references hold, bytes survive and garbage is refused.

use std::collections::BTreeMap;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, Jurisdiction, NodeId, RegionId, SurvivalGoal};

use super::*;

mod buyer_index;
mod format;
mod nodes;
mod replicas;
mod steering;

fn plan(slug: &str) -> NewPlan {
    sample::plan(slug, 4)
}

fn show(slug: &str) -> NewShow {
    sample::show(slug, "westeurope")
}

fn create_show(show: NewShow) -> DirectoryCommand {
    let voters = vec![NodeId::new(1), NodeId::new(2), NodeId::new(3)];
    DirectoryCommand::CreateShow {
        show: Box::new(show),
        leader_preference: voters.clone(),
        voters,
        learners: Vec::new(),
    }
}

fn furnished() -> DirectoryState {
    let mut state = DirectoryState::default();
    state.apply(DirectoryCommand::ImportPlan(Box::new(plan("harbour"))));
    state.apply(DirectoryCommand::CreateEvent(sample::event()));
    state
}

#[test]
fn repeated_create_answers_the_first_id() {
    let mut state = furnished();
    let first = state.apply(create_show(show("tides-1")));
    let version = state.version();
    let group_id = GroupId::new(1);
    assert_eq!(
        first,
        DirectoryOutcome::Show {
            show_id: ShowId(1),
            group_id,
            existed: false
        }
    );
    let second = state.apply(create_show(show("tides-1")));
    assert_eq!(
        second,
        DirectoryOutcome::Show {
            show_id: ShowId(1),
            group_id,
            existed: true
        }
    );
    assert_eq!(state.version(), version, "a repeat changes nothing");
}

#[test]
fn slug_with_other_content_is_refused() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    let mut other = show("tides-1");
    other.city = "Rotterdam".to_owned();
    let outcome = state.apply(create_show(other));
    let DirectoryOutcome::Rejected(rejection) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(rejection.code(), "slug_taken");
}

#[test]
fn show_needs_a_known_event_plan_and_every_price() {
    let mut state = furnished();
    let rejected = |state: &mut DirectoryState, show| match state.apply(create_show(show)) {
        DirectoryOutcome::Rejected(rejection) => rejection.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        rejected(
            &mut state,
            NewShow {
                event_id: 9,
                ..show("x")
            }
        ),
        "event_unknown"
    );
    assert_eq!(
        rejected(
            &mut state,
            NewShow {
                plan_id: 9,
                ..show("x")
            }
        ),
        "plan_unknown"
    );
    assert_eq!(
        rejected(
            &mut state,
            NewShow {
                price_minor: BTreeMap::new(),
                ..show("x")
            }
        ),
        "invalid"
    );
    assert_eq!(
        rejected(
            &mut state,
            NewShow {
                city: String::new(),
                ..show("x")
            }
        ),
        "invalid"
    );
}

#[test]
fn set_up_joins_the_plan_with_the_shows_prices() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    let set_up = state.show_set_up(ShowId(1)).expect("the show is known");
    assert_eq!(set_up.categories[0].price_minor, 4_500);
    assert_eq!(set_up.seats.len(), 4);
    assert!(state.show_set_up(ShowId(2)).is_none());
}

#[test]
fn followers_are_told_what_changed_since_they_looked() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    state.apply(create_show(show("tides-2")));
    let seen = state.version();
    let told = |state: &DirectoryState, since| {
        let changes = state.changes_since(since);
        changes.map(|(_, what)| what.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&state, 0),
        [
            Changed::Plan(1),
            Changed::Event(1),
            Changed::Show(ShowId(1)),
            Changed::Show(ShowId(2))
        ]
    );
    assert_eq!(told(&state, seen), []);
    for follow in [Some(true), None, Some(false)] {
        let show = ShowId(1);
        state.apply(DirectoryCommand::SetShowFollowsBuyers { show, follow });
    }
    assert_eq!(told(&state, seen), [Changed::Show(ShowId(1))], "once");
    assert_eq!(state.version(), seen + 3);
    assert_eq!(told(&state, 0).last(), Some(&Changed::Show(ShowId(1))));
}

#[test]
fn leader_stays_where_it_is_pinned_until_it_is_given_back() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    let pin = |state: &mut DirectoryState, leader| {
        let show = ShowId(1);
        state.apply(DirectoryCommand::PinLeader { show, leader })
    };
    let order = |state: &DirectoryState| state.shows()[&ShowId(1)].leader_order();
    let nodes = |numbers: [u64; 3]| numbers.map(NodeId::new).to_vec();
    assert!(matches!(
        pin(&mut state, Some(NodeId::new(9))),
        DirectoryOutcome::Rejected(DirectoryRejection::Invalid { .. })
    ));
    pin(&mut state, Some(NodeId::new(3)));
    assert_eq!(order(&state), nodes([3, 1, 2]));
    pin(&mut state, None);
    assert_eq!(order(&state), nodes([1, 2, 3]));
}

#[test]
fn show_follows_its_buyers_as_it_says_else_as_the_cluster_does() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    assert!(!state.follows_buyers(ShowId(1)), "off unless asked for");
    state.apply(DirectoryCommand::SetFollowBuyers { follow: true });
    assert!(state.follows_buyers(ShowId(1)));
    let (show, follow) = (ShowId(1), Some(false));
    state.apply(DirectoryCommand::SetShowFollowsBuyers { show, follow });
    assert!(!state.follows_buyers(ShowId(1)) && state.follow_buyers());
}
