//! Fields that mean nothing are refused by name; distinctions survive the way out.

use holdfast_inventory::ids::Currency;
use holdfast_node_api::codes;
use holdfast_region_config::{GroupId, NodeId};

use super::*;

fn request(command: Option<submit_request::Command>) -> v1::SubmitRequest {
    v1::SubmitRequest {
        tag: 9,
        show_id: 7,
        caller: vec![1; 16].into(),
        idempotency_key: "k".to_owned(),
        deadline_ms: 0,
        through_log: false,
        command,
    }
}

fn release() -> Option<submit_request::Command> {
    Some(submit_request::Command::ReleaseHold(v1::ReleaseHold {
        hold_id: 3,
    }))
}

fn field_at_fault(request: v1::SubmitRequest) -> &'static str {
    match item(request, Instant::now(), Duration::from_secs(1)) {
        Err(SubmitFailure::Invalid { field, .. }) => field,
        other => panic!("expected an invalid field, got {other:?}"),
    }
}

#[test]
fn a_bad_field_is_named() {
    let good = || request(release());
    assert_eq!(
        field_at_fault(v1::SubmitRequest {
            caller: vec![1; 15].into(),
            ..good()
        }),
        "caller"
    );
    assert_eq!(
        field_at_fault(v1::SubmitRequest {
            caller: vec![0; 16].into(),
            ..good()
        }),
        "caller"
    );
    let key = |key: String| v1::SubmitRequest {
        idempotency_key: key,
        ..good()
    };
    assert_eq!(field_at_fault(key(String::new())), "idempotency_key");
    assert_eq!(
        field_at_fault(key("x".repeat(KEY_BYTES_MAX + 1))),
        "idempotency_key"
    );
    assert_eq!(field_at_fault(request(None)), "command");
    let hold = |what| {
        request(Some(submit_request::Command::PlaceHold(v1::PlaceHold {
            ttl_ms: 0,
            what,
            ..v1::PlaceHold::default()
        })))
    };
    assert_eq!(field_at_fault(hold(None)), "place_hold.what");
    let area = v1::GeneralAdmission {
        area: 70_000,
        quantity: 1,
    };
    let area = Some(v1::place_hold::What::GeneralAdmission(area));
    assert_eq!(field_at_fault(hold(area)), "general_admission.area");
}

#[test]
fn the_deadline_is_the_callers_within_bounds() {
    let now = Instant::now();
    let default = Duration::from_secs(5);
    let give_up = |deadline_ms| {
        let request = v1::SubmitRequest {
            deadline_ms,
            ..request(release())
        };
        item(request, now, default).unwrap().give_up_at - now
    };
    assert_eq!(give_up(0), default);
    assert_eq!(give_up(20), Duration::from_millis(20));
    assert_eq!(give_up(u32::MAX), DEADLINE_MAX);
}

#[test]
fn a_rejection_keeps_its_code_seats_and_limit() {
    let no = Rejection::SeatsTaken {
        seats: vec![SeatNo(4), SeatNo(5)],
    };
    let reply = reply(7, 9, 12, Answer::Outcome(Outcome::Rejected(no)));
    assert_eq!((reply.tag, reply.index, reply.replayed), (9, 12, false));
    let Some(submit_reply::Result::Rejection(rejection)) = reply.result else {
        panic!("{reply:?}")
    };
    assert_eq!(rejection.code, "seats_taken");
    assert_eq!(rejection.seats, [4, 5]);
}

#[test]
fn a_show_without_a_layout_is_not_ready_rather_than_refused() {
    let outcome = Outcome::Rejected(Rejection::ShowNotSetUp);
    let reply = reply(7, 9, 12, Answer::Outcome(outcome));
    let Some(submit_reply::Result::Failure(failure)) = reply.result else {
        panic!("{reply:?}")
    };
    assert_eq!(failure.code(), v1::FailureCode::NotReady);
    assert!(!failure.maybe_happened && failure.retry_after_ms > 0);
}

#[test]
fn a_failure_says_whether_it_may_have_happened_and_who_leads() {
    let group = GroupId::new(7);
    let leader = Some(NodeId::new(2));
    let moved = failure(&SubmitFailure::Propose(ProposeError::NotLeader {
        group,
        leader,
    }));
    assert_eq!(
        (moved.code(), moved.leader_node_id),
        (v1::FailureCode::NotLeader, 2)
    );
    assert!(!moved.maybe_happened);
    let lost = failure(&SubmitFailure::Propose(ProposeError::Unknown {
        group,
        leader,
    }));
    assert!(lost.maybe_happened);
    let cut_off = failure(&SubmitFailure::Propose(ProposeError::NoQuorum { group }));
    assert_eq!(cut_off.code(), v1::FailureCode::Unavailable);
    assert!(!cut_off.maybe_happened && cut_off.retry_after_ms > 0);
    assert!(failure(&SubmitFailure::Unconfirmed).maybe_happened);
    assert!(!failure(&SubmitFailure::Expired).maybe_happened);
}

#[test]
fn every_rejection_of_the_inventory_has_a_public_code() {
    for code in Rejection::ALL_CODES {
        assert!(
            codes::find(code).is_some(),
            "{code} is missing from the table of public codes"
        );
    }
    let rejections = codes::CODES
        .iter()
        .filter(|row| row.origin == codes::Origin::Rejection);
    for row in rejections {
        assert!(
            Rejection::ALL_CODES.contains(&row.code),
            "{} is said by nobody",
            row.code
        );
    }
}

#[test]
fn a_replayed_hold_is_marked_and_whole() {
    let view = HoldView {
        hold: HoldId(3),
        buyer: BuyerId([1; 16]),
        state: HoldState::Active,
        seats: vec![SeatNo(1)],
        area: None,
        quantity: 1,
        expires_at_ms: 500,
        expires_at_max_ms: 900,
        total_minor: 4_500,
        currency: Currency::parse("EUR").unwrap(),
        order: None,
        now_ms: 100,
        contiguous: true,
    };
    let reply = reply(
        7,
        9,
        12,
        Answer::Outcome(Outcome::Replayed(Effect::Hold(view))),
    );
    assert!(reply.replayed);
    let Some(submit_reply::Result::Hold(hold)) = reply.result else {
        panic!("{reply:?}")
    };
    assert_eq!(
        (hold.state(), hold.total_minor),
        (v1::HoldState::HoldActive, 4_500)
    );
    assert_eq!((hold.currency.as_str(), hold.expires_at_ms), ("EUR", 500));
}
