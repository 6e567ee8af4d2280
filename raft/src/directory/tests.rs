//! The directory's promises: creates are idempotent by slug, references hold, bytes survive and garbage is refused.

use std::collections::BTreeMap;

use holdfast_inventory::ids::CategoryNo;

use super::*;

fn plan(slug: &str) -> NewPlan {
    let seat = |n: u32| Seat {
        id: format!("A-{n}"),
        zone: "Floor".to_owned(),
        row: "A".to_owned(),
        number: n.to_string(),
        category: CategoryNo(0),
        x: i32::try_from(n).unwrap_or_default() * 100,
        y: 0,
        accessible: false,
        companion_of: None,
    };
    NewPlan {
        slug: slug.to_owned(),
        name: "Harbour hall".to_owned(),
        width: 1000,
        height: 1000,
        categories: vec![("Stalls".to_owned(), "#aa0000".to_owned())],
        seats: (0..4).map(seat).collect(),
        areas: Vec::new(),
    }
}

fn show(slug: &str) -> NewShow {
    NewShow {
        slug: slug.to_owned(),
        event_id: 1,
        plan_id: 1,
        venue: "Harbour hall".to_owned(),
        city: "Amsterdam".to_owned(),
        country: "NL".to_owned(),
        starts_at_ms: 1,
        time_zone: "Europe/Amsterdam".to_owned(),
        local_date: "2027-03-01".to_owned(),
        local_time: "20:00".to_owned(),
        home_region: RegionId::new("westeurope").expect("a region id"),
        currency: Currency::parse("EUR").expect("a currency"),
        price_minor: BTreeMap::from([("Stalls".to_owned(), 4_500)]),
        rules: SaleRules::default(),
    }
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
    state.apply(DirectoryCommand::CreateEvent(NewEvent {
        slug: "tides".to_owned(),
        name: "Tides".to_owned(),
        category: "concert".to_owned(),
        description: String::new(),
    }));
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
fn bytes_survive_and_damage_is_named() {
    let mut state = furnished();
    state.apply(create_show(show("tides-1")));
    let bytes = encode_snapshot(&state).expect("encodes");
    assert_eq!(decode_snapshot(&bytes), Ok(state));
    assert_eq!(decode_commands(&bytes), Err(DirectoryCodecError::Magic));
    let mut damaged = bytes.to_vec();
    *damaged.last_mut().expect("not empty") ^= 1;
    assert_eq!(
        decode_snapshot(&damaged),
        Err(DirectoryCodecError::Checksum)
    );
    let mut newer = bytes.to_vec();
    newer[4] = 2;
    assert_eq!(
        decode_snapshot(&newer),
        Err(DirectoryCodecError::NewerVersion { found: 2 })
    );
    for cut in 0..14 {
        assert!(decode_snapshot(&bytes[..cut]).is_err(), "{cut} bytes");
    }
}
