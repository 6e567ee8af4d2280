//! The rules of one group's log, without a disk.

use bytes::Bytes;
use openraft::EntryPayload;

use super::*;
use crate::types::{AppData, log_id};

fn entries(term: u64, range: std::ops::Range<u64>) -> Vec<Entry> {
    range
        .map(|index| Entry {
            log_id: log_id(term, index),
            payload: EntryPayload::Normal(AppData {
                bytes: Bytes::from(vec![1; 10]),
            }),
        })
        .collect()
}

fn append(state: &mut GroupState, term: u64, range: std::ops::Range<u64>) -> Vec<Change> {
    state.append(entries(term, range), Vec::new()).unwrap().0
}

fn filled() -> GroupState {
    let mut state = GroupState::default();
    append(&mut state, 1, 0..10);
    state
}

fn marks(changes: &[Change]) -> Vec<Mark> {
    let mark = |change: &Change| match change {
        Change::Mark(mark, _) => Some(*mark),
        Change::Entries(_) | Change::PurgeTo(_) | Change::Forget => None,
    };
    changes.iter().filter_map(mark).collect()
}

#[test]
fn an_append_with_a_gap_is_refused_and_changes_nothing() {
    let mut state = filled();
    let error = state.append(entries(1, 11..12), Vec::new()).unwrap_err();
    assert_eq!(
        error,
        LogError::Hole {
            found: 11,
            expected: 10
        }
    );
    assert_eq!(state.last(), Some(log_id(1, 9)));
    let mut gapped = entries(1, 10..12);
    gapped.extend(entries(1, 13..14));
    assert!(state.append(gapped, Vec::new()).is_err());
    assert_eq!(state.plan_read(0, 20, None).memory.len(), 10);
}

#[test]
fn a_truncation_is_marked_until_the_next_append() {
    let mut state = filled();
    assert_eq!(
        marks(&state.truncate_after(Some(log_id(1, 4)))),
        [Mark::KeepTo]
    );
    assert_eq!(state.last(), Some(log_id(1, 4)));
    assert_eq!(marks(&append(&mut state, 2, 5..7)), [Mark::KeepTo]);
    assert_eq!(marks(&append(&mut state, 2, 7..8)), []);
}

#[test]
fn truncating_behind_the_end_writes_nothing() {
    let mut state = filled();
    assert!(state.truncate_after(Some(log_id(1, 9))).is_empty());
    assert!(state.truncate_after(Some(log_id(1, 30))).is_empty());
    assert!(GroupState::default().truncate_after(None).is_empty());
}

#[test]
fn truncating_everything_stops_at_what_was_purged() {
    let mut state = filled();
    state.purge_to(log_id(1, 3));
    state.truncate_after(None);
    assert_eq!(state.last(), Some(log_id(1, 3)));
    append(&mut state, 2, 4..5);
    assert_eq!(state.plan_read(0, 20, None).memory.len(), 1);
}

#[test]
fn a_purge_goes_no_further_than_the_floor() {
    let state = filled();
    assert_eq!(state.plan_purge(log_id(1, 7), Some(4)), PurgePlan::Look(4));
    assert_eq!(
        state.plan_purge(log_id(1, 7), Some(7)),
        PurgePlan::To(log_id(1, 7))
    );
    assert_eq!(state.plan_purge(log_id(1, 7), None), PurgePlan::Nothing);
}

#[test]
fn a_purge_never_goes_back() {
    let mut state = filled();
    state.purge_to(log_id(1, 6));
    assert_eq!(state.plan_purge(log_id(1, 6), Some(9)), PurgePlan::Nothing);
    assert_eq!(state.plan_purge(log_id(1, 9), Some(3)), PurgePlan::Nothing);
    assert!(state.purge_to(log_id(1, 2)).is_empty());
    assert_eq!(state.purged, Some(log_id(1, 6)));
}

#[test]
fn a_snapshot_beyond_the_log_replaces_it_whatever_the_floor() {
    let mut state = filled();
    assert_eq!(
        state.plan_purge(log_id(3, 50), Some(2)),
        PurgePlan::To(log_id(3, 50))
    );
    state.purge_to(log_id(3, 50));
    assert_eq!(state.last(), Some(log_id(3, 50)));
    assert!(state.plan_read(0, 100, None).memory.is_empty());
    append(&mut state, 3, 51..53);
    assert_eq!(state.plan_read(0, 100, None).memory.len(), 2);
}

#[test]
fn what_memory_gave_up_is_read_from_disk() {
    let mut state = GroupState::default();
    let (_, first) = state.append(entries(1, 0..5), Vec::new()).unwrap();
    append(&mut state, 1, 5..8);
    state.tail.shrink(first, 0);
    let plan = state.plan_read(2, 7, None);
    assert_eq!((plan.disk, plan.memory.len()), (Some((2, 5)), 2));
    let capped = state.plan_read(2, 7, Some(1));
    assert_eq!((capped.disk, capped.memory.len()), (Some((2, 5)), 0));
    assert_eq!(state.plan_read(5, 7, Some(1)).memory.len(), 1);
    assert_eq!(state.plan_read(8, 9, None).disk, None);
}

#[test]
fn truncation_marks_come_back() {
    for mark in [
        KeepTo::All,
        KeepTo::Nothing,
        KeepTo::Index(0),
        KeepTo::Index(u64::MAX),
    ] {
        assert_eq!(KeepTo::decode(&mark.encode()), Ok(mark));
    }
    assert!(KeepTo::decode(&[1, 9]).is_err());
    assert!(KeepTo::decode(&[]).is_err());
}
