//! Whom a read asks when a replica of its show is too old or has no majority, and that other shows do not mind.

use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_node_api::codes::STATUS_CODE_KEY;
use holdfast_node_api::v1::{AsOf, SeatMap};

use super::super::survey::tests::upstream;
use super::*;
use crate::positions::Positions;

/// Nodes 1 and 2 stand here and node 3 elsewhere; each may lead every show.
fn place(show_id: u64) -> ShowPlace {
    ShowPlace {
        show_id,
        home_region: "a".to_owned(),
        voters: vec![1, 2, 3],
        learners: vec![],
    }
}

fn order(upstream: &Upstream, show_id: u64, freshness: Freshness) -> Vec<u64> {
    let order = upstream.order(&place(show_id), freshness);
    order.iter().map(|peer| peer.id).collect()
}

fn map(age_ms: u64, linearizable: bool) -> Response<SeatMap> {
    let as_of = AsOf {
        index: 9,
        age_ms,
        linearizable,
    };
    Response::new(SeatMap {
        as_of: Some(as_of),
        ..SeatMap::default()
    })
}

/// Reads a map of show `show_id` from nodes that answer with these ages, ms, whichever is asked first. The age that is handed
/// out, who gave it, and how many were asked.
async fn read(upstream: &Upstream, show_id: u64, ages_ms: &[u64]) -> (u64, u64, u32) {
    let asked = AtomicUsize::new(0);
    let call = |_: NodeClient| {
        let age_ms = ages_ms[asked.fetch_add(1, Ordering::Relaxed)];
        async move { Ok(map(age_ms, false)) }
    };
    let place = place(show_id);
    let reading = upstream.read(&place, Freshness::Near, call);
    let (answer, footprint) = footprint::scope(Positions::default(), reading).await;
    let as_of = answer.unwrap().as_of.unwrap();
    assert_eq!(footprint.age_ms, Some(as_of.age_ms));
    let node = footprint.served_by.unwrap().id;
    (as_of.age_ms, node, footprint.tries)
}

#[tokio::test]
async fn an_old_answer_is_asked_for_elsewhere_and_the_freshest_is_handed_out() {
    let upstream = upstream();
    let mixed = read(&upstream, 7, &[60_000, 9_000, 5]).await;
    assert_eq!(mixed, (5, 3, 3));
    let all_old = read(&upstream, 8, &[60_000, 9_000, 12_000]).await;
    assert_eq!(all_old, (9_000, 2, 3), "with its age");
    let once_more = read(&upstream, 8, &[61_000]).await;
    assert_eq!(once_more, (61_000, 1, 1), "no other one said better");
    let promised = u64::try_from(REPLICA_AGE_MAX.as_millis()).unwrap();
    assert_eq!(read(&upstream, 9, &[promised]).await, (promised, 1, 1));
}

#[tokio::test]
async fn a_replica_that_is_cut_off_is_asked_last_for_its_show_and_for_no_other() {
    let upstream = upstream();
    assert_eq!(read(&upstream, 7, &[60_000, 5]).await, (5, 2, 2));
    for freshness in [Freshness::Near, Freshness::Seen, Freshness::Linearizable] {
        assert_eq!(order(&upstream, 7, freshness), [2, 3, 1]);
        assert_eq!(order(&upstream, 8, freshness), [1, 2, 3]);
    }
    let third = upstream.peer(3).unwrap();
    third.health.failed(clock::now());
    let near = order(&upstream, 7, Freshness::Near);
    assert_eq!(near, [2, 1, 3], "an old map is better than none");
    upstream.show_troubles.fresh(7, 1);
    assert_eq!(order(&upstream, 7, Freshness::Near), [1, 2, 3]);
}

#[tokio::test]
async fn a_leader_without_a_majority_is_asked_last_for_its_show_and_leads_the_others() {
    let upstream = upstream();
    assert_eq!(upstream.leader_guess(&place(7)), Some(1), "it is at home");
    let asked = AtomicUsize::new(0);
    let call = |_: NodeClient| {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if !first {
                return Ok(map(0, true));
            }
            let mut no = Status::unavailable("no quorum");
            let code = "unavailable".parse().unwrap();
            no.metadata_mut().insert(STATUS_CODE_KEY, code);
            Err(no)
        }
    };
    let at = place(7);
    let sure = upstream.read(&at, Freshness::Linearizable, call).await;
    assert!(sure.unwrap().as_of.unwrap().linearizable);
    assert_eq!(order(&upstream, 7, Freshness::Linearizable), [2, 3, 1]);
    assert_eq!(upstream.leader_guess(&at), None, "writes ask others first");
    assert_eq!(upstream.near(7), [2, 3, 1]);
    assert_eq!(upstream.leader_guess(&place(8)), Some(1));
    assert_eq!(upstream.near(8), [1, 2, 3]);
    upstream.show_troubles.commits(7, 1);
    assert_eq!(upstream.leader_guess(&at), Some(1));
}
