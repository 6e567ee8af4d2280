//! What callers and workers see when leadership is lost.

use holdfast_node_api::v1::{self, FailureCode, submit_reply, submit_request};
use tokio::time::Instant;

use crate::cluster::{Cluster, LONG, PAUSE, hold_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_show_is_led_at_home_and_other_nodes_say_who_leads() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    cluster.leader(show_id, &[0]).await;
    let request = v1::SubmitRequest {
        show_id,
        caller: vec![1; 16].into(),
        idempotency_key: "k".to_owned(),
        command: Some(submit_request::Command::ReleaseHold(v1::ReleaseHold {
            hold_id: 1,
        })),
        ..v1::SubmitRequest::default()
    };
    let until = Instant::now() + LONG;
    let failure = loop {
        // A follower learns of the show, and of its leader, a moment later than the leader itself.
        let reply = cluster.clients[1]
            .pipe()
            .submit(request.clone(), LONG)
            .await
            .unwrap();
        let Some(submit_reply::Result::Failure(failure)) = reply.result else {
            panic!("{reply:?}")
        };
        if failure.leader_node_id != 0 {
            break failure;
        }
        assert!(Instant::now() < until, "{failure:?}");
        tokio::time::sleep(PAUSE).await;
    };
    assert_eq!(
        (failure.code(), failure.leader_node_id),
        (FailureCode::NotLeader, 1)
    );
    assert!(!failure.maybe_happened);
    for at in 0..3 {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_leader_hands_over_and_everything_it_acknowledged_stays() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0]).await;
    let mut first = Vec::new();
    for seat in 0..10 {
        first.push(hold_id(
            &cluster
                .hold(show_id, seat, &format!("k{seat}"), &[leader])
                .await,
        ));
    }
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    cluster.stop(leader).await;
    let next = cluster.leader(show_id, &others).await;
    assert_ne!(next, leader);
    for (seat, hold) in (0..10).zip(first) {
        let again = cluster
            .hold(show_id, seat, &format!("k{seat}"), &others)
            .await;
        assert!(again.replayed, "{again:?}");
        assert_eq!(hold_id(&again), hold);
    }
    let fresh = cluster.hold(show_id, 11, "fresh", &others).await;
    assert!(!fresh.replayed);
    for at in others {
        cluster.stop(at).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_under_way_is_finished_by_the_next_leader() {
    let mut cluster = Cluster::start().await;
    let show_id = cluster.show().await;
    let leader = cluster.leader(show_id, &[0]).await;
    let hold = hold_id(&cluster.hold(show_id, 0, "hold", &[leader]).await);
    let submit = async |key: &str, command| {
        let request = v1::SubmitRequest {
            show_id,
            caller: vec![1; 16].into(),
            idempotency_key: key.to_owned(),
            command: Some(command),
            ..v1::SubmitRequest::default()
        };
        cluster.clients[leader]
            .pipe()
            .submit(request, LONG)
            .await
            .unwrap()
    };
    let open = submit_request::Command::OpenOrder(v1::OpenOrder { hold_id: hold });
    let reply = submit("open", open).await;
    let Some(submit_reply::Result::Order(order)) = reply.result else {
        panic!("{reply:?}")
    };
    let order_id = order.order_id;
    // This token is never answered, so the attempt is still open when the leader goes.
    let payment_token = "tok_timeout".to_owned();
    submit(
        "pay",
        submit_request::Command::PayOrder(v1::PayOrder {
            order_id,
            payment_token,
        }),
    )
    .await;
    cluster.stop(leader).await;
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    let next = cluster.leader(show_id, &others).await;
    let until = Instant::now() + LONG;
    loop {
        let request = v1::GetOrderRequest {
            show_id,
            order_id,
            caller: vec![1; 16].into(),
            read: None,
        };
        let reply = cluster.clients[next]
            .inventory()
            .get_order(request)
            .await
            .unwrap();
        let order = reply.into_inner().order.unwrap();
        if order.payment_problem == "provider_timeout" {
            break;
        }
        assert!(Instant::now() < until, "{order:?}");
        tokio::time::sleep(PAUSE).await;
    }
    for at in others {
        cluster.stop(at).await;
    }
}
