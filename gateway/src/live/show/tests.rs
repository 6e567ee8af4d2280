//! One show, its viewers' positions and its age, without a node.
//!
//! Owns: these tests. Must never: wait for time to pass.

use holdfast_node_api::v1::{AreaState, AsOf};

use super::super::seats::tests::hall;
use super::*;

fn update(index: u64, changed: &[u32]) -> SeatsUpdate {
    SeatsUpdate {
        as_of: Some(AsOf {
            index,
            age_ms: 0,
            linearizable: false,
        }),
        seats_changed: changed.to_vec(),
        ..SeatsUpdate::default()
    }
}

fn everything(index: u64, seats: &[u8]) -> SeatsUpdate {
    SeatsUpdate {
        seats: seats.to_vec().into(),
        areas: vec![AreaState::default()],
        everything: true,
        ..update(index, &[])
    }
}

fn show(seats: u32) -> Arc<LiveShow> {
    let show = LiveShow::new(ShowPlace {
        show_id: 7,
        ..ShowPlace::default()
    });
    show.set_layout(Arc::new(hall(seats)));
    Arc::new(show)
}

fn text(next: Next) -> String {
    match next {
        Next::Event(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_viewer_gets_the_same_delta_and_a_late_one_the_state_behind_it() {
    let show = show(64);
    assert!(show.begin(None).is_none(), "nothing is known yet");
    show.take(&everything(5, &[0; 64]), None).unwrap();
    let (position, snapshot) = show.begin(None).unwrap();
    assert!(snapshot.is_some());
    assert_eq!(
        show.take(&update(8, &[3 << 2 | 1]), None),
        Ok(Some("delta"))
    );
    assert!(text(show.at(position)).contains("\"seats\":[[3,1]]"));
    let (late, snapshot) = show.begin(None).unwrap();
    assert_eq!((late, show.at(late)), (position + 1, Next::Wait));
    assert!(snapshot.unwrap().starts_with(b"event: snapshot\nid: 8\n"));
    assert_eq!(show.take(&update(9, &[]), None), Ok(None));
    assert_eq!(show.at(late), Next::Wait, "nothing changed");
}

#[test]
fn a_viewer_resumes_from_its_last_change_and_from_nowhere_else() {
    let show = show(64);
    show.take(&everything(5, &[0; 64]), None).unwrap();
    show.take(&update(8, &[1]), None).unwrap();
    show.take(&update(9, &[2]), None).unwrap();
    let (position, snapshot) = show.begin(Some(8)).unwrap();
    assert!(snapshot.is_none() && text(show.at(position)).contains("id: 9\n"));
    assert!(show.begin(Some(7)).unwrap().1.is_some());
    assert!(show.begin(Some(9)).unwrap().1.is_none(), "has everything");
}

#[test]
fn a_change_of_half_the_hall_is_a_snapshot() {
    let show = show(64);
    show.take(&everything(5, &[0; 64]), None).unwrap();
    let half: Vec<u32> = (0..32).map(|seat| seat << 2 | 2).collect();
    assert_eq!(show.take(&update(6, &half), None), Ok(Some("snapshot")));
}

#[test]
fn the_age_follows_the_newest_proof() {
    let show = show(4);
    show.take(&everything(5, &[0; 4]), None).unwrap();
    assert_eq!(show.known().unwrap().age, Duration::MAX);
    let now = clock::now();
    show.take(&update(6, &[]), Some(now)).unwrap();
    let earlier = now.checked_sub(Duration::from_secs(9)).unwrap();
    show.take(&update(7, &[]), Some(earlier)).unwrap();
    assert!(show.known().unwrap().age < Duration::from_secs(5));
}

#[test]
fn a_stale_copy_is_called_so_at_once_and_so_is_its_recovery() {
    let show = show(4);
    let _seated = show.seat(1).unwrap();
    assert!(show.seat(1).is_none(), "there is one place");
    assert_eq!(show.pulse(), None, "nothing to say yet");
    show.take(&everything(5, &[0; 4]), None).unwrap();
    assert_eq!(show.pulse(), Some("stale"), "of unknown age");
    assert_eq!(show.pulse(), None, "said already");
    show.take(&update(6, &[]), Some(clock::now())).unwrap();
    assert_eq!(show.pulse(), Some("age"));
}

#[test]
fn requests_with_an_effect_are_known_before_the_seats_they_took() {
    let show = show(4);
    show.take(&everything(5, &[0; 4]), None).unwrap();
    assert!(!show.may_have_acted(42));
    let mut taking = update(6, &[1]);
    taking.prints = vec![42];
    show.take(&taking, None).unwrap();
    assert!(show.may_have_acted(42) && !show.may_have_acted(43));
}

#[test]
fn a_state_without_what_was_given_back_here_is_known_to_lack_it() {
    let show = show(4);
    assert!(!show.lacks_freed(0));
    show.freed(7);
    show.freed(5);
    assert!(show.lacks_freed(6) && !show.lacks_freed(7));
}
